"""DPRNN: recurrent networks within chunks and across them mask filters.

Source: Luo, Chen, Yoshioka, "Dual-path RNN: efficient long sequence modeling
for time-domain single-channel speech separation", arXiv 1910.06379, which
puts it between the filters of Conv-TasNet.

Glossary, paper -> code
    N (features)            feature_dim; of the filters: n_filters
    H (hidden units)        hidden, of each direction
    window of the encoder   kernel_size
    B (blocks)              num_blocks
    K (chunk length)        chunk_size      P (chunk hop)   chunk_size // 2
    S (chunks)              chunks          L (frames)      frames
    C (sources)             num_spks

Two code bases publish it, and differ where the paper leaves it open. Each is a
`variant`; the weights of one mean nothing to the other:

                            sonicsim            asteroid
    filters' output         passes a ReLU       as it is
    bias of the bottleneck  no                  yes
    zeros before chunks     half a chunk        a chunk
    eps of norms            that of float32     1e-8
    mask_act                relu                sigmoid
    bidirectional           both networks of    that across chunks; the other
                            a block             always is

As in both of them:
* norms count the zeros with which the last chunks of an item are filled;
* the masks come out of a gated layer that all sources share.

Departures from the published code, none of which changes a result it gives:
* features are channels-last, [B, S, K, N], so that 1x1 convolutions are
  linear layers;
* recordings shorter than a filter are padded and cut back;
* items of a batch may have different lengths (`lengths`).

From a mixture, by `nnet.time_domain` (filters) and `nnet.chunks`, to the LSTMs
of `nnet.recurrent`, and back.
"""

import torch
import torch.nn as nn

from speechbrain_spmamba.nnet.chunks import PairedChunks, SlidingChunks
from speechbrain_spmamba.nnet.norms import GlobalLayerNorm
from speechbrain_spmamba.nnet.recurrent import BLSTM
from speechbrain_spmamba.nnet.time_domain import (
    FilterbankSeparator,
    FrameNorm,
    mask_activation,
)
from speechbrain_spmamba.nnet.waveform import valid_mask

# Each with its way to cut chunks and the eps of its norms.
VARIANTS = {
    "sonicsim": (PairedChunks, torch.finfo(torch.float32).eps),
    "asteroid": (SlidingChunks, 1e-8),
}


