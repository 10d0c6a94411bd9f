"""Models of this package inside unmodified parts of SpeechBrain.

The toolkit's separation recipes and its ``SepformerSeparation`` compute

    mix_w = encoder(mix)                       # [B, N, L]
    est[s] = decoder(mix_w * masknet(mix_w)[s])  # [B, T]

Any model fits that form exactly. The encoder is an STFT; the mask net goes
back to samples, runs the model, and returns the ratio of each estimate's
spectrum to the encoder's output; the decoder is the inverse STFT.

Two things make it exact. A tiny constant is added to every bin, and taken
off again by the mask net, so that no bin is zero and digital silence has a
ratio too. And the number of samples, which frames alone do not tell, travels
in one more frame behind the last: with it the model does not see the zeros
that fill the last hop.

From the toolkit's recipes and inference classes, to any of ``models``.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

from speechbrain_spmamba.nnet.stft import STFT

OFFSET = 1e-6 * (1 + 1j)


class SpectrumEncoder(nn.Module):
    """Waves to complex spectra without a zero, in the toolkit's layout.

    Arguments
    ---------
    n_fft : int
        Window in samples; need not be that of the model.
    hop_length : int
        Samples between frames, at most half a window.

    Shape
    -----
    ``[B, T]`` -> complex ``[B, n_fft // 2 + 1, ceil(T / hop_length) + 2]``.

    Example
    -------
    >>> SpectrumEncoder()(torch.randn(2, 1000)).shape
    torch.Size([2, 257, 10])
    """

    def __init__(self, n_fft: int = 512, hop_length: int = 128) -> None:
        super().__init__()
        self.spectra = _Spectra(n_fft, hop_length)

    def forward(self, mix: torch.Tensor) -> torch.Tensor:
        """Transforms a batch of mixtures."""
        filling = -mix.shape[1] % self.spectra.hop_length
        spectrum = self.spectra(F.pad(mix, (0, filling))) + OFFSET
        spectrum = torch.where(spectrum == 0, OFFSET, spectrum)
        # At least 1, or its ratio would be undefined.
        return F.pad(spectrum, (0, 1), value=filling + 1.0)


class RatioMasks(nn.Module):
    """Runs a model and returns what the mixture must be multiplied with.

    Arguments
    ---------
    model : torch.nn.Module
        ``[B, T] -> [B, T, S]``, any model of this package.
    n_fft : int
        Window of the encoder.
    hop_length : int
        Hop of the encoder.

    Shape
    -----
    Complex ``[B, bins, frames + 1]`` -> complex ``[S, B, bins, frames + 1]``.

    Example
    -------
    >>> from speechbrain_spmamba.models import build_model
    >>> model = build_model("conv_tasnet", n_filters=8, hidden=8, n_layers=1)
    >>> RatioMasks(model)(SpectrumEncoder()(torch.randn(1, 1000))).shape
    torch.Size([2, 1, 257, 10])
    """

    def __init__(
        self, model: torch.nn.Module, n_fft: int = 512, hop_length: int = 128
    ) -> None:
        super().__init__()
        self.model = model
        self.spectra = _Spectra(n_fft, hop_length)

    def forward(self, mix_w: torch.Tensor) -> torch.Tensor:
        """Estimates a mask for each source from the encoder's output."""
        filling = mix_w[:, 0, -1].real - 1
        mix = self.spectra.inverse(mix_w[..., :-1] - OFFSET)
        lengths = 1 - filling.double() / mix.shape[1]
        est = self.model(mix, lengths)  # [B, T, S]
        est = est.permute(2, 0, 1)
        spectra = self.spectra(est.flatten(0, 1)).unflatten(0, est.shape[:2])
        # The frame with the length passes unchanged: the decoder drops it.
        return F.pad(spectra / mix_w[..., :-1], (0, 1), value=1.0)


class SpectrumDecoder(nn.Module):
    """Masked spectra back to waves.

    Arguments
    ---------
    n_fft : int
        Window of the encoder.
    hop_length : int
        Hop of the encoder.

    Shape
    -----
    Complex ``[B, bins, frames + 1]`` -> ``[B, T]``, T filled up to whole hops.

    Example
    -------
    >>> mix = torch.randn(2, 1024)
    >>> wave = SpectrumDecoder()(SpectrumEncoder()(mix))
    >>> torch.allclose(wave, mix, atol=1e-4)
    True
    """

    def __init__(self, n_fft: int = 512, hop_length: int = 128) -> None:
        super().__init__()
        self.spectra = _Spectra(n_fft, hop_length)

    def forward(self, sep_h: torch.Tensor) -> torch.Tensor:
        """Transforms a batch of spectra, times the mask of one source."""
        return self.spectra.inverse(sep_h[..., :-1])


def as_encoder_masknet_decoder(
    model: torch.nn.Module, n_fft: int = 512, hop_length: int = 128
) -> tuple[torch.nn.Module, ...]:
    """Makes of a model the three modules that the toolkit expects.

    Arguments
    ---------
    model : torch.nn.Module
        ``[B, T] -> [B, T, S]``, any model of this package.
    n_fft : int
        Window of the STFT between them; it has no influence on the result.
    hop_length : int
        Its hop, at most half a window.

    Returns
    -------
    tuple of torch.nn.Module
        encoder, masknet, decoder; only the mask net has parameters.

    Raises
    ------
    ValueError
        A hop longer than half a window.

    Example
    -------
    >>> from speechbrain.inference.separation import SepformerSeparation
    >>> from speechbrain_spmamba.models import build_model
    >>> model = build_model("conv_tasnet", n_filters=8, hidden=8, n_layers=1)
    >>> names = "encoder", "masknet", "decoder"
    >>> parts = as_encoder_masknet_decoder(model)
    >>> stock = SepformerSeparation(
    ...     modules=dict(zip(names, parts)), hparams={"num_spks": 2}
    ... )
    >>> mix = torch.randn(1, 999)
    >>> with torch.no_grad():
    ...     torch.allclose(stock.separate_batch(mix), model(mix), atol=1e-5)
    True
    """
    return (
        SpectrumEncoder(n_fft, hop_length),
        RatioMasks(model, n_fft, hop_length),
        SpectrumDecoder(n_fft, hop_length),
    )


class _Spectra(STFT):
    """With zeros around the wave, and bins first; waves of whole hops.

    The inverse is torch's: where more than two windows overlap, it adds them
    in another order than ``STFT``, and rounds otherwise.
    """

    def forward(self, wave):
        """``[N, T]`` -> ``[N, bins, T / hop_length + 1]``."""
        # Half precision would be audible, and has no transform on a CPU.
        with torch.autocast(wave.device.type, enabled=False):
            wave = wave if wave.dtype == torch.float64 else wave.float()
            return torch.stft(
                wave,
                self.n_fft,
                self.hop_length,
                window=self.window.to(wave.dtype),
                pad_mode="constant",
                return_complex=True,
            )

    def inverse(self, spectrum):
        """``[N, bins, frames]`` -> ``[N, (frames - 1) * hop_length]``."""
        return torch.istft(
            spectrum,
            self.n_fft,
            self.hop_length,
            window=self.window.to(spectrum.real.dtype),
            length=(spectrum.shape[-1] - 1) * self.hop_length,
        )
