"""Weights B and C of groups of channels, by a scan of each group.

A scan takes one row of B and one of C for each time step, which all channels
share: that is what its kernels are built on. Weights of G groups are G scans of
D / G channels; weights that are constant in time, ``[D, N]`` as the first state
spaces had them, are D groups of one channel each. ``selective_scan.py`` puts
the results side by side, and autograd finds the gradients of both.
"""

from __future__ import annotations

import math
from itertools import repeat
from typing import TYPE_CHECKING

from speechbrain_spmamba.ops.kernel_interface import state_dtype

if TYPE_CHECKING:
    import torch


def split_groups(
    u: torch.Tensor,
    delta: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor | None,
    z: torch.Tensor | None,
    delta_bias: torch.Tensor | None,
    initial_state: torch.Tensor | None,
) -> list:
    """Cuts the arguments of a scan into those of a scan for each group.

    Arguments
    ---------
    u, delta, A, B, C, D, z, delta_bias, initial_state
        As in ``ops.selective_scan``, checked.

    Returns
    -------
    list
        Tuples of the same nine arguments, for neighbouring groups of channels,
        with B and C ``[B, L, N]``.

    Example
    -------
    >>> import torch
    >>> u, A = torch.ones(1, 7, 6), -torch.ones(6, 4)
    >>> B, C = torch.ones(1, 7, 2, 4), torch.ones(1, 7, 3, 4)
    >>> parts = split_groups(u, u, A, B, C, None, None, None, None)
    >>> len(parts), parts[0][0].shape, parts[0][3].shape
    (6, torch.Size([1, 7, 1]), torch.Size([1, 7, 4]))
    """
    count = math.lcm(_groups(B), _groups(C))
    dtype = state_dtype(u, delta, A, B, C, D, z, delta_bias)

    def parts(tensor, axis):
        """The channels of each group, along the axis where channels are."""
        return repeat(None) if tensor is None else tensor.chunk(count, axis)

    def rows(weights):
        """The weights of each group, which may be those of several."""
        if weights.dim() == 2 or _groups(weights) < count:
            # gradients are sums over time or scans, to be rounded once
            weights = weights.to(dtype)
        if weights.dim() == 2:
            weights = weights.expand(*u.shape[:2], *weights.shape)
        elif weights.dim() == 3:
            weights = weights.unsqueeze(2)
        rows = weights.unbind(2)
        return [rows[i * len(rows) // count] for i in range(count)]

    columns = (
        *(parts(u, 2), parts(delta, 2), parts(A, 0), rows(B), rows(C)),
        *(parts(D, 0), parts(z, 2), parts(delta_bias, 0)),
        parts(initial_state, 1),
    )
    return list(zip(*columns, strict=False))  # None is repeated forever


def _groups(weights):
    """How many groups of channels weights of any of the three forms have."""
    return {2: weights.shape[0], 3: 1, 4: weights.shape[-2]}[weights.dim()]
