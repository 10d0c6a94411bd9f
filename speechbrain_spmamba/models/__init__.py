"""Separation models: ``systems.py`` lists them, ``build_model`` makes one.

All are called alike, ``est = model(mix, lengths=None)``:

    mix      [B, T], at any level; of `num_mics` M above 1: [B, T, M]
    lengths  [B], relative lengths in (0, 1]: with them the estimate of an item
             does not depend on its padding or its neighbours
    est      [B, T, num_spks], zero behind each item's end

A mixture of the wrong shape or with samples that are not finite is a
``ValueError``. Each model has the arguments, and attributes, `num_spks`
(sources to return) and `sample_rate` (rate in Hz that it is meant for).
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from speechbrain_spmamba.models.systems import SYSTEMS

if TYPE_CHECKING:
    import torch


# The paper's own and the systems of its Table 1.
MODELS = {name: row.model for name, row in SYSTEMS.items() if row.table_1}
# SpeechBrain's own, for comparison.
TOOLKIT_MODELS = {
    name: row.model for name, row in SYSTEMS.items() if name not in MODELS
}


def build_model(name: str, **overrides: Any) -> torch.nn.Module:
    """Builds a model in its published size, or with some arguments changed.

    Arguments
    ---------
    name : str
        A key of ``systems.SYSTEMS``.
    **overrides : dict
        Constructor arguments that differ from the published ones.

    Returns
    -------
    torch.nn.Module
        ``[B, T] -> [B, T, num_spks]``, with attributes ``sample_rate`` and
        ``num_spks``.

    Raises
    ------
    ValueError
        An unknown name or argument; the message lists the known ones.

    Example
    -------
    >>> model = build_model("spmamba", num_spks=3, num_blocks=1)
    >>> model.num_spks
    3
    """
    if name not in SYSTEMS:
        raise ValueError(
            f"unknown model '{name}'; known models: {', '.join(SYSTEMS)}"
        )
    model = SYSTEMS[name].model
    known = inspect.signature(model).parameters
    unknown = [key for key in overrides if key not in known]
    if unknown:
        raise ValueError(
            f"{name} has no argument '{unknown[0]}'; its arguments: "
            f"{', '.join(known)}"
        )
    return model(**overrides)
