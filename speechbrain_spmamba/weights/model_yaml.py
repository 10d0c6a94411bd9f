"""Reads YAML files for what builds a model, and refuses those that do more.

A model folder's file is taken as a whole, an experiment's in part. What the
allow-list of ``safe_yaml`` refuses, the user may trust; numbers that no model
is built of are no matter of trust.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from speechbrain_spmamba import safe_yaml
from speechbrain_spmamba.files.text import read_text
from speechbrain_spmamba.files.yaml_text import dump, load
from speechbrain_spmamba.files.yaml_tree import MAX_CHARACTERS

TRUST = (
    "what is more than a model of this package is loaded with --trust alone "
    "(in Python safe=False or trust=True), and may run any code"
)


def read_model_yaml(path: str | Path) -> str:
    """The text of a YAML file that builds a model and does no more.

    Arguments
    ---------
    path : str or Path
        The file.

    Returns
    -------
    str
        The text that was checked.

    Raises
    ------
    ValueError
        The text is more than a model, or describes none.
    """
    # What is checked is what is loaded: the file is read once.
    with open(path, "rb") as file:
        data = file.read(2 * MAX_CHARACTERS)
    try:
        text = data.decode("ascii").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise not_loaded(path, "it is no ASCII text") from None
    try:
        safe_yaml.check(text)
    except ValueError as error:
        raise not_loaded(path, error, TRUST) from None
    _check_values(path, text)
    return text


def read_model_part(path: str | Path, text: str | None = None) -> str:
    """What builds the model in the YAML file of an experiment or a run.

    Arguments
    ---------
    path : str or Path
        The file.
    text : str, optional
        What is read in place of what stands there.

    Returns
    -------
    str
        See ``safe_yaml.model_part``.

    Raises
    ------
    ValueError
        Its separator is more than a model of this package, or none.
    """
    text = read_text(path) if text is None else text
    try:
        text = safe_yaml.model_part(text)
    except ValueError as error:
        raise not_loaded(path, error, TRUST) from None
    _check_values(path, text)
    return text


def read_trusted_part(
    path: str | Path, keys: Sequence[str], text: str | None = None
) -> str:
    """What keys of a YAML file build, whatever that is.

    Arguments
    ---------
    path : str or Path
        The file of an experiment or a run.
    keys : list of str
        Those that are wanted, as far as they are there.
    text : str, optional
        What is read in place of what stands there.

    Returns
    -------
    str
        YAML text of them and of all that they refer to, without comments.
    """
    text = read_text(path) if text is None else text
    try:
        settings = load(text)
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        settings = {}
    wanted = [key for key in keys if key in settings]
    while True:
        text = dump({key: settings[key] for key in wanted})
        # Comments between the keys are of what stays behind.
        lines = [
            line
            for line in text.splitlines()
            if line.strip() and not line.lstrip().startswith("#")
        ]
        referred = re.findall(r"<([A-Za-z_]\w*)", "\n".join(lines))
        more = set(referred) & set(settings) - set(wanted)
        if not more:
            return "\n".join(lines)
        wanted += sorted(more)


def _check_values(path, text):
    """Raises ValueError for numbers that no model is built of."""
    try:
        safe_yaml.check_values(text)
    except ValueError as error:
        raise not_loaded(path, error) from None


def not_loaded(
    path: str | Path, error: Exception | str, advice: str = ""
) -> ValueError:
    """The error of a file that is refused, in one line.

    Arguments
    ---------
    path : str or Path
        The file.
    error : Exception or str
        Why.
    advice : str
        What to do, if anything.

    Returns
    -------
    ValueError
        To be raised.
    """
    reason = " ".join(str(error).split())[:300]
    return ValueError(
        f"{path} was not loaded: {reason}{advice and f'; {advice}'}"
    )
