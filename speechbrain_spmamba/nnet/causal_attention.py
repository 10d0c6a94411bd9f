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
        self, channels, num_bins, num_heads, qk_channels, eps=1e-5, context=128
    ):
        super().__init__(channels, num_bins, num_heads, qk_channels, eps)
        self.context = context

    def forward(self, x, past=None, name=""):
        """Lets frames attend to the past.

        Arguments
        ---------
        past : dict, optional
            Keys and values of the frames before, see ``nnet.past``.
        name : str
            What they are kept under.
        """
        query, key, value = self.project(x)
        if past is not None:
            key = self._behind(past, f"{name}.keys", key)
            value = self._behind(past, f"{name}.values", value)
        out = [
            self._attend(query, key, value, start)
            for start in range(0, x.shape[1], QUERIES)
        ]
        return self.add(x, torch.cat(out, 2) if len(out) > 1 else out[0])

    def _behind(self, past, name, x):
        """Those of the past and the present, ``[B, H, up to context, W]``."""
        if name in past:
            x = torch.cat([past[name], x], 2)
        past[name] = x[:, :, max(0, x.shape[2] - self.context + 1) :].clone()
        return x

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
