"""The network of published weights: which system, and its arguments.

Weights of a system may be published in several layouts, told by their names.
Names may have something before them: "audio_model." (look2hear's Lightning
files), "module." (distributed training), "separator." (ESPnet).
"""

import importlib
from numbers import Integral, Real
from types import ModuleType

from speechbrain_spmamba.models.systems import SYSTEMS

# Where a flattened setting of the network may stand, among settings of all
# else: an optimizer has an eps, too.
OF_NETWORKS = ("net", "model", "separator", "arch", "filterbank")
OF_DATA = ("data",)  # which have a rate, too
DEEPEST = 50  # of settings; what holds itself has no end


def convertible():
    """Names of the systems of which published weights are known."""
    return [name for name, row in SYSTEMS.items() if row.layouts]


def layouts(system):
    """The modules of a system's layouts; for what one has, see the package."""
    return [importlib.import_module(x) for x in SYSTEMS[system].layouts]


def find_network(
    weights: dict, system: str | None = None, prefix: str | None = None
) -> tuple[str, dict]:
    """The system that weights belong to, and what stands before their names.

    Arguments
    ---------
    weights : dict
        Name -> tensor.
    system : str, optional
        The system that is expected.
    prefix : str, optional
        What stands before the names, if the file has several networks.

    Returns
    -------
    str
        One of ``convertible()``.
    dict
        The weights of that network under their published names.

    Raises
    ------
    ValueError
        No known network, another one, or several.

    Example
    -------
    >>> import torch
    >>> weights = {"audio_model.sm.0.proj_1x1.conv.bias": torch.zeros(1)}
    >>> find_network(weights)
    ('sudormrf', {'sm.0.proj_1x1.conv.bias': tensor([0.])})
    """
    signatures = [
        (name, layout.SIGNATURE)
        for name in convertible()
        for layout in layouts(name)
    ]
    found = {
        place for key in weights if (place := _find_signature(key, signatures))
    }
    if prefix is not None:
        found = {(name, start) for name, start in found if start == prefix}
    fitting = sorted(x for x in found if system in (None, x[0]))
    if not fitting:
        names = ", ".join(sorted({name for name, _ in found}))
        what = f"weights of {names}" if names else "no network that is known"
        raise ValueError(
            f"the file has {what}; expected "
            f"{system or ', '.join(convertible())}; its names begin with "
            f"{', '.join(list(weights)[:2])}"
        )
    if len(fitting) > 1:
        starts = " and ".join(f"'{start}'" for _, start in fitting)
        raise ValueError(
            f"the file has {len(fitting)} networks, their names begin with "
            f"{starts}; choose with --prefix"
        )
    name, start = fitting[0]
    return name, {
        key.removeprefix(start): tensor.detach()
        for key, tensor in weights.items()
        if key.startswith(start)
    }


def _find_signature(key, signatures):
    """The system that a name tells, and what stands before; None if none."""
    found = [(n, start) for n, start in signatures if f".{start}" in f".{key}"]
    if not found:
        return None
    # What one code base puts before the names is part of them in another.
    name, signature = max(found, key=lambda place: len(place[1]))
    return name, key[: f".{key}".index(f".{signature}")]


def find_layout(system: str, weights: dict) -> ModuleType:
    """The layout of a system that weights have.

    Arguments
    ---------
    system : str
        One of ``convertible()``.
    weights : dict
        Name -> tensor, with nothing before the names.

    Returns
    -------
    module
        See the package; the system's first layout if none is recognised, for
        it to say what is missing.

    Example
    -------
    >>> find_layout("dprnn", {}).SIGNATURE
    'separation.dual_rnn.0.intra_rnn.'
    """
    known = layouts(system)
    for layout in known:
        if any(key.startswith(layout.SIGNATURE) for key in weights):
            return layout
    return known[0]


def find_arguments(settings: dict, names: dict) -> dict:
    """Arguments of a network among settings of any depth.

    Arguments
    ---------
    settings : dict
        E.g. "model_args", "hyper_parameters", or a YAML file of the run;
        what is nested may also be flattened with "_".
    names : dict
        Published name -> ours.

    Returns
    -------
    dict
        Our name -> number.

    Example
    -------
    >>> settings = {"audionet": {"audionet_config": {"stride": 64}}, "eps": 1}
    >>> find_arguments(settings, {"stride": "hop_length", "n_fft": "n_fft"})
    {'hop_length': 64}
    """
    numbers = {
        key: _number(value)
        for key, value in _flatten(settings)
        if isinstance(value, Real) and not isinstance(value, bool)
    }
    found = {}
    for published, ours in names.items():
        places = (*OF_NETWORKS, *OF_DATA * (ours == "sample_rate"))
        key = _find_key(numbers, published, places)
        if key is not None and ours not in found:
            found[ours] = numbers[key]
    return found


def find_choices(settings: dict, choices: dict) -> dict:
    """What settings that are no numbers make of our arguments.

    Arguments
    ---------
    settings : dict
        As for ``find_arguments``.
    choices : dict
        Published name -> what it may be, as text -> our arguments then.

    Returns
    -------
    dict
        Our arguments.

    Raises
    ------
    ValueError
        One of them is something else: another network.

    Example
    -------
    >>> choices = {"norm_type": {"gLN": {}}, "act": {"relu": {"mask": "relu"}}}
    >>> find_choices({"masknet": {"norm_type": "gLN", "act": "relu"}}, choices)
    {'mask': 'relu'}
    """
    values = dict(_flatten(settings))
    found = {}
    for published, known in choices.items():
        key = _find_key(values, published, OF_NETWORKS)
        if key is None:
            continue
        if str(values[key]) not in known:
            raise ValueError(
                f"{published} is {str(values[key])[:40]!r}, a network that is "
                f"not known; known is {' or '.join(known)}"
            )
        found.update(known[str(values[key])])
    return found


def _find_key(values, published, places):
    """The flattened setting of that name, None if there is none."""
    keys = [
        key
        for key in values
        if key == published
        or key.endswith(f"_{published}")
        and any(word in key.removesuffix(published) for word in places)
    ]
    return min(keys, key=len, default=None)


def _number(value):
    """A number of whatever type as Python's own."""
    whole = isinstance(value, Integral) or value.is_integer()
    return int(value) if whole else float(value)


def _flatten(tree, path="", depth=0):
    """Pairs of "a_b_c" and the value that is there."""
    if depth > DEEPEST:
        raise ValueError("its settings stand within each other without end")
    for key, value in tree.items():
        name = f"{path}{key}"
        if isinstance(value, dict):
            yield from _flatten(value, f"{name}_", depth + 1)
        else:
            yield name, value
