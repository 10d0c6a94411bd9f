"""What is set otherwise than before: in a run that goes on, in a comparison."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speechbrain.utils.distributed import if_main_process

from speechbrain_spmamba.training.brain import DEFAULTS
from speechbrain_spmamba.weights.training_run import read_settings

logger = logging.getLogger(__name__)


@contextmanager
def changes_told(folder: str | Path) -> Iterator[None]:
    """Says what is set otherwise than before when the settings are kept anew.

    Some of it, as a learning rate, changes nothing any more.

    Arguments
    ---------
    folder : str or Path
        The folder of a run.
    """
    kept = Path(folder) / "hyperparams.yaml"
    old = _read(kept)
    yield
    if not (old and if_main_process()):
        return
    changes = [text.partition("=") for text in differences(old, _read(kept))]
    # References have been resolved: one setting stands in several places, of
    # which the shortest name is the one that is set.
    found = {}
    for name, _, change in sorted(changes, key=lambda x: x[0].count(".")):
        found.setdefault(change.replace(f", now {name}=", " -> "), name)
    if found:
        changes = ", ".join(f"{name}: {pair}" for pair, name in found.items())
        logger.warning(
            f"{folder} goes on with other settings ({changes}); what its "
            "checkpoint holds stays: weights, optimizer and learning rate"
        )


def _read(path):
    """Settings that a run has kept, none where the file is no such thing."""
    try:
        return read_settings(path)
    except (OSError, ValueError):
        return {}


def differences(old: dict, new: dict, where: str = "") -> list[str]:
    """What differs between two experiments, but for where they write.

    That is their output folder and their logger. A key that one of them does
    not have is what it is by default.

    Arguments
    ---------
    old : dict
        From ``yaml_text.plain``.
    new : dict
        Likewise.
    where : str
        Name of the mapping, for what is found.

    Returns
    -------
    list of str
        One text for each setting.

    Example
    -------
    >>> differences({"a": {"b": 1}, "c": 2}, {"a": {"b": 3}, "c": 2})
    ['a.b=1, now a.b=3']
    >>> differences({}, {"tf32": True}), differences({}, {"tf32": False})
    ([], ['tf32=True, now tf32=False'])
    """
    found = []
    for key in {**old, **new}:
        name = f"{where}{key}"
        if name in ("output_folder", "logger", "train_logger"):
            continue
        default = DEFAULTS.get(name)
        one, other = old.get(key, default), new.get(key, default)
        if isinstance(one, dict) and isinstance(other, dict):
            found += differences(one, other, f"{name}.")
        elif one != other:
            found.append(f"{name}={one}, now {name}={other}")
    return found
