"""The grid network of TF-GridNet, with the sequence model left open.

    mix [B, T, M] -> level 1 -> STFT -> input_conv, input_norm
        -> map [B, T, F / band, D] -> GridBlock, num_blocks times -> map
        -> output_conv -> spectra of the sources -> inverse STFT -> level of mix

From `models.spmamba` and `models.tf_gridnet`, which say what a path is; to
`nnet.stft`, `nnet.norms` and, block after block, `nnet.grid_block`; with
`masks`, its two ends are those of `nnet.spectral_masks`.

Sources: TF-GridNet (Wang et al., arXiv 2211.12433), sections II and III, in
its first published form; SPMamba (arXiv 2404.02063) keeps this grid and
replaces the BLSTM of each path by a bidirectional Mamba.

Glossary, paper -> code
    D   emb_dim      I   emb_ks      J   emb_hs     B   num_blocks
    E   qk_channels  L   num_heads   T   frames     F   bins
    M   num_mics     C   num_spks    H   size of the sequence model

Departures from the published code, none of which changes a result it gives:
* maps are channels-last, [B, T, F, D], so that projections are matrix
  products and norms run over contiguous values;
* recordings and maps that are shorter than a window are padded and cut back;
* items of a batch may have different lengths (`lengths`): each is computed
  as if it were alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
import torch.nn as nn
import torch.nn.functional as F

from speechbrain_spmamba.nnet.causal_block import CausalBlock, CausalPath
from speechbrain_spmamba.nnet.causal_grid import (
    lag,
    separate_causally,
    state_bytes,
)
from speechbrain_spmamba.nnet.causal_stft import CausalSTFT
from speechbrain_spmamba.nnet.exporting import for_any_length
from speechbrain_spmamba.nnet.grid_block import GridBlock
from speechbrain_spmamba.nnet.norms import FrameLayerNorm, GlobalLayerNorm
from speechbrain_spmamba.nnet.spectral_masks import (
    begin_equal,
    log_magnitude,
    shares,
)
from speechbrain_spmamba.nnet.stft import STFT
from speechbrain_spmamba.nnet.streaming import Stream
from speechbrain_spmamba.nnet.waveform import level, take_mixture, valid_mask

if TYPE_CHECKING:
    from speechbrain_spmamba.nnet.causal_grid import Causal


# Of a block, what its last layers add to the map.
ENDS = ("deconv.weight", "deconv.bias", "proj_norm.weight", "proj_norm.bias")


class TFGrid(nn.Module):
    """Complex spectral mapping, or masking, by a stack of grid blocks.

    Arguments
    ---------
    make_path : callable
        ``make_path(emb_dim, emb_ks, emb_hs, eps)`` builds a path of a block,
        see ``GridPath``.
    num_spks, num_mics, ..., band
        See ``models.spmamba.SPMamba``.
    causal : nnet.causal_grid.Causal, optional
        What differs in a network that hears no future.

    Shape
    -----
    ``[B, T]`` or ``[B, T, num_mics]`` -> ``[B, T, num_spks]``.

    Example
    -------
    >>> from speechbrain_spmamba.nnet.mamba_path import MambaPath
    >>> model = TFGrid(MambaPath, n_fft=64, hop_length=32, num_blocks=1)
    >>> model(torch.randn(1, 400)).shape
    torch.Size([1, 400, 2])
    """

    def __init__(
        self,
        make_path: Callable,
        num_spks: int = 2,
        num_mics: int = 1,
        n_fft: int = 512,
        hop_length: int = 128,
        num_blocks: int = 6,
        emb_dim: int = 16,
        emb_ks: int = 8,
        emb_hs: int = 1,
        num_heads: int = 4,
        attn_qk_dim: int = 512,
        eps: float = 1e-5,
        sample_rate: int = 16000,
        memory: str = "balanced",
        masks: bool = False,
        rest: bool = False,
        band: int = 1,
        causal: Causal | None = None,
    ) -> None:
        super().__init__()
        if rest and not masks:
            raise ValueError(
                "rest is a share of masks; set masks to True, or leave it out"
            )
        self.causal = causal
        self.num_spks = num_spks
        self.num_mics = num_mics
        self.masks = masks
        self.rest = rest
        self.sample_rate = sample_rate
        self.band = band
        num_bins = n_fft // 2 + 1
        if not 0 < band <= num_bins:
            raise ValueError(
                f"band is {band}; choose 1 to n_fft // 2 + 1 = {num_bins}"
            )
        num_bands = -(-num_bins // band)
        if not 0 < emb_hs <= num_bands:
            raise ValueError(
                f"emb_hs is {emb_hs}; choose 1 to {num_bands}, the width of "
                f"the map (n_fft // 2 + 1 bins, {band} to a band)"
            )
        if causal:
            self.stft: Any = CausalSTFT(
                n_fft, hop_length, causal.synthesis_length
            )
            norm = FrameLayerNorm
            make_block = partial(
                CausalBlock,
                partial(make_path, emb_dim, emb_ks, emb_hs, eps),
                partial(CausalPath, causal.make_mixer, emb_dim, emb_ks, eps),
                causal.attn_context,
            )
        else:
            self.stft, norm = STFT(n_fft, hop_length), GlobalLayerNorm
            make_block = partial(
                GridBlock, partial(make_path, emb_dim, emb_ks, emb_hs, eps)
            )
        features = num_mics if masks else 2 * num_mics
        overlap = max(1, band // 2)  # with either neighbour
        shape: dict = {
            "kernel_size": (3, band + 2 * overlap),
            "stride": (1, band),
            "padding": (0 if causal else 1, overlap),
        }
        self.input_conv = nn.Conv2d(features, emb_dim, **shape)
        self.input_norm = norm(emb_dim, eps)
        bias = nn.Parameter(torch.zeros(num_bands, emb_dim)) if masks else None
        self.register_parameter("band_bias", bias)
        self.blocks = nn.ModuleList(
            make_block(
                num_bands,
                emb_dim,
                num_heads,
                -(-attn_qk_dim // num_bands),
                eps,
                memory,
            )
            for _ in range(num_blocks)
        )
        outputs = num_spks if masks else 2 * num_spks
        self.output_conv = nn.ConvTranspose2d(emb_dim, outputs, **shape)
        if masks:
            begin_equal(self.output_conv)

    def features(self, spectrum: torch.Tensor) -> torch.Tensor:
        """What the network reads.

        Arguments
        ---------
        spectrum : torch.Tensor
            Complex, shape ``[B, M, T, bins]``, of a mixture of level 1.

        Returns
        -------
        torch.Tensor
            Real, shape ``[B, M or 2 M, T, bands * band]``.
        """
        if self.masks:
            x = log_magnitude(spectrum)
        else:
            x = torch.cat([spectrum.real, spectrum.imag], dim=1)
        return F.pad(x, (0, -x.shape[-1] % self.band))

    def spectra(self, x: torch.Tensor, spectrum: torch.Tensor) -> torch.Tensor:
        """What the network writes, as spectra of the sources.

        Arguments
        ---------
        x : torch.Tensor
            Real, shape ``[B, C or 2 C, T, bands * band]``.
        spectrum : torch.Tensor
            Complex, shape ``[B, T, bins]``: the mixture at one microphone.

        Returns
        -------
        torch.Tensor
            Complex, shape ``[B, C, T, bins]``.
        """
        x = x[..., : spectrum.shape[-1]]
        if self.masks:
            return shares(x, spectrum, self.rest)
        # channel = source * 2 + (0 real, 1 imaginary)
        return torch.complex(*x.unflatten(1, (-1, 2)).unbind(2))

    @for_any_length
    def forward(
        self, mix: torch.Tensor, lengths: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Separates a batch of mixtures, see ``models``."""
        if self.causal:
            return separate_causally(self, mix, lengths)
        dtype = self.input_conv.weight.dtype
        mix, count, valid = take_mixture(
            self, mix, lengths, dtype, self.num_mics
        )
        batch, samples, mics = mix.shape
        scale = level(mix, count)
        mix = mix / torch.where(scale > 0, scale, 1.0)

        waves = mix.transpose(1, 2).flatten(0, 1)  # [B * M, T]
        num_frames = frame_mask = None
        if count is None:
            spectrum = self.stft(waves)
        else:
            spectrum = self.stft(waves, count.repeat_interleave(mics))
            num_frames = self.stft.num_frames(count)
            frame_mask = valid_mask(num_frames, spectrum.shape[1])
            frame_mask = frame_mask[..., None, None]
        spectrum = spectrum.unflatten(0, (batch, mics))  # [B, M, frames, bins]
        x = self.features(spectrum)
        if frame_mask is not None:
            x = x * frame_mask.permute(0, 3, 1, 2)

        x = self.input_conv(x).permute(0, 2, 3, 1)  # [B, T, bands, emb_dim]
        x = self.input_norm(x, frame_mask)
        if self.masks:
            x = x + self.band_bias
        for block in self.blocks:
            x = block(x, num_frames)
        if frame_mask is not None:
            x = x * frame_mask
        x = self.output_conv(x.permute(0, 3, 1, 2))
        spectra = self.spectra(x.to(mix.dtype), spectrum[:, 0]).flatten(0, 1)
        if num_frames is not None:
            num_frames = num_frames.repeat_interleave(self.num_spks)
        waves = self.stft.inverse(spectra, samples, num_frames)
        est = waves.unflatten(0, (batch, -1)).transpose(1, 2) * scale
        return est if valid is None else est * valid

    def grown(self, state: dict) -> dict:
        """Weights of a smaller network as weights of this one.

        What it knows of voices is kept. Further outputs begin as the mean of
        its own: masks then give them what it is not sure of. Further blocks
        begin as its last one, but change nothing.

        Arguments
        ---------
        state : dict
            State dict of such a network of fewer talkers or blocks; any other
            is given back.

        Returns
        -------
        dict
            State dict.

        Example
        -------
        >>> from speechbrain_spmamba.models import build_model
        >>> sizes = {"n_fft": 32, "hop_length": 16}
        >>> shallow, deep = (
        ...     build_model("spmamba", num_blocks=n, **sizes) for n in (1, 2)
        ... )
        >>> _ = deep.load_state_dict(deep.grown(shallow.state_dict()))
        >>> mix = torch.randn(1, 100)
        >>> torch.allclose(deep(mix), shallow(mix), atol=1e-5)
        True
        """
        state = dict(state)
        parts = 1 if self.masks else 2  # of an output: mask, or complex
        for name in ("output_conv.weight", "output_conv.bias"):
            found, wanted = state.get(name), self.get_parameter(name)
            axis = min(1, wanted.dim() - 1)  # the outputs, in both
            if found is None or found.dim() != wanted.dim():
                continue
            missing = (wanted.shape[axis] - found.shape[axis]) // parts
            if missing > 0:
                mean = found.unflatten(axis, (-1, parts)).mean(axis)
                state[name] = torch.cat([found, *[mean] * missing], dim=axis)
        pattern = re.compile(r"blocks\.(\d+)\.(.+)")
        known = [found for found in map(pattern.fullmatch, state) if found]
        last = max((int(found[1]) for found in known), default=len(self.blocks))
        for index in range(last + 1, len(self.blocks)):
            for found in known:
                if int(found[1]) == last:
                    begins = state[found[0]].clone()
                    if found[2].endswith(ENDS):
                        begins.zero_()
                    state[f"blocks.{index}.{found[2]}"] = begins
        return state

    def stream(self) -> Stream:
        """The model at work on a signal that has not ended.

        Returns
        -------
        nnet.streaming.Stream
            Its ``feed`` takes samples and gives those of the talkers.

        Raises
        ------
        ValueError
            The model is not causal.
        """
        if not self.causal:
            raise ValueError(
                f"this {type(self).__name__} hears all of a recording before "
                "it gives a sample; build it with causal=True, or see "
                "WaveformSeparation.separate_stream"
            )
        return Stream(self)

    @property
    def latency_samples(self):
        """Samples that one may wait for before it is given; None for all."""
        if not self.causal:
            return None
        return lag(self) + self.stft.hop_length

    @property
    def state_bytes(self):
        """What one stream keeps between two hops; None without streams."""
        return state_bytes(self) if self.causal else None
