"""SudoRM-RF, improved version: U-shaped blocks mask learned filters.

Sources: Tzinis, Wang, Smaragdis, "Sudo rm -rf: Efficient networks for
universal audio source separation", arXiv 2007.06833; the improved version:
Tzinis et al., "Compute and memory efficient universal sound source
separation", arXiv 2103.02644.

Glossary, paper -> code
    C (channels between blocks)    out_channels
    C_U (channels in a block)      in_channels
    B (U-ConvBlocks)               num_blocks
    Q (resamplings in a block)     upsampling_depth, counted with the finest
    K_E (filter length)            enc_kernel_size
    C_E (filters)                  enc_num_basis
    N (sources)                    num_spks

As in the published code, where papers differ or leave it open:
* one decoder sees the masked features of all sources;
* the masks end in a ReLU, and are not made to sum to one.

Departures from the published code, which change no result it gives: items of
a batch may have different lengths (`lengths`); any hop and depth fit, because
what is upsampled is cut to the length that was halved.
"""

import torch.nn as nn
import torch.nn.functional as F

from speechbrain_spmamba.nnet.multiscale import (
    ConvNorm,
    MultiscaleSeparator,
    Pyramid,
)
from speechbrain_spmamba.nnet.time_domain import FrameNorm


class SudoRMRF(MultiscaleSeparator):
    """Separates talkers at a low cost.

    The default is the network of SPMamba's Table 1: 2,720,417 parameters.

    Arguments
    ---------
    out_channels : int
        Channels between the blocks.
    in_channels : int
        Channels inside a block.
    num_blocks : int
        Blocks.
    upsampling_depth : int
        Rates at which a block looks at its input.
    enc_kernel_size : int
        Filter length in samples; the hop is half of it, rounded down.
    enc_num_basis : int
        Filters of encoder and decoder.
    num_spks : int
        Sources to return.
    sample_rate : int
        Rate in Hz that the model is meant for.

    Shape
    -----
    ``[B, T]`` -> ``[B, T, num_spks]``.

    Example
    -------
    >>> import torch
    >>> model = SudoRMRF(out_channels=4, in_channels=8, num_blocks=1)
    >>> model(torch.randn(2, 400)).shape
    torch.Size([2, 400, 2])
    """

    def __init__(
        self,
        out_channels=128,
        in_channels=512,
        num_blocks=16,
        upsampling_depth=5,
        enc_kernel_size=21,
        enc_num_basis=512,
        num_spks=2,
        sample_rate=16000,
    ):
        super().__init__(
            num_spks,
            out_channels,
            upsampling_depth,
            enc_kernel_size,
            enc_num_basis,
            sample_rate,
        )
        self.blocks = nn.ModuleList(
            UBlock(out_channels, in_channels, upsampling_depth)
            for _ in range(num_blocks)
        )

    def refine(self, x, count=None):
        """Runs the blocks.

        Arguments
        ---------
        x : torch.Tensor
            Shape ``[B, out_channels, L]``.
        count : torch.Tensor, optional
            Valid frames of each item, shape ``[B]``.

        Returns
        -------
        torch.Tensor
            Shape of ``x``.
        """
        for block in self.blocks:
            x = block(x, count)
        return x


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

    Shape
    -----
    ``[B, out_channels, L]`` -> the same.

    Example
    -------
    >>> import torch
    >>> UBlock(4, 8, depth=3)(torch.randn(1, 4, 10)).shape
    torch.Size([1, 4, 10])
    """

    def __init__(self, out_channels, in_channels, depth):
        super().__init__()
        self.expand = ConvNorm(out_channels, in_channels, act=True)
        self.pyramid = Pyramid(in_channels, depth)
        self.norm = FrameNorm(in_channels)
        self.act = nn.PReLU()
        self.project = nn.Conv1d(in_channels, out_channels, 1)

    def forward(self, x, count=None):
        """Runs the block.

        Arguments
        ---------
        x : torch.Tensor
            Shape ``[B, out_channels, L]``.
        count : torch.Tensor, optional
            Valid frames of each item, shape ``[B]``.

        Returns
        -------
        torch.Tensor
            Shape of ``x``; frames behind an item's end hold no meaning.
        """
        maps, _ = self.pyramid(self.expand(x, count), count)
        total = maps.pop()
        while maps:
            finer = maps.pop()
            doubled = F.interpolate(total, scale_factor=2.0)
            total = finer + doubled[..., : finer.shape[-1]]
        return x + self.project(self.act(self.norm(total, count)))