class DPRNN(FilterbankSeparator):
    """Separates talkers sample by sample.

    The default is the paper's network with filters of two samples: 2,608,001
    parameters. SPMamba's Table 1 prints 2.72 M, which no public code gives.

    Arguments
    ---------
    n_filters : int
        Filters of encoder and decoder.
    feature_dim : int
        Features that the recurrent networks see.
    hidden : int
        Hidden units of each direction.
    kernel_size : int
        Filter length in samples; the hop is half of it.
    num_blocks : int
        Blocks, each with a network within and one across chunks.
    chunk_size : int
        Frames in a chunk; chunks overlap by half.
    mask_act : str
        "relu" or "sigmoid": what makes masks of the last layer.
    bidirectional : bool
        Whether the recurrent networks read backward, too.
    variant : str
        "sonicsim" or "asteroid": the published network.
    num_spks, sample_rate
        See ``models``.

    Raises
    ------
    ValueError
        An unknown variant or activation, or chunks of less than 2 frames.

    Shape
    -----
    ``[B, T]`` -> ``[B, T, num_spks]``.

    Example
    -------
    >>> model = DPRNN(n_filters=4, feature_dim=4, hidden=3, num_blocks=1)
    >>> model(torch.randn(2, 400)).shape
    torch.Size([2, 400, 2])
    """

    def __init__(
        self,
        n_filters: int = 64,
        feature_dim: int = 64,
        hidden: int = 128,
        kernel_size: int = 2,
        num_blocks: int = 6,
        chunk_size: int = 250,
        num_spks: int = 2,
        sample_rate: int = 16000,
        mask_act: str = "relu",
        bidirectional: bool = True,
        variant: str = "sonicsim",
    ) -> None:
        if variant not in VARIANTS:
            raise ValueError(
                f"variant is '{variant}', expected {' or '.join(VARIANTS)}"
            )
        if chunk_size < 2:
            raise ValueError(
                f"chunk_size is {chunk_size}; give at least two frames, of "
                "which chunks share half"
            )
        super().__init__(
            num_spks, n_filters, kernel_size, sample_rate=sample_rate
        )
        chunks, eps = VARIANTS[variant]
        asteroid = variant == "asteroid"
        if asteroid:
            self.draw_filters()
        self.rectify = not asteroid
        self.chunk_size = chunk_size
        self.chunks = chunks(chunk_size)
        self.mask_act = mask_activation(mask_act)
        self.input_norm = FrameNorm(n_filters, eps)
        self.bottleneck = nn.Conv1d(n_filters, feature_dim, 1, bias=asteroid)
        directions = (bidirectional or asteroid, bidirectional)
        self.blocks = nn.ModuleList(
            DualPathBlock(feature_dim, hidden, directions, eps)
            for _ in range(num_blocks)
        )
        self.split = nn.Sequential(
            nn.PReLU(), nn.Linear(feature_dim, num_spks * feature_dim)
        )
        self.value = nn.Linear(feature_dim, feature_dim)
        self.gate = nn.Linear(feature_dim, feature_dim)
        self.mask = nn.Linear(feature_dim, n_filters, bias=False)

    def encode(self, mix):
        """Filters and, of one variant, what is positive of their output."""
        features = super().encode(mix)
        return features.relu() if self.rectify else features

    def estimate_masks(self, features, count=None):
        """Masks of 0 and above, see ``FilterbankSeparator``."""
        frames = features.shape[-1]
        x = self.bottleneck(self.input_norm(features, count)).transpose(1, 2)
        valid = chunks = None
        if count is not None:
            x = x * valid_mask(count, frames).unsqueeze(-1)
        x = self.chunks.split(x)  # [B, S, K, feature_dim]
        if count is not None:
            chunks = self.chunks.count(count)
            valid = valid_mask(chunks, x.shape[1])[..., None, None]
            # The LSTMs need it on the host: wait here once, not in each.
            chunks = chunks.cpu()
        for block in self.blocks:
            x = block(x, chunks, valid)
        x = self.split(x).unflatten(-1, (self.num_spks, -1))
        x = self.chunks.join(x.movedim(-2, 1).flatten(0, 1), frames)
        x = self.value(x).tanh() * self.gate(x).sigmoid()
        masks = self.mask_act(self.mask(x)).transpose(1, 2)
        return masks.unflatten(0, (-1, self.num_spks))


class DualPathBlock(nn.Module):
    """A network along each chunk, then one along the chunks.

    Arguments
    ---------
    bidirectional : tuple of bool
        Whether the networks within and across chunks read backward, too.
    eps : float
        Of the norms.
    feature_dim, hidden
        See ``DPRNN``.

    Shape
    -----
    ``[B, S, K, feature_dim]`` -> the same.

    Example
    -------
    >>> DualPathBlock(4, 3)(torch.randn(1, 6, 5, 4)).shape
    torch.Size([1, 6, 5, 4])
    """

    def __init__(
        self,
        feature_dim: int,
        hidden: int,
        bidirectional: tuple[bool, ...] = (True, True),
        eps: float = 1e-8,
    ) -> None:
        super().__init__()
        intra, inter = bidirectional
        self.intra_rnn = BLSTM(feature_dim, hidden, intra)
        self.intra_linear = nn.Linear(self.intra_rnn.output_size, feature_dim)
        self.intra_norm = GlobalLayerNorm(feature_dim, eps)
        self.inter_rnn = BLSTM(feature_dim, hidden, inter)
        self.inter_linear = nn.Linear(self.inter_rnn.output_size, feature_dim)
        self.inter_norm = GlobalLayerNorm(feature_dim, eps)

    def forward(
        self,
        x: torch.Tensor,
        chunks: torch.Tensor | None = None,
        valid: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Runs the block; chunks behind an item's end hold no meaning.

        Arguments
        ---------
        chunks : torch.Tensor, optional
            Valid chunks of each item, shape ``[B]``, on the CPU.
        valid : torch.Tensor, optional
            The same as a mask, shape ``[B, S, 1, 1]``.
        """
        batch, _, size, _ = x.shape
        y = self.intra_rnn(x.flatten(0, 1)).unflatten(0, (batch, -1))
        x = x + self.intra_norm(self.intra_linear(y), valid)

        across = x.transpose(1, 2).flatten(0, 1)  # [B * K, S, feature_dim]
        if chunks is not None:
            chunks = chunks.repeat_interleave(size)
        y = self.inter_rnn(across, chunks).unflatten(0, (batch, size))
        y = self.inter_linear(y).transpose(1, 2)
        return x + self.inter_norm(y, valid)
