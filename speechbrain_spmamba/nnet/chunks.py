"""Chunks of a sequence that overlap by half, in the two ways of DPRNN's code.

Both start with zeros, add what overlaps up again without a weight, and differ
in how many zeros there are, and so in how many chunks.

From and to `models.dprnn`; `models.sepformer` asks how many there will be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from speechbrain_spmamba.ops.windows import cut, overlap_add

if TYPE_CHECKING:
    from speechbrain_spmamba.ops.windows import Count


class PairedChunks:
    """Two rows of chunks without overlap, one half a chunk behind the other.

    Half a chunk of zeros comes first, and at least as many last, so that
    every frame lies in two chunks.

    Arguments
    ---------
    size : int
        Frames in a chunk, K.

    Example
    -------
    >>> chunks = PairedChunks(2)
    >>> x = chunks.split(torch.ones(1, 2, 1))
    >>> x.squeeze().tolist()
    [[0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]]
    >>> chunks.join(x, frames=2).flatten().tolist()
    [2.0, 2.0]
    """

    def __init__(self, size: int) -> None:
        self.size, self.hop = size, size // 2

    def count(self, frames: Count) -> Count:
        """How many chunks ``split`` makes.

        Arguments
        ---------
        frames : int or torch.Tensor
            Number of frames.

        Returns
        -------
        int or torch.Tensor
            An even number.
        """
        return 2 * ((frames + self.hop) // self.size + 1)

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """Cuts a sequence into chunks.

        Arguments
        ---------
        x : torch.Tensor
            Shape ``[B, L, N]``.

        Returns
        -------
        torch.Tensor
            Shape ``[B, S, K, N]``, S as ``count`` gives it.
        """
        frames = x.shape[1]
        span = self.count(frames) // 2 * self.size
        x = F.pad(x, (0, 0, self.hop, span - frames))
        rows = [x[:, start : start + span] for start in (0, self.hop)]
        chunks = [row.unflatten(1, (-1, self.size)) for row in rows]
        return torch.stack(chunks, dim=2).flatten(1, 2)

    def join(self, chunks: torch.Tensor, frames: int) -> torch.Tensor:
        """Adds overlapping chunks up: the transpose of ``split``.

        Arguments
        ---------
        chunks : torch.Tensor
            Shape ``[B, S, K, N]``.
        frames : int
            Frames to return, L.

        Returns
        -------
        torch.Tensor
            Shape ``[B, L, N]``.
        """
        pairs = chunks.unflatten(1, (-1, 2)).movedim(2, 0)
        first, second = torch.clone(
            pairs, memory_format=torch.contiguous_format
        ).flatten(2, 3)
        return cut(first, 1, self.hop, frames) + cut(second, 1, 0, frames)


class SlidingChunks(PairedChunks):
    """Windows over a sequence with a chunk of zeros at either end.

    The first chunk is empty, and computed like the others. The argument is
    that of ``PairedChunks``.

    Example
    -------
    >>> chunks = SlidingChunks(2)
    >>> x = chunks.split(torch.ones(1, 2, 1))
    >>> x.squeeze().tolist()
    [[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0], [0.0, 0.0]]
    >>> chunks.join(x, frames=2).flatten().tolist()
    [2.0, 2.0]
    """

    def count(self, frames):
        """See ``PairedChunks``; the number may be odd."""
        return (frames + self.size) // self.hop + 1

    def split(self, x):
        """See ``PairedChunks``."""
        x = F.pad(x, (0, 0, self.size, self.size))
        return x.unfold(1, self.size, self.hop).transpose(2, 3)

    def join(self, chunks, frames):
        """See ``PairedChunks``."""
        joined = overlap_add(chunks, self.hop)
        return cut(joined, 1, self.size, frames)
