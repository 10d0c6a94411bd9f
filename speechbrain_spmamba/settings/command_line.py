"""Command lines of ``--key value``: those of train.py, and of all others."""

import contextlib
import io
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from speechbrain_spmamba.files.yaml_text import load, plain

SWITCHED = ("True", "False")


def read_command_line(argv: list[str]) -> tuple[str, Any, str]:
    """Reads the command line of train.py.

    Arguments
    ---------
    argv : list of str
        YAML file, run options of the toolkit, and keys of the file.

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
        See ``split_options``; or the toolkit does not understand the line.

    Example
    -------
    >>> read_command_line(["a.yaml", "--optimizer", "{lr: 1}"])[2]
    'optimizer: {lr: 1}'
    """
    # The toolkit, and torch, which commands with options may do without
    from speechbrain_spmamba.upstream.private import StrictRunOptions

    class RunOptions(StrictRunOptions):
        """The toolkit's, whose keys of the file are read as all options are."""

        @staticmethod
        def keys_text(argv):
            """YAML text of ``--key value``."""
            return "\n".join(
                f"{key}: {value}" for key, value, _ in split_options(argv)
            )

    given = [word.partition("=")[0] for word in argv if word.startswith("--")]
    for option in given:
        if given.count(option) > 1:
            raise ValueError(f"{option} is given twice; give it once")
    words, off = without_switches_off(argv, RunOptions.switches())
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            path, run_opts, text = RunOptions.from_command_line_args(words)
    except SystemExit as stop:
        if not stop.code:
            raise
        *_, reason = said.getvalue().strip().rpartition("error: ")
        raise ValueError(f"{reason}; see `train.py --help`") from None
    given = run_opts.overridden_args | off
    run_opts = replace(
        run_opts, overridden_args=given, **dict.fromkeys(off, False)
    )
    return path, run_opts, text


def without_switches_off(
    argv: list[str], switches: Iterable[str]
) -> tuple[list[str], set[str]]:
    """Takes ``--switch False`` out, which the toolkit cannot read.

    Its switches have no value: what a YAML file turns on, none turns off.

    Arguments
    ---------
    argv : list of str
        A command line.
    switches : iterable of str
        Options that need no value.

    Returns
    -------
    list of str
        The line without them, and with ``--switch`` for ``--switch True``.
    set of str
        The switches that are off.

    Raises
    ------
    ValueError
        Another value of a switch.

    Example
    -------
    >>> without_switches_off(["a.yaml", "--jit=False", "--debug"], {"jit"})
    (['a.yaml', '--debug'], {'jit'})
    """
    words, off, rest = [], set(), list(argv)
    while rest:
        word = rest.pop(0)
        key, equals, value = word.removeprefix("--").partition("=")
        if word.startswith("--") and key in switches:
            if not equals:
                follows = rest and rest[0] in SWITCHED
                value = rest.pop(0) if follows else "True"
            if value not in SWITCHED:
                raise ValueError(
                    f"--{key} is '{value}'; expected True, False or nothing"
                )
            if value == "False":
                off.add(key)
                continue
            word = f"--{key}"
        words.append(word)
    return words, off


def split_options(argv: list[str], switches: Iterable[str] = ()) -> list[tuple]:
    """Takes ``--key value`` and ``--key=value`` apart.

    Arguments
    ---------
    argv : list of str
        All that follows a command and its arguments.
    switches : iterable of str
        Keys that need no value; True or False may follow.

    Returns
    -------
    list of tuple
        Key, value (``True`` of a switch) and the words of each option.

    Raises
    ------
    ValueError
        A word that is no option, one without a value, given twice, or with a
        dot.

    Example
    -------
    >>> split_options(["--debug", "--lr=0.1", "--seed", "-1"], {"debug"})
    [('debug', 'True', ['--debug']), ('lr', '0.1', ['--lr=0.1']), ('seed', ...
    >>> split_options(["--lr", "--debug"])
    Traceback (most recent call last):
        ...
    ValueError: --lr has no value; expected --lr VALUE
    """
    found, rest = {}, list(argv)
    while rest:
        option = [rest.pop(0)]
        key, equals, value = option[0].removeprefix("--").partition("=")
        if not option[0].startswith("--") or not key:
            raise ValueError(
                f"{option[0]} is not understood; expected --key value"
            )
        if key in found:
            raise ValueError(f"--{key} is given twice; give it once")
        if key in switches and not equals:
            value = "True"
            if rest and rest[0] in SWITCHED:
                value = rest.pop(0)
                option.append(value)
        elif not equals:
            if not rest or rest[0].startswith("--"):
                raise ValueError(
                    f"--{key} has no value; expected --{key} VALUE"
                )
            value = rest.pop(0)
            option.append(value)
        top, dot, inner = key.partition(".")
        if dot:
            raise ValueError(
                f"--{key}: keys within a key are set together; write "
                f'--{top} "{{{inner}: {value}}}"'
            )
        found[key] = value, option
    return [(key, *rest) for key, rest in found.items()]


def read_value(key, text):
    """The value of an option, read as YAML; tags stay what they are."""
    try:
        return load(text)
    except ValueError:
        raise ValueError(
            f"--{key} {text} is no YAML; quote text that has : or {{"
        ) from None


def read_options(argv: list[str]) -> dict:
    """Options of a command that are arguments of a function.

    Arguments
    ---------
    argv : list of str
        ``--key value`` or ``--key=value``; a key may have "-" for "_".

    Returns
    -------
    dict
        Key -> value, read as YAML.

    Example
    -------
    >>> read_options(["--jobs", "2", "--sir=[-5, 5]"])
    {'jobs': 2, 'sir': [-5, 5]}
    """
    found = {}
    for key, text, _ in split_options(argv):
        name = key.replace("-", "_")
        if name in found:
            raise ValueError(f"--{name} is given twice; give it once")
        found[name] = plain(read_value(name, text))
    return found
