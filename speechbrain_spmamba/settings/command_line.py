"""The command line of train.py: a YAML file, run options, and keys to set."""

import contextlib
import io

from speechbrain.utils.run_opts import RunOptions

from speechbrain_spmamba.upstream.private import StrictRunOptions


def parse_words(argv):
    """The toolkit's reading of a command line, in one line where it fails.

    Arguments
    ---------
    argv : list of str
        The command line behind the program.

    Returns
    -------
    str
        The YAML file.
    RunOptions
        Run options of the toolkit.
    str
        YAML text of the keys that are set.

    Raises
    ------
    ValueError
        It does not understand the line.

    Example
    -------
    >>> parse_words(["a.yaml", "--optimizer", "{lr: 1}"])[2]
    'optimizer: {lr: 1}'
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return StrictRunOptions.from_command_line_args(argv)
    except SystemExit as stop:
        if not stop.code:
            raise
        *_, reason = said.getvalue().strip().rpartition("error: ")
        raise ValueError(f"{reason}; see `train.py --help`") from None


def check_words(words):
    """Finds options without a value, given twice, or with a dot.

    Arguments
    ---------
    words : list of str
        The command line behind the program.

    Raises
    ------
    ValueError
        Such an option.

    Example
    -------
    >>> check_words(["a.yaml", "--lr", "0.1", "--debug"])
    >>> check_words(["a.yaml", "--lr", "--debug"])
    Traceback (most recent call last):
        ...
    ValueError: --lr has no value; expected --lr VALUE
    """
    run_options, seen = RunOptions().as_dict(), set()
    for place, word in enumerate(words):
        if not word.startswith("--"):
            continue
        key, equals, _ = word[2:].partition("=")
        if key in seen:
            raise ValueError(f"--{key} is given twice; give it once")
        seen.add(key)
        if key in run_options:  # some of them are switches
            continue
        following = words[place + 1 : place + 2]
        if not equals and (not following or following[0].startswith("--")):
            raise ValueError(f"--{key} has no value; expected --{key} VALUE")
        if "." in key:
            top, _, inner = key.partition(".")
            value = word.partition("=")[2] or following[0]
            raise ValueError(
                f"--{key}: keys within a key are set together; write "
                f'--{top} "{{{inner}: {value}}}"'
            )
