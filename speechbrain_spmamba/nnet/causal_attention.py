"""Attention of each frame to the last ones: a bounded past.

From `nnet.causal_block`, behind both paths; to the next block. Projections,
heads and norms are those of `nnet.attention`.
"""

import torch

from speechbrain_spmamba.nnet.attention import FrameAttention

QUERIES = 256  # frames at a time: scores grow with the length, not its square


class CausalAttention(FrameAttention):
    """Every frame attends to itself and to the frames just before it.

    Arguments
    ---------
    channels, num_bins, num_heads, qk_channels, eps
        See ``FrameAttention``.
    context : int
        Frames that are seen, the present one included.

    Shape
    -----
    ``[B, T, F, C]`` -> the same.

    Example
    -------
    >>> attention = CausalAttention(8, 5, 2, 3, context=4)
    >>> attention(torch.randn(2, 7, 5, 8)).shape
    torch.Size([2, 7, 5, 8])
    """

    def __init__(
        self,
        channels: int,
        num_bins: int,
        num_heads: int,
        qk_channels: int,
        eps: float = 1e-5,
        context: int = 128,
    ) -> None:
        super().__init__(channels, num_bins, num_heads, qk_channels, eps)
        self.context = context

    def forward(
        self, x: torch.Tensor, past: dict | None = None, name: str = ""
    ) -> torch.Tensor:
        """Lets frames attend to the past.

        Arguments
        ---------
        past : dict, optional
            Keys and values of the frames before, see ``nnet.past``.
        name : str
            What they are kept under.
        """
        query, key, value = self.project(x)
        if past is None:
            out = self._attend_all(query, key, value)
        elif x.shape[1] == 1:
            out = self._attend_one(query, key, value, past, name)
        else:
            out = self._attend_on(query, key, value, past, name)
        return self.add(x, out)

    def _attend_one(self, query, key, value, past, name):
        """The next frame alone: it takes the place of the oldest one."""
        count, keys, values = self._ring(key, value, past, name)
        place = count % self.context
        keys[:, :, place], values[:, :, place] = key[:, :, 0], value[:, :, 0]
        past[f"{name}.count"] += 1
        known = min(count + 1, self.context)
        # No frame knows its place, so that their order does not matter.
        return self.attend(query, keys[:, :, :known], values[:, :, :known])

    def _attend_on(self, query, key, value, past, name):
        """Some frames, behind those that are kept."""
        count, keys, values = self._ring(key, value, past, name)
        frames = query.shape[2]
        before = torch.arange(max(0, count - self.context + 1), count)
        kept = before % self.context
        key = torch.cat([keys[:, :, kept], key], 2)
        value = torch.cat([values[:, :, kept], value], 2)
        past[f"{name}.count"] += frames
        size = min(count + frames, self.context)
        place = torch.arange(count + frames - size, count + frames)
        place = place % self.context
        keys[:, :, place] = key[:, :, -size:]
        values[:, :, place] = value[:, :, -size:]
        return self._attend_all(query, key, value)

    def _ring(self, key, value, past, name):
        """Frames so far, and keys and values of the last ones.

        Frame i lies at i modulo ``context``.
        """
        names = f"{name}.keys", f"{name}.values"
        if names[0] not in past:
            past[f"{name}.count"] = torch.tensor(0)
            for kept, x in zip(names, (key, value), strict=True):
                shape = (*x.shape[:2], self.context, x.shape[3])
                past[kept] = x.new_zeros(shape)
        return int(past[f"{name}.count"]), *(past[kept] for kept in names)

    def _attend_all(self, query, key, value):
        """All queries, ``QUERIES`` at a time; keys may begin before them."""
        out = [
            self._attend(query, key, value, start)
            for start in range(0, query.shape[2], QUERIES)
        ]
        return torch.cat(out, 2) if len(out) > 1 else out[0]

    def _attend(self, query, key, value, start):
        """Some queries to the keys that they may see."""
        before = key.shape[2] - query.shape[2]
        end = min(start + QUERIES, query.shape[2])
        first = max(0, before + start - self.context + 1)
        query = query[:, :, start:end]
        key, value = (
            key[:, :, first : before + end],
            value[:, :, first : before + end],
        )
        mask = None
        if end - start > 1:
            now = torch.arange(before + start, before + end, device=key.device)
            then = torch.arange(first, before + end, device=key.device)
            age = now.unsqueeze(1) - then
            mask = (age >= 0) & (age < self.context)
        return self.attend(query, key, value, mask)
