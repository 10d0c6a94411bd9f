"""One experiment for each system of a comparison.

An experiment's YAML file holds its model between two comment lines. What
stands there is replaced by the block of another system, so that all else, data,
loaders, loss and optimiser, is the same for all of them.
"""

from pathlib import Path

from speechbrain.utils.run_opts import RunOptions

from speechbrain_spmamba.files.yaml_text import dump, load
from speechbrain_spmamba.settings.command_line import (
    read_value,
    split_options,
)
from speechbrain_spmamba.settings.reading import read_keys
from speechbrain_spmamba.settings.requirements import (
    KEYS_READ,
    check_keys,
    referred_keys,
)
from speechbrain_spmamba.upstream.private import StrictRunOptions

BEGIN, END = "# ---- Model ----\n", "# ---- Training ----\n"


def experiment_text(
    text: str, block: str, changes: dict, first_lines: str
) -> str:
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
    settings = load("".join(lines))
    _merge(settings, changes)
    # The width leaves lines as long as they are.
    text = dump(settings, 4, width=4096)
    # A folder that the changes have replaced is read by nothing any more.
    referred = referred_keys("".join(lines)) - KEYS_READ
    while unread := set(settings) & referred - referred_keys(text):
        for key in unread:
            del settings[key]
        text = dump(settings, 4, width=4096)
    return first_lines + "\n" + text.lstrip("\n")


def split_settings(
    argv: list[str], path: str | Path, text: str
) -> tuple[dict, list[str]]:
    """Tells settings of an experiment from run options of the toolkit.

    Arguments
    ---------
    argv : list of str
        ``--key value``, ``--key=value`` or, of run options, ``--switch``.
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
        See ``split_options``, ``read_value`` and ``check_keys``; or a key of
        the model.

    Example
    -------
    >>> argv = ["--seed", "7", "--device=cpu", "--debug"]
    >>> split_settings(argv, "a.yaml", "seed: 1\\n__set_seed: !ref <seed>\\n")
    ({'seed': 7}, ['--device=cpu', '--debug'])
    """
    keys = read_keys(path, text)
    settings, options, given = {}, [], []
    for key, value, option in split_options(argv, StrictRunOptions.switches()):
        if key in ("separator", "modules"):
            raise ValueError(
                f"--{key}: a comparison sets the model of each system itself"
            )
        if key not in keys and key in RunOptions().as_dict():
            options += option
            continue
        given.append(f"{key}: {value}")
        settings[key] = read_value(key, value)
    check_keys(path, text, "\n".join(given))
    return settings, options


def _merge(settings, changes, where="--"):
    """Replaces settings; mappings are merged into those there are."""
    for key, value in changes.items():
        old = settings.get(key)
        if isinstance(value, str) and value.startswith("!"):
            value = load(value)
        if isinstance(value, dict) and isinstance(old, dict):
            _merge(old, value, f"{where}{key}.")
        elif isinstance(value, dict) and key in settings:
            raise ValueError(f"{where}{key} takes no mapping; give a value")
        else:
            settings[key] = value
