"""Sequences at several time scales, in batches of unequal lengths.

Tensors are channels-first, ``[B, C, L]``. Every function and layer takes the
valid positions of each item (``count``, ``[B]``) and then returns zeros behind
them, so that a convolution that follows sees what it would see behind an item
that stands alone.

From and to `models.tdanet`, `models.afrcnn` and `nnet.global_attention`.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

from speechbrain_spmamba.nnet.multiscale import ConvNorm
from speechbrain_spmamba.nnet.waveform import valid_mask


def mask_padding(x: torch.Tensor, count: torch.Tensor | None) -> torch.Tensor:
    """Zeros behind each item's end.

    Arguments
    ---------
    x : torch.Tensor
        Shape ``[B, C, L]``.
    count : torch.Tensor or None
        Valid positions, shape ``[B]``; None leaves x as it is.

    Returns
    -------
    torch.Tensor
        Shape of ``x``.

    Example
    -------
    >>> mask_padding(torch.ones(1, 1, 3), torch.tensor([2]))
    tensor([[[1., 1., 0.]]])
    """
    return (
        x if count is None else x * valid_mask(count, x.shape[2]).unsqueeze(1)
    )


def upsample_nearest(
    x: torch.Tensor,
    size: int,
    count: torch.Tensor | None = None,
    new_count: torch.Tensor | None = None,
) -> torch.Tensor:
    """Nearest-neighbour interpolation, as ``F.interpolate`` rounds it.

    Arguments
    ---------
    x : torch.Tensor
        Shape ``[B, C, L]``.
    size : int
        New length.
    count : torch.Tensor, optional
        Valid positions of each item in x, shape ``[B]``.
    new_count : torch.Tensor, optional
        Those of the result.

    Returns
    -------
    torch.Tensor
        Shape ``[B, C, size]``.

    Example
    -------
    >>> upsample_nearest(
    ...     torch.tensor([[[1.0, 2.0, 9.0]]]), 4, *torch.tensor([[2], [3]])
    ... )
    tensor([[[1., 1., 2., 0.]]])
    """
    ragged = count is not None
    if not ragged:
        if x.dtype != torch.float64:  # which it rounds unlike all others
            return F.interpolate(x, size=size)
        count = torch.full((1,), x.shape[2], device=x.device)
        new_count = torch.full((1,), size, device=x.device)
    # In float32 and in this order, which decides where places meet borders.
    scale = (count.float() / new_count.float()).unsqueeze(1)
    source = (torch.arange(size, device=x.device) * scale).long()
    source = source.minimum(count.unsqueeze(1) - 1).unsqueeze(1)
    out = x.gather(2, source.expand(x.shape[0], x.shape[1], -1))
    return mask_padding(out, new_count) if ragged else out


def average_pool(
    x: torch.Tensor,
    size: int,
    halvings: int,
    count: torch.Tensor | None = None,
    new_count: torch.Tensor | None = None,
) -> torch.Tensor:
    """Averages over windows that cover a sequence: adaptive pooling.

    Arguments
    ---------
    x, size, count, new_count
        See ``upsample_nearest``.
    halvings : int
        How often L was halved to give ``size``.

    Returns
    -------
    torch.Tensor
        Shape ``[B, C, size]``.

    Example
    -------
    >>> counts = torch.tensor([[3], [2]])
    >>> average_pool(torch.tensor([[[1.0, 2.0, 4.0, 9.0]]]), 2, 1, *counts)
    tensor([[[1.5000, 3.0000]]])
    """
    if count is None:
        # In two dimensions, as torch does it, but the size may be a symbol.
        return F.adaptive_avg_pool2d(x.unsqueeze(2), (1, size)).squeeze(2)
    count, new_count = count.unsqueeze(1), new_count.unsqueeze(1)
    place = torch.arange(size, device=x.device)
    start = place * count // new_count  # [B, size]
    end = ((place + 1) * count + new_count - 1) // new_count
    # A window spans at most L / size <= 2 ** halvings positions and a rest.
    offset = torch.arange(2**halvings + 1, device=x.device)
    source = start.unsqueeze(2) + offset  # [B, size, window]
    weight = (source < end.unsqueeze(2)).to(x.dtype)
    weight = weight / (end - start).unsqueeze(2)
    source = source.clamp_max(x.shape[2] - 1).flatten(1).unsqueeze(1)
    windows = x.gather(2, source.expand(-1, x.shape[1], -1))
    out = windows.unflatten(2, (size, -1)) * weight.unsqueeze(1)
    return mask_padding(out.sum(3), new_count.squeeze(1))


class UnbiasedConvNorm(ConvNorm):
    """Convolution without a bias and a norm over the whole item.

    Arguments
    ---------
    in_channels, out_channels, kernel_size, groups
        See ``ConvNorm``.

    Shape
    -----
    ``[B, in_channels, L]`` -> ``[B, out_channels, L]``.

    Example
    -------
    >>> UnbiasedConvNorm(4, 8, 5)(torch.randn(2, 4, 9)).shape
    torch.Size([2, 8, 9])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        groups: int = 1,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, groups=groups)
        self.conv.register_parameter("bias", None)


class Gated(nn.Module):
    """A map at one scale, gated (and shifted) by another at its own scale.

    Arguments
    ---------
    channels : int
        Channels of both maps.
    kernel_size : int
        Taps of the depthwise convolutions.
    shift : bool
        Whether the other map is also added.

    Shape
    -----
    ``[B, C, L]``, ``[B, C, M]`` -> ``[B, C, L]``.

    Example
    -------
    >>> Gated(4, 5, True)(torch.randn(2, 4, 9), torch.randn(2, 4, 5)).shape
    torch.Size([2, 4, 9])
    """

    def __init__(self, channels: int, kernel_size: int, shift: bool) -> None:
        super().__init__()

        def depthwise():
            return UnbiasedConvNorm(channels, channels, kernel_size, channels)

        self.local = depthwise()
        self.gate = depthwise()
        self.shift = depthwise() if shift else None

    def forward(
        self,
        local: torch.Tensor,
        other: torch.Tensor,
        count: torch.Tensor | None = None,
        other_count: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """See the class; the counts are the valid positions, ``[B]``."""
        size = local.shape[2]
        gate = self.gate(other, other_count).sigmoid()
        gate = upsample_nearest(gate, size, other_count, count)
        out = self.local(local, count) * gate
        if self.shift is None:
            return out
        shift = self.shift(other, other_count)
        return out + upsample_nearest(shift, size, other_count, count)
