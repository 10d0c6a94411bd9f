"""Published checkpoints: from a file to its weights and settings.

Read are files of ``torch.save`` and ``.safetensors``, with the weights at the
top or one level below it (look2hear and Asteroid: "state_dict" beside
"model_name" and "model_args"; Lightning: "state_dict" beside
"hyper_parameters"), and whole modules (sudo_rm_rf), of which the state is
taken and nothing else. No code of a file is ever run; what it may hold beside
plain values and tensors is listed in ``safe_types``.
"""

import zipfile
from pathlib import Path
from typing import Any

import torch

from speechbrain_spmamba.weights.published.safe_types import SAFE_TYPES
from speechbrain_spmamba.weights.state_dict import (
    check_archive,
    check_is_file,
    load_untrusted,
    read_safetensors,
)

# Where a file keeps its weights, if not at the top.
HOLDERS = ("state_dict", "model_state_dict", "model", "net", "weights")
# Of a network; one that holds itself has no end.
MOST_MODULES = 100_000
DEEPEST_MODULE = 50


class Unread:
    """Stands for an object of a file that is no weight, and does nothing."""

    state: Any = None

    def __init__(self, *args, **kwargs) -> None:
        pass

    def __setstate__(self, state):
        self.state = state


def read_file(path: str | Path, skip_objects: bool = False) -> Any:
    """Reads a file of weights without running code that it may hold.

    Arguments
    ---------
    path : str or Path
        What ``torch.save`` wrote, or ``.safetensors``.
    skip_objects : bool
        Put empty objects in the place of those that are no weights. Their
        classes are not imported.

    Returns
    -------
    object
        Its content; of a whole module, what ``read_module`` makes of it.

    Raises
    ------
    ValueError
        No such file, no weights, or objects besides weights.

    Example
    -------
    >>> path = getfixture("tmp_path") / "net.pth"
    >>> torch.save({"w": torch.zeros(2)}, path)
    >>> read_file(path)
    {'w': tensor([0., 0.])}
    """
    path = check_is_file(path)
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    if zipfile.is_zipfile(path):
        check_archive(path)
    objects = foreign_objects(path)
    # Each gets a class of its own, which is called as the published one.
    known = [
        (type(name.rpartition(".")[2], (Unread,), {}), name) for name in objects
    ]
    try:
        content = load_untrusted(path, [*SAFE_TYPES, *known])
    except ValueError:
        reason = f" ({', '.join(objects[:3])})" if objects else ""
        raise ValueError(
            f"{path} is no file of weights, or holds more than weights"
            f"{reason}; it was not read. Where it was made, torch.save(torch."
            "load(FILE, weights_only=False).state_dict(), NEW) makes one of a "
            "whole network"
        ) from None
    held = content.values() if isinstance(content, dict) else ()
    modules = [thing for thing in (content, *held) if is_module(thing)]
    if len(modules) == 1:
        try:
            return read_module(modules[0])
        except ValueError as error:
            raise ValueError(f"{path} {error}; it was not read") from None
    if objects and not skip_objects:
        raise ValueError(
            f"{path} holds objects besides weights ({', '.join(objects[:3])})"
            " and was not read; --skip_objects reads the weights alone"
        )
    return content


def is_module(thing):
    """Whether something unread has the state of a ``torch.nn.Module``."""
    state = getattr(thing, "state", None)
    return (
        isinstance(thing, Unread)
        and isinstance(state, dict)
        and all(
            isinstance(state.get(part), dict)
            for part in ("_parameters", "_buffers", "_modules")
        )
    )


def read_module(module: Unread) -> dict:
    """Takes a whole pickled module apart.

    Arguments
    ---------
    module : Unread
        See ``is_module``.

    Returns
    -------
    dict
        "model_name": its class; "state_dict": parameters and buffers;
        "model_args": attributes that are plain values, and
        "whole_module": True.

    Raises
    ------
    ValueError
        Modules without end.
    """
    weights, left, seen = {}, [("", module)], 0
    while left:
        prefix, part = left.pop(0)
        seen += 1
        if seen > MOST_MODULES or prefix.count(".") > DEEPEST_MODULE:
            raise ValueError("holds a network without end")
        passing = part.state.get("_non_persistent_buffers_set")
        passing = passing if isinstance(passing, set) else ()
        for place in ("_parameters", "_buffers"):
            weights.update(
                {
                    f"{prefix}{name}": tensor
                    for name, tensor in part.state[place].items()
                    if torch.is_tensor(tensor) and name not in passing
                }
            )
        left += [
            (f"{prefix}{name}.", inner)
            for name, inner in part.state["_modules"].items()
            if is_module(inner)
        ]
    arguments = {
        name: value
        for name, value in module.state.items()
        if isinstance(value, (int, float, str)) and name != "training"
    }
    return {
        "model_name": type(module).__name__,
        "state_dict": weights,
        "model_args": {**arguments, "whole_module": True},
    }


def foreign_objects(path):
    """Names of classes and functions that a file of ``torch.save`` asks for.

    Those that weights do not need; none also if the file is no such file.
    """
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # of a damaged file, any kind
        return []
    return sorted(set(names) - {name for _, name in SAFE_TYPES})


def find_weights(content: object) -> dict:
    """The state dict in what a file holds.

    Arguments
    ---------
    content : object
        From ``read_file``.

    Returns
    -------
    dict
        Name -> tensor.

    Raises
    ------
    ValueError
        There is none.

    Example
    -------
    >>> find_weights({"state_dict": {"w": torch.zeros(1)}, "epoch": 3})
    {'w': tensor([0.])}
    """
    if isinstance(content, dict):
        places = [content, *(content.get(name) for name in HOLDERS)]
        for place in places:
            if not isinstance(place, dict):
                continue
            weights = {k: w for k, w in place.items() if torch.is_tensor(w)}
            if weights:
                return weights
    raise ValueError(
        "the file has no weights; expected a state dict, at the top or under "
        + ", ".join(HOLDERS)
    )


def own_settings(content: object) -> dict:
    """The settings that a file holds.

    Arguments
    ---------
    content
        As for ``find_weights``.

    Returns
    -------
    dict
        "hyper_parameters" and "model_args", if there are such.

    Example
    -------
    >>> own_settings({"model_args": {"n_fft": 512}, "state_dict": {}})
    {'n_fft': 512}
    """
    settings = {}
    for name in ("hyper_parameters", "model_args"):
        part = content.get(name) if isinstance(content, dict) else None
        settings.update(part if isinstance(part, dict) else {})
    return settings
