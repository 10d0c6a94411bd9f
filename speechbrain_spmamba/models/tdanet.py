"""TDANet: one U-shaped block, applied again and again, with attention on top.

Source: Li, Yang and Hu, "An efficient encoder-decoder architecture with
top-down attention for speech separation", arXiv 2209.15200 (the large
version with a window of 2 ms).

Glossary, paper -> code
    N   encoder bases, window / 2 + 1     D   in_channels of a block
    B   out_channels, between blocks      S   upsampling_depth, time scales
    F_i maps of the way down              P   their sum at the coarsest scale
    GA  GlobalAttention and FeedForward   LA  Gated(local, gate, shift)

Three published networks differ in how the map of the attention acts on those
of the way down (`modulation`): "gate" (SonicSim, the default), "gate_shift"
(TDANetBest, the paper's LA) and "sum" (TDANet of the paper's repository).

Departures from the paper, following its published code where both differ:
* the first LA takes the next finer map for its global input, so that the
  coarsest modulated map is never used; its parameters exist, do not learn
  and are marked so (`requires_grad=False`);
* the residual around the attention adds the attention's output to itself.

Departures from the published code:
* its multi-head attention runs over the batch axis: an item's estimate
  depends on what else is in the batch, and of an item alone each position
  sees itself only. `attention="published"` does the latter for every item,
  whatever the batch; "time" (default) attends over time, as the paper means;
* the table of positions has no end;
* items of a batch may have different lengths (`lengths`): each is computed
  as if it were alone.

From a mixture to the scales of `nnet.multiscale` and `nnet.scales`, to
`nnet.global_attention` at the coarsest one, and back.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

from speechbrain_spmamba.nnet.exporting import for_any_length
from speechbrain_spmamba.nnet.global_attention import (
    FeedForward,
    GlobalAttention,
    drop_path,
)
from speechbrain_spmamba.nnet.multiscale import ConvNorm, Pyramid
from speechbrain_spmamba.nnet.scales import (
    Gated,
    average_pool,
    mask_padding,
    upsample_nearest,
)
from speechbrain_spmamba.nnet.standardize import separate_standardized
from speechbrain_spmamba.nnet.time_domain import FrameNorm
from speechbrain_spmamba.nnet.waveform import take_mixture
from speechbrain_spmamba.ops.windows import cut

MODULATIONS = ("gate", "gate_shift", "sum")


class TDANet(nn.Module):
    """Separates talkers by masks on a learned filterbank.

    The default is the published model: 2,331,751 parameters.

    Arguments
    ---------
    out_channels : int
        Channels between blocks.
    in_channels : int
        Channels inside a block; a multiple of 8, the attention's heads.
    num_blocks : int
        How often the block is applied; its weights are shared.
    upsampling_depth : int
        Time scales of the block, at least 2.
    enc_kernel_size : float
        Window of the encoder in milliseconds.
    enc_num_basis : int, optional
        Filters of the encoder; by default half a window and one.
    attention : str
        "time" or "published", see above.
    modulation : str
        "gate", "gate_shift" or "sum", see above.
    normalize : bool
        Bring each mixture to mean 0 and deviation 1, and its sources back.
    num_spks, sample_rate
        See ``models``.

    Shape
    -----
    ``[B, T]`` -> ``[B, T, num_spks]``.

    Example
    -------
    >>> model = TDANet(out_channels=8, in_channels=16, num_blocks=2)
    >>> model(torch.randn(2, 400)).shape
    torch.Size([2, 400, 2])
    """

    def __init__(
        self,
        num_spks: int = 2,
        out_channels: int = 128,
        in_channels: int = 512,
        num_blocks: int = 16,
        upsampling_depth: int = 5,
        enc_kernel_size: float = 2.0,
        enc_num_basis: int | None = None,
        sample_rate: int = 16000,
        attention: str = "time",
        modulation: str = "gate",
        normalize: bool = False,
    ) -> None:
        super().__init__()
        self.num_spks = num_spks
        self.normalize = normalize
        self.sample_rate = sample_rate
        self.num_blocks = num_blocks
        self.window = int(enc_kernel_size * sample_rate) // 1000
        if self.window < 4 or self.window % 4:
            raise ValueError(
                f"enc_kernel_size of {enc_kernel_size} ms is {self.window} "
                f"samples at {sample_rate} Hz; choose a multiple of 4 samples"
            )
        self.hop = self.window // 4
        bases = enc_num_basis or self.window // 2 + 1
        self.encoder = nn.Conv1d(
            1,
            bases,
            self.window,
            stride=self.hop,
            padding=self.window // 2,
            bias=False,
        )
        self.norm = FrameNorm(bases)
        self.bottleneck = nn.Conv1d(bases, out_channels, 1)
        self.block = TopDownBlock(
            out_channels, in_channels, upsampling_depth, attention, modulation
        )
        # Between two rounds of the block.
        self.rejoin = nn.Sequential(
            nn.Conv1d(out_channels, out_channels, 1, groups=out_channels),
            nn.PReLU(),
        )
        self.mask = nn.Sequential(
            nn.PReLU(), nn.Conv1d(out_channels, num_spks * bases, 1)
        )
        self.decoder = nn.ConvTranspose1d(
            num_spks * bases,
            num_spks,
            self.window,
            stride=self.hop,
            padding=self.window // 2,
            bias=False,
        )
        nn.init.xavier_uniform_(self.encoder.weight)
        nn.init.xavier_uniform_(self.decoder.weight)

    @for_any_length
    def forward(
        self, mix: torch.Tensor, lengths: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Separates a batch of mixtures, see ``models``."""
        if self.normalize:
            return separate_standardized(self, self._separate, mix, lengths)
        return self._separate(mix, lengths)

    def _separate(self, mix, lengths):
        """The same for mixtures as they are."""
        dtype = self.encoder.weight.dtype
        mix, num_samples, valid = take_mixture(self, mix, lengths, dtype)
        mix, samples = mix.transpose(1, 2), mix.shape[1]  # [B, 1, T]
        count = None
        if num_samples is not None:
            count = self._num_frames(num_samples)
        edge = self.window - self.hop
        padded = (self._num_frames(samples) - 1) * self.hop
        mix = F.pad(mix, (edge, padded - edge - samples))

        # The filters work on samples, which bf16 would make audibly coarse.
        with torch.autocast(mix.device.type, enabled=False):
            bases = mask_padding(self.encoder(mix), count)  # [B, bases, frames]
        start = mask_padding(self.bottleneck(self.norm(bases, count)), count)
        x = self.block(start, count)
        for _ in range(self.num_blocks - 1):
            x = self.block(mask_padding(self.rejoin(start + x), count), count)
        masks = F.relu(self.mask(x)).unflatten(1, (self.num_spks, -1))
        masked = masks.to(mix.dtype) * bases.unsqueeze(1)
        with torch.autocast(mix.device.type, enabled=False):
            est = self.decoder(masked.flatten(1, 2))
        est = cut(est, 2, edge, samples).transpose(1, 2)
        return est if valid is None else est * valid

    def _num_frames(self, samples):
        """Frames of a wave, which is padded by 1 to ``window`` zeros to a
        multiple of the window less a hop, and by as much again at both ends.
        """
        return 10 + 4 * ((self.hop + samples) // self.window)


class TopDownBlock(nn.Module):
    """Down the time scales, attention at the coarsest, and up again.

    Arguments
    ---------
    out_channels, in_channels, depth, attention, modulation
        See ``TDANet``; depth is its ``upsampling_depth``.

    Raises
    ------
    ValueError
        Fewer scales, or another modulation.

    Shape
    -----
    ``[B, out_channels, L]`` -> the same.

    Example
    -------
    >>> TopDownBlock(4, 8, 3)(torch.randn(2, 4, 9)).shape
    torch.Size([2, 4, 9])
    """

    def __init__(
        self,
        out_channels: int,
        in_channels: int,
        depth: int,
        attention: str = "time",
        modulation: str = "gate",
    ) -> None:
        super().__init__()
        if modulation not in MODULATIONS:
            raise ValueError(
                f"modulation is '{modulation}', expected "
                + " or ".join(MODULATIONS)
            )
        if depth < 2:
            raise ValueError(
                f"upsampling_depth is {depth}; TDANet needs at least 2 scales"
            )
        self.expand = ConvNorm(out_channels, in_channels, act=True)
        self.down = Pyramid(in_channels, depth)
        self.attention = GlobalAttention(in_channels, attention)
        self.feed_forward = FeedForward(in_channels)
        shift = modulation == "gate_shift"
        self.modulate = nn.ModuleList(
            Gated(in_channels, kernel_size=1, shift=shift)
            for _ in range(depth if modulation != "sum" else 0)
        )
        self.merge = nn.ModuleList(
            Gated(in_channels, kernel_size=5, shift=True)
            for _ in range(depth - 1)
        )
        self.project = nn.Conv1d(in_channels, out_channels, 1)
        if depth > 2:
            self.modulate[-1:].requires_grad_(False)

    def forward(
        self, x: torch.Tensor, count: torch.Tensor | None = None
    ) -> torch.Tensor:
        """See the class; ``count`` are the valid positions, ``[B]``."""
        maps, counts = self.down(self.expand(x, count), count)
        count, last = counts[-1], len(maps) - 1
        size = maps[-1].shape[2]
        top = sum(
            average_pool(fine, size, last - k, counts[k], count)
            for k, fine in enumerate(maps)
        )
        top = top + drop_path(self.attention(top, count), self.training)
        top = top + drop_path(self.feed_forward(top, count), self.training)

        def modulated(k):
            if not self.modulate:
                size = maps[k].shape[2]
                return maps[k] + upsample_nearest(top, size, count, counts[k])
            return self.modulate[k](maps[k], top, counts[k], count)

        # The first merge takes index k - 1; of two scales that is the last.
        above = (last - 2) % (last + 1)
        merged, coarse_count = modulated(above), counts[above]
        for k in reversed(range(last)):
            merged = self.merge[k](
                modulated(k), merged, counts[k], coarse_count
            )
            coarse_count = counts[k]
        return mask_padding(self.project(merged), counts[0]) + x
