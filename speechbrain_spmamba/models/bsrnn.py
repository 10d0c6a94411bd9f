"""BSRNN: bands of the spectrum, an LSTM over time and one over bands.

Source: Luo and Yu, "Music source separation with band-split RNN",
arXiv 2209.15174; the version for talkers whose masks add up to one.

Glossary, paper -> code
    K   bands, `band_widths`       G_i   width of a band in bins
    N   feature_dim                T, F  frames, bins of the STFT
    band split module              BandSplit
    sequence and band level RNN    ResidualRNN over_time, over_bands
    mask estimation module         BandMask

Departures from the published code; only the third changes a result it gives:
* features are channels-last, [B, K, T, N];
* bands end where the spectrum ends and are at least one bin wide, so that
  other rates and windows than those of the paper work too;
* a model of a single source does not force its masks to add up to one, which
  would leave it the mixture itself as its only output;
* recordings that are shorter than a window are padded and cut back; items of
  a batch may have different lengths (`lengths`): each is computed as if it
  were alone.

From a mixture, by `nnet.stft`, to the LSTMs of `nnet.recurrent`, and back.
"""

from typing import Any

import torch
import torch.nn as nn

from speechbrain_spmamba.nnet.exporting import for_any_length
from speechbrain_spmamba.nnet.norms import GlobalLayerNorm
from speechbrain_spmamba.nnet.recurrent import ResidualRNN
from speechbrain_spmamba.nnet.stft import STFT
from speechbrain_spmamba.nnet.waveform import take_mixture, valid_mask

# As published for speech: so many bands of so many Hz; the rest is one more.
BANDS = ((20, 50), (10, 100), (8, 250), (8, 500))
EPS = torch.finfo(torch.float32).eps


def band_widths(num_bins: int, sample_rate: int) -> list[int]:
    """Bins of each band, narrow ones first.

    Arguments
    ---------
    num_bins : int
        Bins of the spectrum.
    sample_rate : int
        Rate in Hz; the last bin lies at half of it.

    Returns
    -------
    list of int
        Widths that add up to ``num_bins``.

    Example
    -------
    >>> widths = band_widths(321, 16000)
    >>> len(widths), widths[0], widths[20], widths[30], widths[-2:]
    (47, 2, 4, 10, [20, 1])
    """
    widths, left = [], num_bins
    for count, hertz in BANDS:
        for _ in range(count):
            width = int(hertz / (sample_rate / 2) * num_bins)
            width = min(max(width, 1), left)
            if width:
                widths.append(width)
            left -= width
    return widths + [left] if left else widths


