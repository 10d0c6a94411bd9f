"""A-FRCNN: one block of many rates, run again and again, masks filters.

Source: Hu et al., "Speech separation using an asynchronous fully recurrent
convolutional neural network", arXiv 2112.02321.

Glossary, paper -> code
    S (stages)                     upsampling_depth
    T (iterations in time)         num_blocks
    channels between iterations    out_channels
    channels of the stages         in_channels
    bottom-up connections          pyramid, down
    top-down connections           upsample_nearest
    lateral connections            the maps themselves
    fusion by concatenation        fuse (each stage), join (all of them)

The iterations are joined by summation: what enters one is the first input
plus the output of the one before.

As in the published code, where the paper leaves it open:
* one decoder sees the masked features of all sources;
* the sum between two iterations passes a gain and an offset for each channel
  and a PReLU, which all iterations share as they share the block.

Departure from the published code, which changes no result it gives: items of
a batch may have different lengths (`lengths`).

From a mixture, by `nnet.time_domain` (filters) and `nnet.multiscale` (masks),
to the block here, and back.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

from speechbrain_spmamba.nnet.multiscale import (
    ConvNorm,
    MultiscaleSeparator,
    Pyramid,
)
from speechbrain_spmamba.nnet.scales import upsample_nearest


class AFRCNN(MultiscaleSeparator):
    """Separates talkers by one block with shared weights.

    The default is A-FRCNN-16: 6,134,793 parameters.

    Arguments
    ---------
    out_channels : int
        Channels between the iterations.
    in_channels : int
        Channels inside the block.
    num_blocks : int
        Iterations of the block.
    upsampling_depth : int
        Stages, which are rates at which the block looks at its input.
    enc_kernel_size, enc_num_basis, num_spks, sample_rate
        See ``SudoRMRF``.

    Shape
    -----
    ``[B, T]`` -> ``[B, T, num_spks]``.

    Example
    -------
    >>> model = AFRCNN(out_channels=4, in_channels=8, num_blocks=2)
    >>> model(torch.randn(2, 400)).shape
    torch.Size([2, 400, 2])
    """

    def __init__(
        self,
        out_channels: int = 512,
        in_channels: int = 512,
        num_blocks: int = 16,
        upsampling_depth: int = 5,
        enc_kernel_size: int = 21,
        enc_num_basis: int = 512,
        num_spks: int = 2,
        sample_rate: int = 16000,
    ) -> None:
        super().__init__(
            num_spks,
            out_channels,
            upsampling_depth,
            enc_kernel_size,
            enc_num_basis,
            sample_rate,
        )
        self.num_blocks = num_blocks
        # Whether each rate has exactly half the frames of the one before.
        hop = self.encoder.stride[0]
        odd = enc_kernel_size % 2 == 1
        rates = 2 ** (upsampling_depth - 1)
        halves = odd and self.multiple // hop % rates == 0
        self.block = RecurrentBlock(
            out_channels, in_channels, upsampling_depth, halves
        )
        self.between = nn.Sequential(
            nn.Conv1d(out_channels, out_channels, 1, groups=out_channels),
            nn.PReLU(),
        )

    def refine(self, x, count=None):
        """Runs the iterations, see ``MultiscaleSeparator``."""
        first, x = x, self.block(x, count)
        for _ in range(self.num_blocks - 1):
            x = self.block(self.between(first + x), count)
        return x


class RecurrentBlock(nn.Module):
    """Stages that each hear their neighbours, joined at the finest rate.

    Arguments
    ---------
    halves : bool
        Promises that each stage has exactly half the frames of the finer one,
        for every input; stretching is then the same for all items.
    out_channels, in_channels, depth
        See ``AFRCNN``; depth is its ``upsampling_depth``.

    Shape
    -----
    ``[B, out_channels, L]`` -> the same.

    Example
    -------
    >>> RecurrentBlock(4, 8, depth=3)(torch.randn(1, 4, 10)).shape
    torch.Size([1, 4, 10])
    """

    def __init__(
        self,
        out_channels: int,
        in_channels: int,
        depth: int,
        halves: bool = False,
    ) -> None:
        super().__init__()
        self.halves = halves
        self.expand = ConvNorm(out_channels, in_channels, act=True)
        self.pyramid = Pyramid(in_channels, depth)
        self.down = nn.ModuleList(
            ConvNorm(in_channels, in_channels, 5, 2, in_channels)
            for _ in range(depth - 1)
        )
        self.fuse = nn.ModuleList(
            ConvNorm(
                in_channels * (1 + (stage > 0) + (stage < depth - 1)),
                in_channels,
                act=True,
            )
            for stage in range(depth)
        )
        self.join = ConvNorm(in_channels * depth, in_channels, act=True)
        self.project = nn.Conv1d(in_channels, out_channels, 1)

    def forward(
        self, x: torch.Tensor, count: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Runs the block once; see ``UBlock``."""
        maps, counts = self.pyramid(self.expand(x, count), count)
        fused = []
        for stage, fuse in enumerate(self.fuse):
            heard = [maps[stage]]
            if stage > 0:
                down = self.down[stage - 1]
                heard.insert(0, down(maps[stage - 1], counts[stage]))
            if stage < len(maps) - 1:
                heard.append(self._stretch(maps, counts, stage + 1, stage))
            fused.append(fuse(torch.cat(heard, 1), counts[stage]))
        stages = [self._stretch(fused, counts, k, 0) for k in range(len(fused))]
        return x + self.project(self.join(torch.cat(stages, 1), count))

    def _stretch(self, maps, counts, stage, finer):
        """A stage's map at the rate of a finer stage."""
        x, size = maps[stage], maps[finer].shape[-1]
        if self.halves:
            return F.interpolate(x, size=size)
        return upsample_nearest(x, size, counts[stage], counts[finer])
