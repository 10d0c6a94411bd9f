"""A block of a causal grid: along frequency both ways, along time forward.

    map [B, T, F, D] -> intra: F in each frame -> inter: T in each bin, from
        the past -> attention to the last frames, if any -> map

A frame is there as a whole, so that along frequency the path is the one of
`nnet.grid_block`. Along time its windows end with the frame that they belong
to and move by one frame; what they give back reaches from that frame on:

    windows of 3 frames read       t-2  t-1   t
    and add to                                t   t+1  t+2

From `nnet.causal_grid`, once a block; to `nnet.mamba_path` (frequency),
`nnet.mamba` (time) and `nnet.causal_attention`, and back.
"""

from collections.abc import Callable

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from speechbrain_spmamba.nnet.causal_attention import CausalAttention
from speechbrain_spmamba.nnet.grid_block import GridPath
from speechbrain_spmamba.nnet.past import behind_past, until_past
from speechbrain_spmamba.ops.windows import fitted_length, overlap_add


class CausalBlock(nn.Module):
    """Two paths and an attention, of which none hears the future.

    Arguments
    ---------
    make_path, make_causal_path : callable
        Build the path along frequency, a ``GridPath``, and the one along
        time, a ``CausalPath``.
    attn_context : int
        Frames that attention sees, the present one included; 0 for none.
    num_bins, emb_dim, num_heads, qk_channels, eps
        Of the attention, see ``FrameAttention``.
    memory : str
        With "low" and "balanced", training computes the path along time again.

    Shape
    -----
    ``[B, T, F, emb_dim]`` -> the same.

    Example
    -------
    >>> from functools import partial
    >>> from speechbrain_spmamba.nnet.mamba import MambaBranch
    >>> from speechbrain_spmamba.nnet.mamba_path import MambaPath
    >>> paths = (
    ...     partial(MambaPath, 4, 2, 1),
    ...     partial(CausalPath, MambaBranch, 4, 2),
    ... )
    >>> block = CausalBlock(*paths, 3, 9, 4, 2, 3)
    >>> x, past = torch.randn(1, 7, 9, 4), {}
    >>> parts = [block(part, past, "block") for part in x.split(2, 1)]
    >>> torch.allclose(torch.cat(parts, 1), block(x), atol=1e-5)
    True
    """

    def __init__(
        self,
        make_path: Callable,
        make_causal_path: Callable,
        attn_context: int,
        num_bins: int,
        emb_dim: int,
        num_heads: int,
        qk_channels: int,
        eps: float = 1e-5,
        memory: str = "balanced",
    ) -> None:
        super().__init__()
        self.memory = memory
        self.intra, self.inter = make_path(), make_causal_path()
        self.attention = None
        if attn_context:
            self.attention = CausalAttention(
                emb_dim, num_bins, num_heads, qk_channels, eps, attn_context
            )

    def forward(
        self, x: torch.Tensor, past: dict | None = None, name: str = ""
    ) -> torch.Tensor:
        """Runs the block.

        Arguments
        ---------
        past : dict, optional
            Of the frames before, see ``nnet.past``.
        name : str
            What the block's tensors are kept under.
        """
        bins = x.shape[2]
        fitted = fitted_length(bins, self.intra.emb_ks, self.intra.emb_hs)
        x = self.intra(F.pad(x, (0, 0, 0, fitted - bins)))[:, :, :bins]
        x = x.transpose(1, 2)
        if past is None and self.memory != "speed" and torch.is_grad_enabled():
            x = checkpoint(
                self.inter, x, use_reentrant=False, preserve_rng_state=False
            )
        else:
            x = self.inter(x, past, f"{name}.inter")
        x = x.transpose(1, 2)
        if self.attention is not None:
            x = self.attention(x, past, f"{name}.attention")
        return x


class CausalPath(GridPath):
    """One pass along time: norm, windows, sequence model, overlap-add.

    Arguments
    ---------
    make_mixer : callable
        ``make_mixer(width)`` builds the sequence model, ``mixer.go_on(x, past,
        name)``: ``[N, L, width] -> [N, L, H]`` with H in its ``output_size``.
    emb_dim, emb_ks, eps
        See ``GridPath``; windows move by one frame.

    Shape
    -----
    ``[B, R, T, emb_dim]`` -> the same: R sequences of T frames.

    Example
    -------
    >>> from speechbrain_spmamba.nnet.mamba import MambaBranch
    >>> path = CausalPath(MambaBranch, emb_dim=2, emb_ks=4)
    >>> path(torch.randn(1, 3, 9, 2)).shape
    torch.Size([1, 3, 9, 2])
    """

    def __init__(
        self, make_mixer: Callable, emb_dim: int, emb_ks: int, eps: float = 1e-5
    ) -> None:
        super().__init__(make_mixer, emb_dim, emb_ks, 1, eps)

    def forward(
        self, x: torch.Tensor, past: dict | None = None, name: str = ""
    ) -> torch.Tensor:
        """See the class; ``past`` and ``name`` as in ``CausalBlock``."""
        before = self.emb_ks - 1
        rows = x.flatten(0, 1)
        windows = self.norm(rows)
        if before:
            windows = behind_past(past, f"{name}.read", windows, before, axis=1)
            windows = windows.unfold(1, self.emb_ks, 1).flatten(2)
        out = self.mixer.go_on(windows, past, f"{name}.mixer")
        weight = self.deconv.weight.transpose(1, 2).flatten(1)  # [H, ks * D]
        out = out @ weight
        if before:
            out = overlap_add(out.unflatten(-1, (self.emb_ks, -1)), 1)
            out = until_past(past, f"{name}.given", out, before, axis=1)
        return (rows + out + self.deconv.bias).view_as(x)
