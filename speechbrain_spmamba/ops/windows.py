"""Overlapping windows of a sequence: how many fit, and how to join them.

Taking windows is a view (``Tensor.unfold``); joining them is its transpose,
the overlap-add. Both the STFT and the grid blocks are built on this pair.

From and to `nnet.stft`, `nnet.grid_block` and `nnet.folded_forward`.
"""

from typing import TypeVar

import torch
import torch.nn.functional as F

# Of one recording, or of each in a batch.
Count = TypeVar("Count", int, torch.Tensor)


def fitted_length(length: Count, size: int, hop: int) -> Count:
    """The shortest length >= ``length`` that windows cover without a rest.

    Arguments
    ---------
    length : int or torch.Tensor
        Number of positions.
    size : int
        Window size.
    hop : int
        Distance between the starts of two windows.

    Returns
    -------
    int or torch.Tensor
        ``size + n * hop`` for the smallest n >= 0 that reaches ``length``.

    Example
    -------
    >>> fitted_length(10, size=4, hop=3), fitted_length(2, size=4, hop=1)
    (10, 4)
    """
    missing = length - size
    if isinstance(missing, torch.Tensor):
        missing = missing.clamp_min(0)
    else:
        missing = max(missing, 0)
    return size + (missing + hop - 1) // hop * hop


def cut(x: torch.Tensor, axis: int, start: int, size: int) -> torch.Tensor:
    """``x.narrow``, of which ``torch.export`` needs no proof that it fits.

    Arguments
    ---------
    x : torch.Tensor
        Any.
    axis : int
        Of x, from 0 on.
    start, size : int
        First place, and how many.

    Returns
    -------
    torch.Tensor
        A view.

    Example
    -------
    >>> cut(torch.arange(5), 0, start=1, size=3)
    tensor([1, 2, 3])
    """
    part = x[(slice(None),) * axis + (slice(start, start + size),)]
    if torch.compiler.is_exporting():
        # The size of a slice up to a symbol is a new one: that is its value.
        torch._check(part.shape[axis] == size)
    return part


def overlap_add(windows: torch.Tensor, hop: int) -> torch.Tensor:
    """Adds windows up at their places: the transpose of ``Tensor.unfold``.

    Arguments
    ---------
    windows : torch.Tensor
        Windows, shape ``[..., L, K, C]``: L windows of K positions.
    hop : int
        See ``fitted_length``.

    Returns
    -------
    torch.Tensor
        Shape ``[..., (L - 1) * hop + K, C]``.

    Example
    -------
    >>> overlap_add(torch.ones(3, 2, 1), hop=1).squeeze(-1)
    tensor([1., 2., 2., 1.])
    """
    return _OverlapAdd.apply(windows, hop)


class _OverlapAdd(torch.autograd.Function):
    """One buffer is filled in place; the gradient is a plain unfold."""

    @staticmethod
    def forward(ctx, windows, hop):
        *batch, count, size, channels = windows.shape
        ctx.size, ctx.hop = size, hop
        # A window spans `blocks` stretches of `hop` positions. Adding all
        # first stretches at once, then all second ones, needs K / hop
        # additions instead of one for each window.
        blocks = -(-size // hop)
        if blocks * hop != size:
            windows = F.pad(windows, (0, 0, 0, blocks * hop - size))
        out = windows.new_zeros(*batch, count + blocks - 1, hop, channels)
        for block in range(blocks):
            # not +=, which copies the sum to where it already is
            out.narrow(-3, block, count).add_(
                windows.narrow(-2, block * hop, hop)
            )
        return out.flatten(-3, -2).narrow(-2, 0, (count - 1) * hop + size)

    @staticmethod
    def backward(ctx, grad):
        # unfold puts the window axis last: [..., L, C, K] -> [..., L, K, C]
        return grad.unfold(-2, ctx.size, ctx.hop).transpose(-1, -2), None
