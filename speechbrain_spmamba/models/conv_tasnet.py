"""Conv-TasNet: a stack of dilated convolutions masks learned filters.

Source: Luo, Mesgarani, "Conv-TasNet: Surpassing ideal time-frequency
magnitude masking for speech separation", arXiv 1809.07454.

Glossary, paper -> code
    N (filters)           n_filters
    L (filter length)     kernel_size
    B (bottleneck, residual path)     bottleneck
    Sc (skip path)        skip_channels; the paper's best network has Sc = B
    H (inner channels)    hidden
    P (taps)              3
    X (blocks a stack)    n_layers
    R (stacks)            n_stacks
    C (sources)           num_spks

Three code bases publish it, and differ where the paper leaves it open. Each is
a `variant`; weights of one mean nothing to another:

                        sudo_rm_rf      asteroid        sonicsim
    zeros at the edges  half a filter   none            none
    bias of filters     no              no              yes
    skip path           yes             yes             no
    PReLU before masks  yes             yes             no
    eps of norms        1e-8            1e-8            1e-5
    mask_act            sigmoid         relu, sigmoid   relu, sigmoid

As in all of them:
* the filters' output has no activation; it can be negative;
* without zeros at the edges, samples behind the last whole filter are not
  looked at, and are 0 in the estimates;
* where there is a skip path, the last block has a residual convolution whose
  output no one uses. It is kept, for it is among the published weights and
  their number, but asks for no gradient, so that distributed training does
  not wait for one.

Departures from the published code, none of which changes a result it gives,
but for that of digital silence:
* items of a batch may have different lengths (`lengths`);
* recordings shorter than a filter are padded and cut back;
* digital silence gives silence, although filters may have a bias (sonicsim).

From a mixture, by `nnet.time_domain` (filters), to the blocks here, and back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn as nn

from speechbrain_spmamba.nnet.time_domain import (
    FilterbankSeparator,
    FrameNorm,
    mask_activation,
)

if TYPE_CHECKING:
    import torch


VARIANTS = ("sudo_rm_rf", "asteroid", "sonicsim")


class ConvTasNet(FilterbankSeparator):
    """Separates talkers by masks over learned filters.

    The default is the paper's best non-causal network: 5,050,545 parameters.
    SPMamba's Table 1 prints 5.62 M for it, which no public code gives.

    Arguments
    ---------
    n_filters : int
        Filters of encoder and decoder.
    kernel_size : int
        Filter length in samples, even; the hop is half of it.
    bottleneck : int
        Channels of the residual path.
    hidden : int
        Channels inside a block.
    n_layers : int
        Blocks in a stack; dilation doubles from one to the next.
    n_stacks : int
        Stacks.
    skip_channels : int, optional
        Channels of the skip path; as many as ``bottleneck`` if not given.
    mask_act : str
        "sigmoid" or "relu": what makes masks of the last layer.
    variant : str
        "sudo_rm_rf", "asteroid" or "sonicsim": the published network.
    num_spks, sample_rate
        See ``models``.

    Raises
    ------
    ValueError
        An odd filter length, an unknown variant or activation, or a skip
        path without channels or for a variant without one.

    Shape
    -----
    ``[B, T]`` -> ``[B, T, num_spks]``.

    Example
    -------
    >>> import torch
    >>> model = ConvTasNet(n_filters=8, hidden=8, n_layers=2, n_stacks=1)
    >>> model(torch.randn(2, 400)).shape
    torch.Size([2, 400, 2])
    """

    def __init__(
        self,
        n_filters: int = 512,
        kernel_size: int = 16,
        bottleneck: int = 128,
        hidden: int = 512,
        n_layers: int = 8,
        n_stacks: int = 3,
        num_spks: int = 2,
        sample_rate: int = 16000,
        skip_channels: int | None = None,
        mask_act: str = "sigmoid",
        variant: str = "sudo_rm_rf",
    ) -> None:
        if kernel_size < 2 or kernel_size % 2:
            raise ValueError(
                f"kernel_size is {kernel_size}; give an even number of "
                "samples, of which the hop is half"
            )
        if variant not in VARIANTS:
            raise ValueError(
                f"variant is '{variant}', expected {' or '.join(VARIANTS)}"
            )
        plain = variant == "sonicsim"
        if skip_channels is not None and (plain or skip_channels < 1):
            raise ValueError(
                f"skip_channels is {skip_channels}, expected a positive "
                "number, or none in the variant 'sonicsim', which has no "
                "skip path"
            )
        super().__init__(
            num_spks,
            n_filters,
            kernel_size,
            padding=kernel_size // 2 if variant == "sudo_rm_rf" else 0,
            bias=plain,
            sample_rate=sample_rate,
        )
        if variant == "asteroid":
            self.draw_filters()
        self.mask_act = mask_activation(mask_act)
        eps = 1e-5 if plain else 1e-8
        skip = None if plain else skip_channels or bottleneck
        self.input_norm = FrameNorm(n_filters, eps)
        self.bottleneck = nn.Conv1d(n_filters, bottleneck, 1)
        self.blocks = nn.ModuleList(
            DilatedBlock(bottleneck, hidden, 2**layer, skip, eps)
            for _ in range(n_stacks)
            for layer in range(n_layers)
        )
        if not plain:
            self.blocks[-1].residual.requires_grad_(False)
        self.mask = nn.Sequential(
            nn.Identity() if plain else nn.PReLU(),
            nn.Conv1d(skip or bottleneck, num_spks * n_filters, 1),
        )

    def fitted_samples(self, samples):
        """With zeros at the edges, an even number of hops and one more."""
        if not self.encoder.padding[0]:
            return super().fitted_samples(samples)
        kernel, hop = self.encoder.kernel_size[0], self.encoder.stride[0]
        return (samples + hop) // kernel * kernel + hop

    def estimate_masks(self, features, count=None):
        """Masks of 0 and above, see ``FilterbankSeparator``."""
        x = self.bottleneck(self.input_norm(features, count))
        total = 0
        for block in self.blocks:
            h = block(x, count)
            if block.skip is not None:
                total = total + block.skip(h)
            if block.skip is None or block is not self.blocks[-1]:
                x = x + block.residual(h)
        out = x if self.blocks[-1].skip is None else total
        masks = self.mask_act(self.mask(out))
        return masks.unflatten(1, (self.num_spks, -1))


class DilatedBlock(nn.Module):
    """Widen, filter each channel, and two ways out: residual and skip.

    Arguments
    ---------
    channels : int
        Channels of the input and of the residual path.
    hidden : int
        Channels in between.
    dilation : int
        Frames between two of the three taps.
    skip_channels : int, optional
        Channels of the skip path; there is none if not given.
    eps : float
        Of the norms.

    Shape
    -----
    ``[B, channels, L]`` -> ``[B, hidden, L]``, what ``residual`` and ``skip``
    are to be applied to.

    Example
    -------
    >>> import torch
    >>> block = DilatedBlock(4, 8, dilation=2, skip_channels=3)
    >>> block.skip(block(torch.randn(1, 4, 9))).shape
    torch.Size([1, 3, 9])
    """

    def __init__(
        self,
        channels: int,
        hidden: int,
        dilation: int,
        skip_channels: int | None = None,
        eps: float = 1e-8,
    ) -> None:
        super().__init__()
        self.expand = nn.Conv1d(channels, hidden, 1)
        self.expand_act = nn.PReLU()
        self.expand_norm = FrameNorm(hidden, eps)
        self.depthwise = nn.Conv1d(
            hidden,
            hidden,
            3,
            padding=dilation,
            dilation=dilation,
            groups=hidden,
        )
        self.depthwise_act = nn.PReLU()
        self.depthwise_norm = FrameNorm(hidden, eps)
        self.residual = nn.Conv1d(hidden, channels, 1)
        self.skip = (
            nn.Conv1d(hidden, skip_channels, 1) if skip_channels else None
        )

    def forward(
        self, x: torch.Tensor, count: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Runs the block up to its two ways out; zero behind an item's end.

        Arguments
        ---------
        count : torch.Tensor, optional
            Valid frames of each item, shape ``[B]``.
        """
        x = self.expand_norm(self.expand_act(self.expand(x)), count)
        x = self.depthwise_act(self.depthwise(x))
        return self.depthwise_norm(x, count)
