"""Which systems a comparison trains, and in what sizes.

From the names or the YAML file that the user gives; to ``compare.plan``.
"""

from dataclasses import dataclass, field
from pathlib import Path

from speechbrain_spmamba.errors import did_you_mean
from speechbrain_spmamba.files.text import read_text
from speechbrain_spmamba.files.yaml_text import plain
from speechbrain_spmamba.models import MODELS
from speechbrain_spmamba.settings.reading import read_keys

KEYS = ("system", "separator", "lr")


@dataclass
class ChosenSystem:
    """A system that takes part.

    Arguments
    ---------
    system : str
        A key of ``SYSTEMS``.
    separator : dict
        Arguments of its network that differ from the size of the others.
    lr : float, optional
        Its own learning rate.
    """

    system: str
    separator: dict = field(default_factory=dict)
    lr: float | None = None


def read_systems(path: str | Path) -> dict:
    """The systems of a YAML file, as ``choose_systems`` takes them.

    Arguments
    ---------
    path : str or Path
        The file.

    Returns
    -------
    dict
        Name -> ``system``, ``separator`` and ``lr``.

    Raises
    ------
    ValueError
        It holds no systems.
    """
    systems = plain(read_keys(path, read_text(path)))
    if not systems:
        raise ValueError(f"{path} holds no systems; give `name:` lines")
    return systems


def choose_systems(given: list[str] | dict | None) -> dict:
    """Who takes part, by name.

    Arguments
    ---------
    given : list of str or dict, optional
        Systems, or name -> ``system`` (if it is not the name), ``separator``
        and ``lr``; without any, the systems of the paper.

    Returns
    -------
    dict
        Name -> ``ChosenSystem``.

    Raises
    ------
    ValueError
        A key or value that is none of these, or a learning rate for some of
        the systems only.

    Example
    -------
    >>> choose_systems({"slow": {"system": "dprnn", "lr": 0.001}})
    {'slow': ChosenSystem(system='dprnn', separator={}, lr=0.001)}
    """
    if not isinstance(given, dict):
        given = dict.fromkeys(given or MODELS)
    chosen = {str(name): _choose(str(name), own) for name, own in given.items()}
    without = [name for name, own in chosen.items() if own.lr is None]
    if 0 < len(without) < len(chosen):
        raise ValueError(
            f"lr is not given for {', '.join(without)}, but for others; give "
            "it for all systems or for none"
        )
    return chosen


def _choose(name, own):
    """What is said of a system, checked."""
    own = {} if own is None else own
    if not isinstance(own, dict):
        raise ValueError(
            f"{name} is {own!r}; expected a mapping of {', '.join(KEYS)}"
        )
    for key in own:
        if key not in KEYS:
            raise ValueError(
                f"{name} has the key '{key}'; expected "
                f"{', '.join(KEYS)}{did_you_mean(key, KEYS)}"
            )
    chosen = ChosenSystem(**{"system": name, **own})
    if not isinstance(chosen.separator, dict):
        raise ValueError(
            f"{name}: separator is {chosen.separator!r}; expected a mapping of "
            "arguments of the network"
        )
    is_rate = isinstance(chosen.lr, (int, float)) and chosen.lr > 0
    if chosen.lr is not None and not is_rate:
        raise ValueError(
            f"{name}: lr is {chosen.lr!r}; expected a number above 0"
        )
    return chosen
