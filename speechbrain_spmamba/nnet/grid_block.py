"""A block of the grid: along frequency, along time, then between frames.

Source: TF-GridNet (Wang et al., arXiv 2211.12433), sections II-B and III.

    map [B, T, F, D] -> intra: F in each frame -> inter: T in each bin
        -> attention between the frames -> map

From `nnet.tf_grid`, once a block; to the paths' sequence models
(`nnet.recurrent`, or `nnet.mamba_path`), to `nnet.attention`, and back.
"""

from collections.abc import Callable

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from speechbrain_spmamba.nnet.attention import FrameAttention
from speechbrain_spmamba.nnet.waveform import valid_mask
from speechbrain_spmamba.ops.windows import cut, fitted_length, overlap_add


class GridBlock(nn.Module):
    """Two paths and an attention.

    Arguments
    ---------
    make_path : callable
        ``make_path()`` builds a path, a ``GridPath``.
    memory : str
        With "low", training keeps the attention's input alone and computes
        the rest again; paths have a ``memory`` of their own.
    num_bins, emb_dim, num_heads, qk_channels, eps
        Of the attention, see ``FrameAttention``.

    Attributes
    ----------
    border : int
        Zeros around the map in the paths; 0 unless a model sets it.

    Shape
    -----
    ``[B, T, F, emb_dim]`` -> the same.

    Example
    -------
    >>> from functools import partial
    >>> from speechbrain_spmamba.nnet.mamba_path import MambaPath
    >>> block = GridBlock(partial(MambaPath, 4, 2, 1), 9, 4, 2, 3)
    >>> block(torch.randn(1, 7, 9, 4)).shape
    torch.Size([1, 7, 9, 4])
    """

    def __init__(
        self,
        make_path: Callable,
        num_bins: int,
        emb_dim: int,
        num_heads: int,
        qk_channels: int,
        eps: float = 1e-5,
        memory: str = "balanced",
    ) -> None:
        super().__init__()
        self.memory, self.border = memory, 0
        self.intra, self.inter = make_path(), make_path()
        self.attention = FrameAttention(
            emb_dim, num_bins, num_heads, qk_channels, eps
        )

    def forward(
        self, x: torch.Tensor, num_frames: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Runs the block; frames behind an item's end hold no meaning.

        Arguments
        ---------
        num_frames : torch.Tensor, optional
            Valid frames of each item, shape ``[B]``.
        """
        size, hop = self.intra.emb_ks, self.intra.emb_hs
        edge = self.border
        frames, bins = x.shape[1:3]
        valid = count = None
        if num_frames is not None:
            valid = valid_mask(num_frames, frames)
            x = x * valid[..., None, None]
            fitted = fitted_length(num_frames + 2 * edge, size, hop)
            count = (fitted - size) // hop + 1
        after_frames = (
            fitted_length(frames + 2 * edge, size, hop) - frames - edge
        )
        after_bins = fitted_length(bins + 2 * edge, size, hop) - bins - edge
        x = F.pad(x, (0, 0, edge, after_bins, edge, after_frames))
        x = self.intra(x)
        x = self.inter(x.transpose(1, 2), count).transpose(1, 2)
        x = cut(x, 1, edge, frames).narrow(2, edge, bins)
        if self.memory == "low" and torch.is_grad_enabled():
            return checkpoint(
                self.attention,
                x,
                valid,
                use_reentrant=False,
                preserve_rng_state=False,
            )
        return self.attention(x, valid)


class GridPath(nn.Module):
    """One pass along an axis: norm, windows, sequence model, overlap-add.

    Arguments
    ---------
    make_mixer : callable
        ``make_mixer(width)`` builds the sequence model, ``mixer(x, count)``:
        ``[N, L, width] -> [N, L, H]`` with H in its ``output_size``.
    emb_dim : int
        Channels of the map.
    emb_ks : int
        Window size; the width is ``emb_dim * emb_ks``.
    emb_hs : int
        Hop between windows.
    eps : float
        Of the layer norm.

    Shape
    -----
    ``[B, R, Q, emb_dim]`` -> the same: R sequences of Q positions.

    Example
    -------
    >>> from speechbrain_spmamba.nnet.recurrent import BLSTM
    >>> path = GridPath(BLSTM, emb_dim=2, emb_ks=4, emb_hs=1)
    >>> path(torch.randn(1, 3, 9, 2)).shape
    torch.Size([1, 3, 9, 2])
    """

    def __init__(
        self,
        make_mixer: Callable,
        emb_dim: int,
        emb_ks: int,
        emb_hs: int,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.emb_ks = emb_ks
        self.emb_hs = emb_hs
        self.norm = nn.LayerNorm(emb_dim, eps=eps)
        self.mixer = make_mixer(emb_dim * emb_ks)
        # Holds the parameters; overlap_add below is its faster forward.
        self.deconv = nn.ConvTranspose1d(
            self.mixer.output_size, emb_dim, emb_ks, stride=emb_hs
        )

    def forward(
        self, x: torch.Tensor, count: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Runs the path along axis 2, Q as ``fitted_length`` gives it.

        Arguments
        ---------
        count : torch.Tensor, optional
            Valid windows of each item, shape ``[B]``.
        """
        batch, rows = x.shape[:2]
        valid = None
        if count is not None:
            windows = (x.shape[2] - self.emb_ks) // self.emb_hs + 1
            count = count.repeat_interleave(rows)
            valid = valid_mask(count, windows)
        out = self.forward_rows(x.flatten(0, 1), count, valid)
        return out.unflatten(0, (batch, rows))

    def forward_rows(
        self,
        x: torch.Tensor,
        count: torch.Tensor | None = None,
        valid: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The path as published, for any sequence model.

        Arguments
        ---------
        x : torch.Tensor
            Shape ``[N, Q, emb_dim]``.
        count : torch.Tensor, optional
            Valid windows of each row, shape ``[N]``.
        valid : torch.Tensor, optional
            The same as a mask, shape ``[N, L]``.

        Returns
        -------
        torch.Tensor
            Shape of ``x``.
        """
        # [N, L, emb_dim, emb_ks] -> feature index = channel * ks + tap
        windows = self.norm(x).unfold(1, self.emb_ks, self.emb_hs).flatten(2)
        out = self.mixer(windows, count)
        if valid is not None:
            out = out * valid.unsqueeze(-1)
        weight = self.deconv.weight.transpose(1, 2).flatten(1)  # [H, ks * D]
        out = (out @ weight).unflatten(-1, (self.emb_ks, -1))
        return x + overlap_add(out, self.emb_hs) + self.deconv.bias
