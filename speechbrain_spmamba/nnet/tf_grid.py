"""The grid network of TF-GridNet, with the sequence model left open.

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

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from speechbrain_spmamba.nnet.attention import FrameAttention
from speechbrain_spmamba.nnet.norms import GlobalLayerNorm
from speechbrain_spmamba.nnet.stft import STFT
from speechbrain_spmamba.nnet.waveform import before, level, take_mixture
from speechbrain_spmamba.nnet.windows import fitted_length, overlap_add


class GridPath(nn.Module):
    """One pass along an axis: norm, windows, sequence model, overlap-add.

    Arguments
    ---------
    mixer : nn.Module
        Sequence model, ``[N, L, emb_dim * emb_ks] -> [N, L, H]`` with H in
        its ``output_size``; called as ``mixer(x, count)``.
    emb_dim : int
        Channels of the map.
    emb_ks : int
        Window size.
    emb_hs : int
        Hop between windows.
    eps : float
        Of the layer norm.

    Shape
    -----
    ``[B, R, Q, emb_dim]`` -> the same: R sequences of Q positions.

    Example
    -------
    >>> from speechbrain_spmamba.nnet.mamba import BiMamba
    >>> path = GridPath(BiMamba(8), emb_dim=2, emb_ks=4, emb_hs=1)
    >>> path(torch.randn(1, 3, 9, 2)).shape
    torch.Size([1, 3, 9, 2])
    """

    def __init__(self, mixer, emb_dim, emb_ks, emb_hs, eps=1e-5):
        super().__init__()
        self.emb_ks = emb_ks
        self.emb_hs = emb_hs
        self.norm = nn.LayerNorm(emb_dim, eps=eps)
        self.mixer = mixer
        # Holds the parameters; overlap_add below is its faster forward.
        self.deconv = nn.ConvTranspose1d(
            mixer.output_size, emb_dim, emb_ks, stride=emb_hs
        )

    def forward(self, x, count=None):
        """Runs the path along axis 2.

        Arguments
        ---------
        x : torch.Tensor
            Shape ``[B, R, Q, emb_dim]``, Q as ``fitted_length`` gives it.
        count : torch.Tensor, optional
            Valid windows of each item, shape ``[B]``.

        Returns
        -------
        torch.Tensor
            Shape of ``x``.
        """
        batch, rows = x.shape[:2]
        flat, valid = x.flatten(0, 1), None
        if count is not None:
            windows = (x.shape[2] - self.emb_ks) // self.emb_hs + 1
            count = count.repeat_interleave(rows)
            valid = before(count, windows)
        if getattr(self.mixer, "can_fold", None) and self.mixer.can_fold(flat):
            out = self.mixer.run_folded(self, flat, valid)
        else:
            out = self._run_plain(flat, count, valid)
        return out.unflatten(0, (batch, rows))

    def _run_plain(self, x, count, valid):
        """The path as one reads it, for any sequence model."""
        # [N, L, emb_dim, emb_ks] -> feature index = channel * ks + tap
        windows = self.norm(x).unfold(1, self.emb_ks, self.emb_hs).flatten(2)
        if count is None:
            out = self.mixer(windows)
        else:
            out = self.mixer(windows, count) * valid.unsqueeze(-1)
        weight = self.deconv.weight.transpose(1, 2).flatten(1)  # [H, ks * D]
        out = (out @ weight).unflatten(-1, (self.emb_ks, -1))
        return x + overlap_add(out, self.emb_hs) + self.deconv.bias


class GridBlock(nn.Module):
    """Along frequency, along time, then between frames.

    Arguments
    ---------
    make_mixer : callable
        ``make_mixer(width)`` builds the sequence model of a path.
    num_bins : int
        Frequencies of the map.
    emb_dim : int
        Channels of the map.
    emb_ks : int
        Window size.
    emb_hs : int
        Hop between windows.
    num_heads : int
        Attention heads.
    qk_channels : int
        Channels of a query and a key in each head.
    eps : float
        Of the layer norms.
    memory : str
        With "low", training keeps the attention's input alone and computes
        the rest again; the paths follow the ``memory`` of their mixers.

    Attributes
    ----------
    border : int
        Zeros around the map in the paths; 0 unless a model sets it.

    Shape
    -----
    ``[B, T, F, emb_dim]`` -> the same.

    Example
    -------
    >>> from speechbrain_spmamba.nnet.mamba import BiMamba
    >>> GridBlock(BiMamba, 9, 4, 2, 1, 2, 3)(torch.randn(1, 7, 9, 4)).shape
    torch.Size([1, 7, 9, 4])
    """

    def __init__(
        self,
        make_mixer,
        num_bins,
        emb_dim,
        emb_ks,
        emb_hs,
        num_heads,
        qk_channels,
        eps=1e-5,
        memory="balanced",
    ):
        super().__init__()
        width = emb_dim * emb_ks
        self.memory, self.border = memory, 0
        self.intra = GridPath(make_mixer(width), emb_dim, emb_ks, emb_hs, eps)
        self.inter = GridPath(make_mixer(width), emb_dim, emb_ks, emb_hs, eps)
        self.attention = FrameAttention(
            emb_dim, num_bins, num_heads, qk_channels, eps
        )

    def forward(self, x, num_frames=None):
        """Runs the block.

        Arguments
        ---------
        x : torch.Tensor
            Shape ``[B, T, F, emb_dim]``.
        num_frames : torch.Tensor, optional
            Valid frames of each item, shape ``[B]``.

        Returns
        -------
        torch.Tensor
            Shape of ``x``; frames behind an item's end hold no meaning.
        """
        size, hop = self.intra.emb_ks, self.intra.emb_hs
        edge = self.border
        frames, bins = x.shape[1:3]
        valid = count = None
        if num_frames is not None:
            valid = before(num_frames, frames)
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
        x = x[:, edge : edge + frames, edge : edge + bins]
        if self.memory == "low" and torch.is_grad_enabled():
            return checkpoint(
                self.attention,
                x,
                valid,
                use_reentrant=False,
                preserve_rng_state=False,
            )
        return self.attention(x, valid)


class TFGrid(nn.Module):
    """Complex spectral mapping by a stack of grid blocks.

    Arguments
    ---------
    make_mixer : callable
        ``make_mixer(width)`` builds the sequence model of a path.
    num_spks : int
        Sources to return.
    num_mics : int
        Microphones of the input.
    n_fft : int
        STFT window in samples.
    hop_length : int
        STFT hop in samples.
    num_blocks : int
        Grid blocks.
    emb_dim : int
        Channels of the map.
    emb_ks : int
        Window size along frequency and time.
    emb_hs : int
        Hop between windows.
    num_heads : int
        Attention heads.
    attn_qk_dim : int
        Approximate length of a query vector; a head has
        ``ceil(attn_qk_dim / bins)`` channels.
    eps : float
        Of all norms.
    sample_rate : int
        Rate in Hz that the model is meant for.
    memory : str
        See ``GridBlock``.

    Shape
    -----
    ``[B, T]`` or ``[B, T, num_mics]`` -> ``[B, T, num_spks]``.

    Example
    -------
    >>> from speechbrain_spmamba.nnet.mamba import BiMamba
    >>> model = TFGrid(BiMamba, n_fft=64, hop_length=32, num_blocks=1)
    >>> model(torch.randn(1, 400)).shape
    torch.Size([1, 400, 2])
    """

    def __init__(
        self,
        make_mixer,
        num_spks=2,
        num_mics=1,
        n_fft=512,
        hop_length=128,
        num_blocks=6,
        emb_dim=16,
        emb_ks=8,
        emb_hs=1,
        num_heads=4,
        attn_qk_dim=512,
        eps=1e-5,
        sample_rate=16000,
        memory="balanced",
    ):
        super().__init__()
        self.num_spks = num_spks
        self.num_mics = num_mics
        self.sample_rate = sample_rate
        num_bins = n_fft // 2 + 1
        if not 0 < emb_hs <= num_bins:
            raise ValueError(
                f"emb_hs is {emb_hs}; choose 1 to n_fft // 2 + 1 = {num_bins}, "
                "the width of the map"
            )
        self.stft = STFT(n_fft, hop_length)
        self.input_conv = nn.Conv2d(2 * num_mics, emb_dim, 3, padding=1)
        self.input_norm = GlobalLayerNorm(emb_dim, eps)
        self.blocks = nn.ModuleList(
            GridBlock(
                make_mixer,
                num_bins,
                emb_dim,
                emb_ks,
                emb_hs,
                num_heads,
                -(-attn_qk_dim // num_bins),
                eps,
                memory,
            )
            for _ in range(num_blocks)
        )
        self.output_conv = nn.ConvTranspose2d(
            emb_dim, 2 * num_spks, 3, padding=1
        )

    def forward(self, mix, lengths=None):
        """Separates a batch of mixtures.

        Arguments
        ---------
        mix : torch.Tensor
            Shape ``[B, T]``, or ``[B, T, M]`` for M microphones; any level.
        lengths : torch.Tensor, optional
            Relative lengths in (0, 1], shape ``[B]``. With them the estimate
            of an item does not depend on its padding or its neighbours.

        Returns
        -------
        torch.Tensor
            Estimates at the level of the mixture, shape ``[B, T, num_spks]``,
            zero behind each item's end.

        Raises
        ------
        ValueError
            A mixture of the wrong shape or with samples that are not finite.
        """
        dtype = self.input_conv.weight.dtype
        mix, count, valid = take_mixture(
            self, mix, lengths, dtype, self.num_mics
        )
        samples = mix.shape[1]
        # A reflected edge needs more than half a window of signal.
        window, edge = self.stft.n_fft, self.stft.n_fft // 2
        span, padded = None, samples if samples > edge else window
        if count is not None:
            span = torch.where(count > edge, count, window)
            padded = max(samples, window)
        scale = level(mix, count)
        mix = mix / torch.where(scale > 0, scale, 1.0)
        mix = F.pad(mix, (0, 0, 0, padded - samples))
        est = self._map(mix, span)[:, :samples] * scale
        return est if valid is None else est * valid

    def _map(self, mix, count):
        """Levelled ``[B, T, M]`` -> ``[B, T, num_spks]``, T > n_fft / 2."""
        batch, samples, mics = mix.shape
        waves = mix.transpose(1, 2).flatten(0, 1)  # [B * M, T]
        num_frames = valid = None
        if count is None:
            spectrum = self.stft(waves)
        else:
            spectrum = self.stft(waves, count.repeat_interleave(mics))
            num_frames = self.stft.num_frames(count)
            valid = before(num_frames, spectrum.shape[1])[..., None, None]
        spectrum = spectrum.unflatten(0, (batch, mics))  # [B, M, frames, bins]
        x = torch.cat([spectrum.real, spectrum.imag], dim=1)
        if valid is not None:
            x = x * valid.permute(0, 3, 1, 2)

        x = self.input_conv(x).permute(0, 2, 3, 1)  # [B, frames, bins, emb]
        x = self.input_norm(x, valid)
        for block in self.blocks:
            x = block(x, num_frames)
        if valid is not None:
            x = x * valid
        x = self.output_conv(x.permute(0, 3, 1, 2))

        # Channel = source * 2 + (0 real, 1 imaginary).
        real, imag = x.to(mix.dtype).unflatten(1, (-1, 2)).unbind(2)
        spectra = torch.complex(real, imag).flatten(0, 1)
        if num_frames is not None:
            num_frames = num_frames.repeat_interleave(self.num_spks)
        waves = self.stft.inverse(spectra, samples, num_frames)
        return waves.unflatten(0, (batch, -1)).transpose(1, 2)
