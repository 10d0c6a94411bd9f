"""How the torch backend cuts a scan into pieces that fit the cache.

A tile is a block of rows of the batch times a short stretch of time. This file
knows where tiles begin and end, in which order the scan meets them, and how a
tile of a sequence is read into memory that all tiles share; it knows nothing of
the recurrence (see ``torch_loop.py``).

Axes: K steps of a tile or of a part of it, R rows of a block, N states,
D channels (last, because it is long and contiguous).
"""

import math

import torch

from speechbrain_spmamba.ops.buffers import Buffers

# Elements of a segment of states, [K, R, N, D]. On a CPU, for each thread:
# enough that a call costs more than starting it, little enough for the cache.
# An accelerator wants few, large calls; there it bounds the memory.
_CPU_SEGMENT, _GPU_SEGMENT = 2**19, 2**26
_MAX_THREADS = 16


class Tiling:
    """Tiles of a scan, and the memory for one tile.

    Arguments
    ---------
    u : torch.Tensor
        The input of the scan, ``[B, L, D]``; its values do not matter.
    states : int
        N.
    dtype : torch.dtype
        Of the state and of every loaded tile.
    reverse : bool
        Whether the scan runs from the last step to the first.

    Example
    -------
    >>> tiling = Tiling(torch.rand(2, 10, 4), 3, torch.float64, reverse=True)
    >>> tiling.parts(0, 10, 4)
    [slice(8, 10, None), slice(4, 8, None), slice(0, 4, None)]
    >>> tiling.load(
    ...     "u", torch.rand(2, 10, 4), (slice(0, 2), slice(8, 10))
    ... ).shape
    torch.Size([2, 2, 4])
    """

    def __init__(
        self, u: torch.Tensor, states: int, dtype: torch.dtype, reverse: bool
    ) -> None:
        self.batch, self.length, self.channels = u.shape
        self.states = states
        self.dtype, self.device = dtype, u.device
        self.reverse = reverse
        self.interval = self.checkpoint_interval(self.length)
        self._buffers = Buffers(u.device)

    @staticmethod
    def checkpoint_interval(length):
        """Steps between two checkpoints.

        With sqrt(L) the checkpoints and the states that are recomputed from
        one of them take equal memory.
        """
        return max(1, round(math.sqrt(length)))

    @classmethod
    def checkpoint_shape(cls, shape, states):
        """The state before every tile of ``[B, L, D]``: [tiles, B, N, D]."""
        batch, length, channels = shape
        tiles = math.ceil(length / cls.checkpoint_interval(length))
        return tiles, batch, states, channels

    def row_blocks(self, steps: int) -> tuple:
        """Cuts the batch for segments of ``steps`` steps.

        Arguments
        ---------
        steps : int
            Steps of a segment; more when the batch is too small to fill it.

        Returns
        -------
        tuple
            The slices of the batch, nearly equal, and the steps of a segment.
        """
        budget = _GPU_SEGMENT
        if self.device.type == "cpu":
            budget = _CPU_SEGMENT * min(torch.get_num_threads(), _MAX_THREADS)
        size = self.states * self.channels
        steps = max(steps, budget // max(1, self.batch * size))
        count = max(1, math.ceil(self.batch * size * steps / budget))
        width = max(1, math.ceil(self.batch / count))
        starts = range(0, self.batch, width)
        return [slice(first, first + width) for first in starts], steps

    def parts(self, start, stop, width):
        """Slices of the time from start to stop, in the order of the scan."""
        starts = range(start, stop, width)
        return [
            slice(first, min(first + width, stop))
            for first in (reversed(starts) if self.reverse else starts)
        ]

    def tiles(self, rows):
        """(rows, time) for every tile of a block, in the order of the scan."""
        return [(rows, t) for t in self.parts(0, self.length, self.interval)]

    def checkpoint(self, checkpoints, tile):
        """The slot of ``checkpoints`` that belongs to a tile, ``[R, N, D]``."""
        rows, time = tile
        return checkpoints[time.start // self.interval, rows]

    def steps(self, segment):
        """The time steps of a [K, ...] tensor, in the order of the scan."""
        steps = segment.unbind(0)
        return steps[::-1] if self.reverse else steps

    def buffer(self, name, *shape):
        """Memory that all tiles share, in the dtype of the state."""
        return self._buffers(name, *shape, dtype=self.dtype)

    def load(self, name, sequence, tile):
        """A tile of a sequence ``[B, L, *]``, as ``[K, R, *]``, in a buffer."""
        sequence = sequence[tile].transpose(0, 1)
        return self.buffer(name, *sequence.shape).copy_(sequence)

    @staticmethod
    def store(values, sequence, tile):
        """Inverse of ``load``: writes ``[K, R, *]`` into a tile."""
        sequence[tile].transpose(0, 1).copy_(values)
