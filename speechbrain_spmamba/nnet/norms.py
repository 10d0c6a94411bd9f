"""Normalisation over a whole item, or over each frame.

From and to networks whose channels are last: `nnet.tf_grid`, `nnet.recurrent`,
`nnet.causal_grid`, `models.bsrnn` and `models.dprnn`.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F


class GlobalLayerNorm(nn.Module):
    """Layer norm over everything but the batch axis (Conv-TasNet's gLN).

    Equal to ``GroupNorm(1, channels)`` on a channels-last tensor. Statistics
    are taken in float32 and over valid positions only.

    Arguments
    ---------
    channels : int
        Size of the last axis, which carries gain and bias.
    eps : float
        Added to the variance.

    Shape
    -----
    ``[B, ..., channels]`` -> the same.

    Example
    -------
    >>> GlobalLayerNorm(4)(torch.randn(2, 7, 5, 4)).mean().abs() < 1e-5
    tensor(True)
    """

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(
        self, x: torch.Tensor, valid: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Normalises.

        Arguments
        ---------
        valid : torch.Tensor, optional
            Boolean, broadcastable to x: positions that count.
        """
        if valid is None and x.is_cuda:
            normed = normalise_items(x, self.eps)
        elif valid is None:
            normed = F.layer_norm(x, x.shape[1:], eps=self.eps)
        else:
            axes = tuple(range(1, x.dim()))
            # bf16 statistics would lose a batch's quiet items.
            x = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
            weight = valid.expand_as(x).to(x.dtype)
            count = weight.sum(axes, keepdim=True)
            mean = (x * weight).sum(axes, keepdim=True) / count
            centred = (x - mean) * weight
            var = centred.square().sum(axes, keepdim=True) / count
            normed = centred * torch.rsqrt(var + self.eps)
        return normed * self.weight + self.bias


class FrameLayerNorm(GlobalLayerNorm):
    """Layer norm over bins and channels of each frame; a causal ``gLN``.

    Arguments
    ---------
    channels, eps
        See ``GlobalLayerNorm``, whose gain and bias it has.

    Shape
    -----
    ``[B, T, F, channels]`` -> the same.

    Example
    -------
    >>> FrameLayerNorm(4)(torch.randn(2, 7, 5, 4)).mean(
    ...     (2, 3)
    ... ).abs().max() < 1e-5
    tensor(True)
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        x = F.layer_norm(x, x.shape[2:], eps=self.eps)
        return x * self.weight + self.bias


def normalise_items(x: torch.Tensor, eps: float) -> torch.Tensor:
    """``layer_norm`` of whole items, for a GPU.

    torch's has one block of threads for each item; a reduction has as many as
    the GPU takes.

    Arguments
    ---------
    x : torch.Tensor
        Shape ``[B, ...]``.
    eps : float
        Added to the variance.

    Returns
    -------
    torch.Tensor
        Shape of ``x``, float32 at least, contiguous as that of ``layer_norm``.
    """
    x = x.contiguous()
    x = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
    axes = tuple(range(1, x.dim()))
    var, mean = torch.var_mean(x, axes, correction=0, keepdim=True)
    return (x - mean) * torch.rsqrt(var + eps)
