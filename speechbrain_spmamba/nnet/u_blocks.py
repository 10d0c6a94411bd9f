"""The parts of SudoRM-RF: U-shaped blocks, and masks of the first version.

Sources: arXiv 2103.02644 (UBlock) and 2007.06833 (FirstUBlock, ChannelMasks),
as their code has them.

From and to `models.sudormrf`, block after block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn as nn
import torch.nn.functional as F

from speechbrain_spmamba.nnet.multiscale import ConvNorm, Pyramid
from speechbrain_spmamba.nnet.time_domain import FrameNorm

if TYPE_CHECKING:
    import torch


def upsample_and_add(maps: list[torch.Tensor]) -> torch.Tensor:
    """From the coarsest rate up, each map is doubled and added to the next.

    Arguments
    ---------
    maps : list of torch.Tensor
        Of ``Pyramid``, finest first, ``[B, C, ceil(L / 2**k)]``.

    Returns
    -------
    torch.Tensor
        Shape ``[B, C, L]``.
    """
    *finer, total = maps
    for above in reversed(finer):
        doubled = F.interpolate(total, scale_factor=2.0)
        total = above + doubled[..., : above.shape[-1]]
    return total


class UBlock(nn.Module):
    """Down to the coarsest rate, and up again adding each rate.

    Arguments
    ---------
    out_channels : int
        Channels of input and output.
    in_channels : int
        Channels in between.
    depth : int
        Number of rates.
    slopes : int
        Of the last PReLU: 1, or one a channel.

    Shape
    -----
    ``[B, out_channels, L]`` -> the same.

    Example
    -------
    >>> import torch
    >>> UBlock(4, 8, depth=3)(torch.randn(1, 4, 10)).shape
    torch.Size([1, 4, 10])
    """

    def __init__(
        self, out_channels: int, in_channels: int, depth: int, slopes: int = 1
    ) -> None:
        super().__init__()
        self.expand = ConvNorm(out_channels, in_channels, act=True)
        self.pyramid = Pyramid(in_channels, depth)
        self.norm = FrameNorm(in_channels)
        self.act = nn.PReLU(slopes)
        self.project = nn.Conv1d(in_channels, out_channels, 1)

    def forward(
        self, x: torch.Tensor, count: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Runs the block; frames behind an item's end hold no meaning.

        Arguments
        ---------
        count : torch.Tensor, optional
            Valid frames of each item, shape ``[B]``.
        """
        maps, _ = self.pyramid(self.expand(x, count), count)
        return x + self.project(
            self.act(self.norm(upsample_and_add(maps), count))
        )


class FirstUBlock(nn.Module):
    """The block of the first version: norm and PReLU behind the residual.

    All PReLUs have a slope for each channel.

    Arguments
    ---------
    out_channels, in_channels, depth
        See ``UBlock``.

    Shape
    -----
    ``[B, out_channels, L]`` -> the same.

    Example
    -------
    >>> import torch
    >>> FirstUBlock(4, 8, depth=3)(torch.randn(1, 4, 10)).shape
    torch.Size([1, 4, 10])
    """

    def __init__(self, out_channels: int, in_channels: int, depth: int) -> None:
        super().__init__()
        self.expand = ConvNorm(
            out_channels, in_channels, act=True, slopes=in_channels
        )
        self.pyramid = Pyramid(in_channels, depth)
        self.norm = FrameNorm(in_channels)
        self.act = nn.PReLU(in_channels)
        self.project = ConvNorm(in_channels, out_channels)
        self.output_norm = FrameNorm(out_channels)
        self.output_act = nn.PReLU(out_channels)

    def forward(
        self, x: torch.Tensor, count: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Runs the block, as ``UBlock``."""
        maps, _ = self.pyramid(self.expand(x, count), count)
        inner = self.act(self.norm(upsample_and_add(maps), count))
        return self.output_act(
            self.output_norm(x + self.project(inner, count), count)
        )


class ChannelMasks(nn.Module):
    """Masks by a convolution along the channels and a softmax over sources.

    Arguments
    ---------
    channels : int
        Channels of the input.
    num_filters : int
        Filters that are masked; even, as the kernel spans all and one more.
    num_spks : int
        Sources.

    Raises
    ------
    ValueError
        An odd number of filters.

    Shape
    -----
    ``[B, channels, L]`` -> ``[B, num_spks * num_filters, L]``.

    Example
    -------
    >>> import torch
    >>> masks = ChannelMasks(4, 6, num_spks=2)(torch.randn(1, 4, 5))
    >>> torch.allclose(masks.unflatten(1, (2, 6)).sum(1), torch.tensor(1.0))
    True
    """

    def __init__(self, channels: int, num_filters: int, num_spks: int) -> None:
        super().__init__()
        if num_filters % 2:
            raise ValueError(
                f"enc_num_basis is {num_filters}; the first version needs an "
                "even number"
            )
        # As published, nothing is in between where the numbers agree.
        same = channels == num_filters
        self.expand = (
            nn.Identity() if same else nn.Conv1d(channels, num_filters, 1)
        )
        self.conv = nn.Conv2d(
            1, num_spks, (num_filters + 1, 1), padding=(num_filters // 2, 0)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        return self.conv(self.expand(x).unsqueeze(1)).softmax(1).flatten(1, 2)
