"""Conv-TasNet: a stack of dilated convolutions masks learned filters.

Source: Luo, Mesgarani, "Conv-TasNet: Surpassing ideal time-frequency
magnitude masking for speech separation", arXiv 1809.07454.

Glossary, paper -> code
    N (filters)           n_filters
    L (filter length)     kernel_size
    B (bottleneck, residual path)     bottleneck
    Sc (skip path)        bottleneck, the paper's best network has Sc = B
    H (inner channels)    hidden
    P (taps)              3
    X (blocks a stack)    n_layers
    R (stacks)            n_stacks
    C (sources)           num_spks

As in the published code, where the paper leaves it open:
* the filters' output has no activation; it can be negative;
* the last block has a residual convolution whose output no one uses. It is
  kept, for it is among the published weights and their number, but asks for
  no gradient, so that distributed training does not wait for one.

Departure from the published code, which changes no result it gives: items of
a batch may have different lengths (`lengths`).
"""

import torch.nn as nn

from speechbrain_spmamba.nnet.time_domain import FilterbankSeparator, FrameNorm


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
        Channels of the residual and of the skip path.
    hidden : int
        Channels inside a block.
    n_layers : int
        Blocks in a stack; dilation doubles from one to the next.
    n_stacks : int
        Stacks.
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
    >>> model = ConvTasNet(n_filters=8, hidden=8, n_layers=2, n_stacks=1)
    >>> model(torch.randn(2, 400)).shape
    torch.Size([2, 400, 2])
    """

    def __init__(
        self,
        n_filters=512,
        kernel_size=16,
        bottleneck=128,
        hidden=512,
        n_layers=8,
        n_stacks=3,
        num_spks=2,
        sample_rate=16000,
    ):
        if kernel_size < 2 or kernel_size % 2:
            raise ValueError(
                f"kernel_size is {kernel_size}; give an even number of "
                "samples, of which the hop is half"
            )
        super().__init__(
            num_spks,
            n_filters,
            kernel_size,
            padding=kernel_size // 2,
            sample_rate=sample_rate,
        )
        self.input_norm = FrameNorm(n_filters)
        self.bottleneck = nn.Conv1d(n_filters, bottleneck, 1)
        self.blocks = nn.ModuleList(
            DilatedBlock(bottleneck, hidden, dilation=2**layer)
            for _ in range(n_stacks)
            for layer in range(n_layers)
        )
        self.blocks[-1].residual.requires_grad_(False)
        self.mask = nn.Sequential(
            nn.PReLU(), nn.Conv1d(bottleneck, num_spks * n_filters, 1)
        )

    def fitted_samples(self, samples):
        """The next even number of hops and half a filter more.

        Arguments
        ---------
        samples : int or torch.Tensor
            Number of samples.

        Returns
        -------
        int or torch.Tensor
            At least as many.
        """
        kernel, hop = self.encoder.kernel_size[0], self.encoder.stride[0]
        return (samples + hop) // kernel * kernel + hop

    def estimate_masks(self, features, count=None):
        """Masks between 0 and 1.

        Arguments
        ---------
        features : torch.Tensor
            Output of the filters, shape ``[B, n_filters, L]``.
        count : torch.Tensor, optional
            Valid frames of each item, shape ``[B]``.

        Returns
        -------
        torch.Tensor
            Shape ``[B, num_spks, n_filters, L]``.
        """
        x = self.bottleneck(self.input_norm(features, count))
        total = 0
        for index, block in enumerate(self.blocks):
            h = block(x, count)
            total = total + block.skip(h)
            if index < len(self.blocks) - 1:
                x = x + block.residual(h)
        masks = self.mask(total).sigmoid()
        return masks.unflatten(1, (self.num_spks, -1))


class DilatedBlock(nn.Module):
    """Widen, filter each channel, and two ways out: residual and skip.

    Arguments
    ---------
    channels : int
        Channels of the input and of both outputs.
    hidden : int
        Channels in between.
    dilation : int
        Frames between two of the three taps.

    Shape
    -----
    ``[B, channels, L]`` -> ``[B, hidden, L]``, what ``residual`` and ``skip``
    are to be applied to.

    Example
    -------
    >>> import torch
    >>> block = DilatedBlock(4, 8, dilation=2)
    >>> block.skip(block(torch.randn(1, 4, 9))).shape
    torch.Size([1, 4, 9])
    """

    def __init__(self, channels, hidden, dilation):
        super().__init__()
        self.expand = nn.Conv1d(channels, hidden, 1)
        self.expand_act = nn.PReLU()
        self.expand_norm = FrameNorm(hidden)
        self.depthwise = nn.Conv1d(
            hidden,
            hidden,
            3,
            padding=dilation,
            dilation=dilation,
            groups=hidden,
        )
        self.depthwise_act = nn.PReLU()
        self.depthwise_norm = FrameNorm(hidden)
        self.residual = nn.Conv1d(hidden, channels, 1)
        self.skip = nn.Conv1d(hidden, channels, 1)

    def forward(self, x, count=None):
        """Runs the block up to its two ways out.

        Arguments
        ---------
        x : torch.Tensor
            Shape ``[B, channels, L]``.
        count : torch.Tensor, optional
            Valid frames of each item, shape ``[B]``.

        Returns
        -------
        torch.Tensor
            Shape ``[B, hidden, L]``, zero behind each item's last frame.
        """
        x = self.expand_norm(self.expand_act(self.expand(x)), count)
        x = self.depthwise_act(self.depthwise(x))
        return self.depthwise_norm(x, count)
