"""What a network must be to be trained and exported, one's own above all.

From ``settings`` and ``weights``, which build what a YAML file names, of
``models`` or not; to ``training``. For users: ``docs/own_model.md``.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def check_network(network: torch.nn.Module) -> None:
    """Says what a network lacks.

    Arguments
    ---------
    network : torch.nn.Module
        Of any class.

    Raises
    ------
    ValueError
        It has no ``sample_rate`` or ``num_spks``, or cannot be called with a
        mixture alone.

    Example
    -------
    >>> import torch
    >>> check_network(torch.nn.Identity())
    Traceback (most recent call last):
        ...
    ValueError: Identity has no attribute sample_rate; set it in __init__
    """
    name = type(network).__name__
    for key in ("sample_rate", "num_spks"):
        if not hasattr(network, key):
            raise ValueError(
                f"{name} has no attribute {key}; set it in __init__"
            )
    try:
        inspect.signature(network.forward).bind(None)
    except TypeError as error:
        raise ValueError(
            f"{name}.forward cannot be called with a mixture ({error}); "
            "expected forward(mix, lengths=None), or forward(mix)"
        ) from None
