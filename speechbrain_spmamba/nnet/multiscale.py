"""What SudoRM-RF and A-FRCNN share: all but how a block joins its rates.

Both look at the sequence of frames at several rates, each half of the one
before, and start and end with the same layers. Sources: Tzinis et al.,
"Compute and memory efficient universal sound source separation", arXiv
2103.02644; Hu et al., "Speech separation using an asynchronous fully
recurrent convolutional neural network", arXiv 2112.02321.

From `nnet.time_domain`, features of the filters; to the blocks of
`models.sudormrf` or `models.afrcnn`, and back as masks.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch.nn as nn

from speechbrain_spmamba.nnet.time_domain import FilterbankSeparator, FrameNorm

if TYPE_CHECKING:
    import torch


class ConvNorm(nn.Module):
    """Convolution, global layer norm and, if wanted, a PReLU.

    Arguments
    ---------
    in_channels : int
        Channels of the input.
    out_channels : int
        Channels of the output.
    kernel_size : int
        Odd; the edges are padded with zeros.
    stride : int
        Every how many frames the output has one.
    groups : int
        As in ``nn.Conv1d``.
    act : bool
        Whether the PReLU is there.
    slopes : int
        Slopes of the PReLU: 1, or one a channel.

    Shape
    -----
    ``[B, in_channels, L]`` -> ``[B, out_channels, ceil(L / stride)]``.

    Example
    -------
    >>> import torch
    >>> ConvNorm(2, 4, 5, stride=2)(torch.randn(1, 2, 9)).shape
    torch.Size([1, 4, 5])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        stride: int = 1,
        groups: int = 1,
        act: bool = False,
        slopes: int = 1,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding=kernel_size // 2,
            groups=groups,
        )
        self.norm = FrameNorm(out_channels)
        self.act = nn.PReLU(slopes) if act else nn.Identity()

    def forward(
        self, x: torch.Tensor, count: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Runs the three.

        Arguments
        ---------
        count : torch.Tensor, optional
            Valid frames of each item's output, shape ``[B]``. With it, and a
            kernel above 1, ``x`` is zero behind each item's last frame.
        """
        return self.act(self.norm(self.conv(x), count))


class Pyramid(nn.Module):
    """The same features at rate 1, 1/2, 1/4 and so on.

    Arguments
    ---------
    channels : int
        Channels, each filtered alone.
    depth : int
        Number of rates.

    Shape
    -----
    ``[B, channels, L]`` -> ``depth`` maps ``[B, channels, ceil(L / 2**k)]``.

    Example
    -------
    >>> import torch
    >>> maps, counts = Pyramid(4, depth=3)(torch.randn(1, 4, 10))
    >>> [x.shape[-1] for x in maps]
    [10, 5, 3]
    """

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            ConvNorm(channels, channels, 5, 2 if level else 1, channels)
            for level in range(depth)
        )

    def forward(
        self, x: torch.Tensor, count: torch.Tensor | None = None
    ) -> tuple[list[torch.Tensor], list[torch.Tensor | None]]:
        """Computes each rate from the one before.

        Arguments
        ---------
        x : torch.Tensor
            Shape ``[B, channels, L]``, zero behind each item's last frame.
        count : torch.Tensor, optional
            Valid frames of each item, shape ``[B]``.

        Returns
        -------
        list of torch.Tensor
            The maps, finest first.
        list of (torch.Tensor or None)
            Valid frames of each item in each map.
        """
        maps, counts = [], []
        for index, level in enumerate(self.levels):
            if index and count is not None:
                count = (count + 1) // 2
            x = level(x, count)
            maps.append(x)
            counts.append(count)
        return maps, counts


class MultiscaleSeparator(FilterbankSeparator):
    """Filters, bottleneck, ``refine`` of a subclass, masks, joint decoder.

    A subclass defines ``refine(x, count)``, which maps ``[B, out_channels,
    L]`` to the same shape; ``count`` are the valid frames, ``[B]``, or None.

    Arguments
    ---------
    out_channels, upsampling_depth, enc_kernel_size, enc_num_basis
        See ``models.sudormrf.SudoRMRF``.
    num_spks, joint_decoder, sample_rate
        See ``FilterbankSeparator``.

    Shape
    -----
    ``[B, T]`` -> ``[B, T, num_spks]``.

    Example
    -------
    >>> import torch
    >>> class Plain(MultiscaleSeparator):
    ...     def refine(self, x, count):
    ...         return x
    >>> Plain(2, 4, 3, 21, 8)(torch.randn(1, 100)).shape
    torch.Size([1, 100, 2])
    """

    def __init__(
        self,
        num_spks: int,
        out_channels: int,
        upsampling_depth: int,
        enc_kernel_size: int,
        enc_num_basis: int,
        sample_rate: int = 16000,
        joint_decoder: bool = True,
    ) -> None:
        hop = max(enc_kernel_size // 2, 1)
        super().__init__(
            num_spks,
            enc_num_basis,
            enc_kernel_size,
            padding=enc_kernel_size // 2,
            output_padding=hop - 1,
            joint_decoder=joint_decoder,
            sample_rate=sample_rate,
        )
        nn.init.xavier_uniform_(self.encoder.weight)
        nn.init.xavier_uniform_(self.decoder.weight)
        self.multiple = math.lcm(hop, 2**upsampling_depth)
        self.input_norm = FrameNorm(enc_num_basis)
        self.bottleneck = nn.Conv1d(enc_num_basis, out_channels, 1)
        self.mask: nn.Module = nn.Sequential(
            nn.PReLU(), nn.Conv1d(out_channels, num_spks * enc_num_basis, 1)
        )

    def fitted_samples(self, samples):
        """The next multiple of the hop and of the coarsest rate."""
        return (samples + self.multiple - 1) // self.multiple * self.multiple

    def estimate_masks(self, features, count=None):
        """Masks of 0 and above, see ``FilterbankSeparator``."""
        x = self.bottleneck(self.input_norm(features, count))
        masks = self.mask(self.refine(x, count)).relu()
        return masks.unflatten(1, (self.num_spks, -1))
