"""The toolkit's mask networks: their layers, in another forward.

The toolkit fills a sequence up by what its length lacks of whole chunks. That
the sum is a multiple of the chunk then, and no shorter than the sequence, is
arithmetic that ``torch.export`` does not do, which so would make a program of
one length. Here the number of chunks comes first. What is computed is the
same; but the summaries of a batch's items (RE-SepFormer) stay apart, which
the toolkit puts into one sequence.

From `models.sepformer`, `models.resepformer` and `models.skim`; to
`nnet.chunks` and `ops.windows`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F
from speechbrain.lobes.models.dual_path import Dual_Path_Model
from speechbrain.lobes.models.resepformer import ResourceEfficientSeparator

from speechbrain_spmamba.nnet.chunks import PairedChunks
from speechbrain_spmamba.ops.windows import cut

if TYPE_CHECKING:
    import torch


class ChunkedMasks(Dual_Path_Model):
    """SepFormer's network; its arguments are the toolkit's.

    Shape
    -----
    ``[B, N, L]`` -> ``[num_spks, B, N, L]``.

    Example
    -------
    >>> import torch
    >>> within, across = torch.nn.Identity(), torch.nn.Identity()
    >>> masks = ChunkedMasks(3, 3, within, across, K=4, norm="ln")
    >>> masks(torch.randn(2, 3, 7)).shape
    torch.Size([2, 2, 3, 7])
    """

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """See the class."""
        x = self.conv1d(self.norm(features)).transpose(1, 2)
        frames, chunks = x.shape[1], PairedChunks(self.K)
        x = chunks.split(x).permute(0, 3, 2, 1).contiguous()  # [B, N, K, S]
        for block in self.dual_mdl:
            x = block(x)
        x = self.conv2d(self.prelu(x)).unflatten(1, (self.num_spks, -1))
        x = x.permute(0, 1, 4, 3, 2).flatten(0, 1)  # [B * num_spks, S, K, N]
        x = chunks.join(x, frames).transpose(1, 2)
        x = self.end_conv1x1(self.output(x) * self.output_gate(x))
        x = self.activation(x).unflatten(0, (-1, self.num_spks))
        return x.transpose(0, 1)


class SegmentedMasks(ResourceEfficientSeparator):
    """What RE-SepFormer and SkiM share; the arguments are the toolkit's.

    A subclass defines ``run(x, count)``, which maps segments ``[B * count, K,
    N]`` to the same shape.

    Shape
    -----
    ``[B, N, L]`` -> ``[num_spk, B, N, L]``.
    """

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """See the class."""
        size, frames = self.segment_size, features.shape[2]
        count = frames // size + 1
        x = F.pad(features.transpose(1, 2), (0, 0, 0, count * size - frames))
        x = self.run(x.unflatten(1, (count, size)).flatten(0, 1), count)
        x = x.unflatten(0, (-1, count)).flatten(1, 2)
        x = cut(x, 1, 0, frames).transpose(1, 2)
        x = self.nonlinear(self.model.output_fc(x))
        return x.unflatten(1, (-1, self.num_spk)).movedim(2, 0)


class AveragedMasks(SegmentedMasks):
    """RE-SepFormer's: segments hear each other through their averages.

    Example
    -------
    >>> import torch
    >>> from speechbrain.lobes.models.resepformer import (
    ...     SBTransformerBlock_wnormandskip,
    ... )
    >>> layer = SBTransformerBlock_wnormandskip(1, 4, 2)
    >>> masks = AveragedMasks(
    ...     4, mem_type="av", seg_model=layer, mem_model=layer
    ... )
    >>> masks(torch.randn(3, 4, 50)).shape
    torch.Size([2, 3, 4, 50])
    """

    def run(self, x, count):
        """See ``SegmentedMasks``."""
        first, *rest = self.model.seg_model
        x = first(x)
        for memory, segment in zip(self.model.mem_model, rest, strict=True):
            averages = memory(x.mean(1).unflatten(0, (-1, count)))
            x = segment(x + averages.flatten(0, 1).unsqueeze(1))
        return x


class RecurrentMasks(SegmentedMasks):
    """SkiM's: a segment's LSTM starts in states that a second LSTM has read.

    Example
    -------
    >>> import torch
    >>> from speechbrain.lobes.models.resepformer import MemLSTM, SegLSTM
    >>> segment, memory = SegLSTM(4, 3, bidirectional=True), MemLSTM(3)
    >>> masks = RecurrentMasks(4, seg_model=segment, mem_model=memory)
    """

    def run(self, x, count):
        """See ``SegmentedMasks``."""
        first, *rest = self.model.seg_model
        x, states = first(x, None)
        for memory, segment in zip(self.model.mem_model, rest, strict=True):
            x, states = segment(x, memory(states, count))
        return x
