"""One experiment for each system of a comparison.

An experiment's YAML file holds its model between two comment lines. What
stands there is replaced by the block of another system, so that all else, data,
loaders, loss and optimiser, is the same for all of them.
"""

import io

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from speechbrain.utils.run_opts import RunOptions

from speechbrain_spmamba.settings.experiment import check_keys, parse

BEGIN, END = "# ---- Model ----\n", "# ---- Training ----\n"


def experiment_text(text, block, changes, first_lines):
    """An experiment with another model and other settings.

    Arguments
    ---------
    text : str
        YAML text of an experiment of this project.
    block : str
        What builds the model, see ``model_block``.
    changes : dict
        Settings to replace; mappings are merged into the mappings there are,
        and a text with a tag is read as YAML: ``"!ref <a>"``.
    first_lines : str
        Comment that replaces the one at the top.

    Returns
    -------
    str
        YAML text, with the comments of the original.

    Raises
    ------
    ValueError
        The text lacks the lines around the model, or a setting is a mapping
        on one side only.
    """
    if not 0 <= text.find(BEGIN) < text.find(END):
        raise ValueError(
            f"an experiment has the lines '{BEGIN.strip()}' and "
            f"'{END.strip()}' around its model; they were not found"
        )
    before, _, rest = text.partition(BEGIN)
    text = f"{before}{BEGIN}{block}\n\n{END}{rest.partition(END)[2]}"
    lines = text.splitlines(keepends=True)
    while lines and lines[0].startswith("#") and "----" not in lines[0]:
        lines.pop(0)
    yaml, dumped = YAML(typ="rt"), io.StringIO()
    yaml.indent(mapping=4)
    yaml.width = 4096  # lines stay as long as they are
    settings = yaml.load("".join(lines))
    _merge(settings, changes)
    yaml.dump(settings, dumped)
    return first_lines + "\n" + dumped.getvalue().lstrip("\n")


def split_words(words, path, text):
    """Tells settings of an experiment from run options of the toolkit.

    Arguments
    ---------
    words : list of str
        ``--key value``, ``--key=value`` or ``--flag``.
    path : str or Path
        The experiment, for messages.
    text : str
        Its YAML text.

    Returns
    -------
    settings : dict
        Keys that the experiment has -> values, read as YAML.
    options : list of str
        Words of the run options, for ``train.py``.

    Raises
    ------
    ValueError
        A word that is no option, a key that neither knows, a value that is no
        YAML, or a placeholder of the experiment without a value.

    Example
    -------
    >>> words = ["--seed", "7", "--device=cpu", "--debug"]
    >>> split_words(words, "a.yaml", "seed: 1\\n__set_seed: !ref <seed>\\n")
    ({'seed': 7}, ['--device=cpu', '--debug'])
    """
    try:
        keys = parse(text) or {}
    except YAMLError:
        keys = {}  # check_keys says what is wrong with it
    settings, options, given = {}, [], []
    words = list(words)
    while words:
        option = [words.pop(0)]
        if not option[0].startswith("--"):
            raise ValueError(
                f"{option[0]} is not understood; expected --key value"
            )
        key, equals, value = option[0].removeprefix("--").partition("=")
        if not equals:
            value = "True"  # a flag, unless a value follows
            if words and not words[0].startswith("--"):
                value = words.pop(0)
                option.append(value)
        if key in ("separator", "modules"):
            raise ValueError(
                f"--{key}: a comparison sets the model of each system itself"
            )
        if key not in keys and key in RunOptions().as_dict():
            options += option
            continue
        given.append(f"{key}: {value}")
        try:
            settings[key] = YAML(typ="rt").load(value)
        except YAMLError:
            raise ValueError(
                f"--{key} {value} is no YAML; quote text that has : or {{"
            ) from None
    check_keys(path, text, "\n".join(given))
    return settings, options


def _merge(settings, changes, where="--"):
    """Replaces settings; mappings are merged into those there are."""
    for key, value in changes.items():
        old = settings.get(key)
        if isinstance(value, str) and value.startswith("!"):
            value = YAML(typ="rt").load(value)
        if isinstance(value, dict) and isinstance(old, dict):
            _merge(old, value, f"{where}{key}.")
        elif isinstance(value, dict) and key in settings:
            raise ValueError(f"{where}{key} takes no mapping; give a value")
        else:
            settings[key] = value
