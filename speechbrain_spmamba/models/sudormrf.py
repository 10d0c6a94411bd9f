"""SudoRM-RF: U-shaped blocks mask learned filters.

Sources: Tzinis, Wang, Smaragdis, "Sudo rm -rf: Efficient networks for
universal audio source separation", arXiv 2007.06833; the improved version:
Tzinis et al., "Compute and memory efficient universal sound source
separation", arXiv 2103.02644.

Three published networks (`variant`):
"improved"  etzinis/sudo_rm_rf and SonicSim, the default
"asteroid"  Asteroid's improved one: a decoder for each source by itself, and a
            slope for each channel in the last PReLU of a block
"first"     the first paper's, as Asteroid has it: a ReLU behind the filters,
            norm and PReLU behind each residual, masks by a convolution along
            the channels and a softmax over the sources

Glossary, paper -> code
    C (channels between blocks)    out_channels
    C_U (channels in a block)      in_channels
    B (U-ConvBlocks)               num_blocks
    Q (resamplings in a block)     upsampling_depth, counted with the finest
    K_E (filter length)            enc_kernel_size
    C_E (filters)                  enc_num_basis
    N (sources)                    num_spks

As in the published code, where papers differ or leave it open:
* one decoder sees the masked features of all sources ("improved");
* its masks end in a ReLU, and are not made to sum to one.

Departures from the published code, which change no result it gives: items of
a batch may have different lengths (`lengths`); any hop and depth fit, because
what is upsampled is cut to the length that was halved.

From a mixture, by `nnet.time_domain` (filters) and `nnet.multiscale` (masks),
to the blocks of `nnet.u_blocks`, and back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn as nn

from speechbrain_spmamba.nnet.multiscale import MultiscaleSeparator
from speechbrain_spmamba.nnet.standardize import separate_standardized
from speechbrain_spmamba.nnet.u_blocks import ChannelMasks, FirstUBlock, UBlock

if TYPE_CHECKING:
    import torch


VARIANTS = ("improved", "asteroid", "first")


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
    variant : str
        "improved", "asteroid" or "first", see above.
    normalize : bool
        Bring each mixture to mean 0 and deviation 1, and its sources back, as
        is done around the networks that etzinis/sudo_rm_rf publishes.
    num_spks, sample_rate
        See ``models``.

    Raises
    ------
    ValueError
        Another variant.

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
        out_channels: int = 128,
        in_channels: int = 512,
        num_blocks: int = 16,
        upsampling_depth: int = 5,
        enc_kernel_size: int = 21,
        enc_num_basis: int = 512,
        num_spks: int = 2,
        sample_rate: int = 16000,
        variant: str = "improved",
        normalize: bool = False,
    ) -> None:
        if variant not in VARIANTS:
            raise ValueError(
                f"variant is '{variant}', expected {' or '.join(VARIANTS)}"
            )
        super().__init__(
            num_spks,
            out_channels,
            upsampling_depth,
            enc_kernel_size,
            enc_num_basis,
            sample_rate,
            joint_decoder=variant == "improved",
        )
        self.normalize = normalize
        self.first = variant == "first"
        shape = (out_channels, in_channels, upsampling_depth)
        slopes = in_channels if variant == "asteroid" else 1
        self.blocks = nn.ModuleList(
            FirstUBlock(*shape) if self.first else UBlock(*shape, slopes)
            for _ in range(num_blocks)
        )
        if self.first:
            self.mask = ChannelMasks(out_channels, enc_num_basis, num_spks)

    def forward(
        self, mix: torch.Tensor, lengths: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Separates a batch of mixtures, see ``models``."""
        if self.normalize:
            return separate_standardized(self, super().forward, mix, lengths)
        return super().forward(mix, lengths)

    def encode(self, mix):
        """Applies the filters, and the first version's ReLU."""
        return self.encoder(mix).relu() if self.first else self.encoder(mix)

    def refine(self, x, count=None):
        """Runs the blocks, see ``MultiscaleSeparator``."""
        for block in self.blocks:
            x = block(x, count)
        return x