class BSRNN(nn.Module):
    """Separates talkers by a complex mask for each band.

    The default is the published model: 25,972,620 parameters. The estimates
    of two or more sources add up to the mixture.

    Arguments
    ---------
    n_fft : int
        STFT window in samples.
    hop_length : int
        STFT hop in samples.
    feature_dim : int
        Features of a band in a frame.
    num_repeat : int
        Layers, each an LSTM over time and one over bands.
    num_spks, sample_rate
        See ``models``; the rate decides the bands.

    Shape
    -----
    ``[B, T]`` -> ``[B, T, num_spks]``.

    Example
    -------
    >>> model = BSRNN(n_fft=64, hop_length=16, feature_dim=4, num_repeat=1)
    >>> model(torch.randn(2, 400)).shape
    torch.Size([2, 400, 2])
    """

    def __init__(
        self,
        num_spks: int = 2,
        n_fft: int = 640,
        hop_length: int = 160,
        feature_dim: int = 128,
        num_repeat: int = 12,
        sample_rate: int = 16000,
    ) -> None:
        super().__init__()
        self.num_spks = num_spks
        self.sample_rate = sample_rate
        self.stft = STFT(n_fft, hop_length)
        self.widths = band_widths(n_fft // 2 + 1, sample_rate)
        self.splits = nn.ModuleList(
            BandSplit(width, feature_dim) for width in self.widths
        )
        self.over_time = nn.ModuleList(
            ResidualRNN(feature_dim, EPS) for _ in range(num_repeat)
        )
        self.over_bands = nn.ModuleList(
            ResidualRNN(feature_dim, EPS) for _ in range(num_repeat)
        )
        self.masks = nn.ModuleList(
            BandMask(width, feature_dim, num_spks) for width in self.widths
        )

    @for_any_length
    def forward(
        self, mix: torch.Tensor, lengths: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Separates a batch of mixtures, see ``models``."""
        dtype: Any = self.splits[0].linear.weight.dtype
        mix, count, valid = take_mixture(self, mix, lengths, dtype)
        mix, samples = mix.squeeze(-1), mix.shape[1]
        spectrum, num_frames = self.stft(mix, count), None  # [B, frames, bins]
        if count is not None:
            num_frames = self.stft.num_frames(count)
            spectrum = spectrum * _valid(spectrum, num_frames)

        bands = spectrum.split(self.widths, dim=-1)
        x = [
            split(band, num_frames)
            for split, band in zip(self.splits, bands, strict=True)
        ]
        x = torch.stack(x, dim=1)  # [B, K, frames, N]
        for over_time, over_bands in zip(
            self.over_time, self.over_bands, strict=True
        ):
            x = over_time(x, num_frames)
            x = over_bands(x.transpose(1, 2)).transpose(1, 2)

        spectra = [
            band.unsqueeze(1) * mask(x[:, index], num_frames)
            for index, (mask, band) in enumerate(
                zip(self.masks, bands, strict=True)
            )
        ]
        spectra = torch.cat(spectra, dim=-1).flatten(0, 1)
        if num_frames is not None:
            num_frames = num_frames.repeat_interleave(self.num_spks)
        waves = self.stft.inverse(spectra, samples, num_frames)
        est = waves.unflatten(0, (-1, self.num_spks)).transpose(1, 2)
        return est if valid is None else est * valid


class BandSplit(nn.Module):
    """A band of the spectrum to features.

    Arguments
    ---------
    width : int
        Bins of the band.
    feature_dim : int
        Features to return.

    Shape
    -----
    Complex ``[B, T, width]`` -> real ``[B, T, feature_dim]``.

    Example
    -------
    >>> BandSplit(3, 8)(torch.randn(2, 5, 3, dtype=torch.cfloat)).shape
    torch.Size([2, 5, 8])
    """

    def __init__(self, width: int, feature_dim: int) -> None:
        super().__init__()
        self.norm = GlobalLayerNorm(2 * width, EPS)
        self.linear = nn.Linear(2 * width, feature_dim)

    def forward(
        self, band: torch.Tensor, num_frames: torch.Tensor | None = None
    ) -> torch.Tensor:
        """See the class; ``num_frames`` are the valid ones, ``[B]``."""
        x = torch.cat([band.real, band.imag], dim=-1)
        return self.linear(self.norm(x, _valid(x, num_frames)))


class BandMask(nn.Module):
    """Features of a band to one complex mask for each source.

    Arguments
    ---------
    width : int
        Bins of the band.
    feature_dim : int
        Features.
    num_spks : int
        Sources.

    Shape
    -----
    Real ``[B, T, feature_dim]`` -> complex ``[B, num_spks, T, width]``.

    Example
    -------
    >>> mask = BandMask(3, 8, num_spks=2)(torch.randn(1, 5, 8))
    >>> torch.allclose(mask.sum(1), torch.ones(1, 5, 3, dtype=torch.cfloat))
    True
    """

    def __init__(self, width: int, feature_dim: int, num_spks: int) -> None:
        super().__init__()
        self.num_spks = num_spks
        self.norm = GlobalLayerNorm(feature_dim, EPS)
        hidden = num_spks * feature_dim
        # As published: a group for each source, but the output is read as
        # [value or gate, real or imaginary, source], across the groups.
        self.net = nn.Sequential(
            nn.Conv1d(feature_dim, hidden, 1),
            nn.Tanh(),
            nn.Conv1d(hidden, 2 * hidden, 1, groups=num_spks),
            nn.Tanh(),
            nn.Conv1d(2 * hidden, 4 * num_spks * width, 1, groups=num_spks),
        )

    def forward(
        self, x: torch.Tensor, num_frames: torch.Tensor | None = None
    ) -> torch.Tensor:
        """See the class; ``num_frames`` are the valid ones, ``[B]``."""
        return torch.complex(*self.parts(x, num_frames))

    def parts(
        self, x: torch.Tensor, num_frames: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Real and imaginary part of ``forward``."""
        dtype = self.norm.weight.dtype  # complex numbers have no bf16
        x = self.norm(x, _valid(x, num_frames)).transpose(1, 2)
        x = self.net(x).to(dtype).unflatten(1, (2, 2, self.num_spks, -1))
        value, gate = x.unbind(1)
        real, imag = (value * gate.sigmoid()).transpose(-1, -2).unbind(1)
        if self.num_spks > 1:
            excess = real.sum(1, keepdim=True) - 1
            real = real - excess / self.num_spks
            imag = imag - imag.mean(1, keepdim=True)
        return real, imag


def _valid(x, count):
    """Mask of the valid positions of ``[N, L, C]``, if lengths are given."""
    return (
        None if count is None else valid_mask(count, x.shape[1]).unsqueeze(-1)
    )
