"""Sequences at several time scales, in batches of unequal lengths.

Tensors are channels-first, ``[B, C, L]``. Every function and layer takes the
valid positions of each item (``count``, ``[B]``) and then returns zeros behind
them, so that a convolution that follows sees what it would see behind an item
that stands alone.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

from speechbrain_spmamba.nnet.waveform import before


def halved(length):
    """Length after a convolution with stride 2 and "same" padding.

    Arguments
    ---------
    length : int or torch.Tensor
        Length before.

    Returns
    -------
    int or torch.Tensor
        Half of it, rounded up.

    Example
    -------
    >>> halved(8), halved(9)
    (4, 5)
    """
    return (length + 1) // 2


def cut(x, count):
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
    >>> cut(torch.ones(1, 1, 3), torch.tensor([2]))
    tensor([[[1., 1., 0.]]])
    """
    return x if count is None else x * before(count, x.shape[2]).unsqueeze(1)


def stretch(x, size, count=None, new_count=None):
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
    >>> stretch(torch.tensor([[[1.0, 2.0, 9.0]]]), 4, *torch.tensor([[2], [3]]))
    tensor([[[1., 1., 2., 0.]]])
    """
    if count is None:
        return F.interpolate(x, size=size, mode="nearest")
    # In float32 like the original, whose rounding shows from 3 s on.
    scale = (count.float() / new_count.float()).unsqueeze(1)
    source = (torch.arange(size, device=x.device) * scale).floor().long()
    source = source.minimum(count.unsqueeze(1) - 1)
    out = x.gather(2, source.unsqueeze(1).expand(-1, x.shape[1], -1))
    return cut(out, new_count)


def shrink(x, size, halvings, count=None, new_count=None):
    """Averages over windows that cover a sequence: adaptive pooling.

    Arguments
    ---------
    x : torch.Tensor
        Shape ``[B, C, L]``.
    size : int
        New length.
    halvings : int
        How often L was halved to give ``size``.
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
    >>> counts = torch.tensor([[3], [2]])
    >>> shrink(torch.tensor([[[1.0, 2.0, 4.0, 9.0]]]), 2, 1, *counts)
    tensor([[[1.5000, 3.0000]]])
    """
    if count is None:
        return F.adaptive_avg_pool1d(x, size)
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
    return cut(out.sum(3), new_count.squeeze(1))


class ConvNorm(nn.Module):
    """Convolution with "same" padding, then a norm over the whole item.

    Arguments
    ---------
    in_channels : int
        Channels of the input.
    out_channels : int
        Channels of the output.
    kernel_size : int
        Taps, an odd number.
    stride : int
        1, or 2 to halve the length.
    groups : int
        Of the convolution.
    bias : bool
        Whether the convolution has one.
    eps : float
        Added to the variance.

    Shape
    -----
    ``[B, in_channels, L]`` -> ``[B, out_channels, ceil(L / stride)]``.

    Example
    -------
    >>> ConvNorm(4, 8, 5, stride=2)(torch.randn(2, 4, 9)).shape
    torch.Size([2, 8, 5])
    """

    def __init__(
        self,
        in_channels,
        out_channels,
        kernel_size=1,
        stride=1,
        groups=1,
        bias=True,
        eps=1e-8,
    ):
        super().__init__()
        self.conv = nn.Conv1d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            groups=groups,
            bias=bias,
        )
        self.norm = ItemNorm(out_channels, eps)

    def forward(self, x, count=None):
        """See the class; ``count`` are valid positions of the output."""
        return self.norm(self.conv(x), count)


class ItemNorm(nn.GroupNorm):
    """Layer norm over channels and valid positions of each item.

    Arguments
    ---------
    channels : int
        Channels, each with its gain and bias.
    eps : float
        Added to the variance.

    Shape
    -----
    ``[B, channels, L]`` -> the same.

    Example
    -------
    >>> ItemNorm(4)(torch.randn(2, 4, 9), torch.tensor([9, 3]))[1, :, 3:].sum()
    tensor(0., grad_fn=<SumBackward0>)
    """

    def __init__(self, channels, eps=1e-8):
        super().__init__(1, channels, eps)

    def forward(self, x, count=None):
        """See the class; ``count`` are the valid positions, ``[B]``."""
        if count is None:
            return super().forward(x)
        # bf16 statistics would lose a batch's quiet items.
        x = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        numbers = (count * x.shape[1]).view(-1, 1, 1)
        mean = cut(x, count).sum((1, 2), keepdim=True) / numbers
        centred = cut(x - mean, count)
        var = centred.square().sum((1, 2), keepdim=True) / numbers
        gain = torch.rsqrt(var + self.eps) * self.weight.unsqueeze(1)
        return cut(centred * gain + self.bias.unsqueeze(1), count)
