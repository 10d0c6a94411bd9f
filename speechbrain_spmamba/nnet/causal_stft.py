"""A short-time Fourier transform whose frames end where the signal does.

A frame of ``n_fft`` samples gives back its last ``synthesis_length`` samples
alone. A long window then resolves harmonics, and yet no sample waits for more
than the synthesis length: that is the algorithmic latency.

    samples             ...|------------------------|   a frame, n_fft
    given back                         |------------|   synthesis_length
    the next frame             |------------------------|
                                            hop_length

What analysis and synthesis windows leave together is a box of ``hop_length``
smoothed by a Hann window, which adds up to one from hop to hop whatever the
three lengths are. The analysis window rises over most of the frame and falls
as fast as that product; the synthesis window is their quotient.

From and to `nnet.causal_grid`.

Source: windows of two lengths, Mauler and Martin, "A low delay, variable
resolution, perfect reconstruction spectral analysis-synthesis system for
speech enhancement", EUSIPCO 2007.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from speechbrain_spmamba.nnet.past import behind_past, until_past
from speechbrain_spmamba.ops.windows import overlap_add


class CausalSTFT(nn.Module):
    """Waves to complex spectra and back, a few hops at a time.

    Arguments
    ---------
    n_fft : int
        Window and transform size in samples.
    hop_length : int
        Samples between frames.
    synthesis_length : int
        Samples that a frame gives back, ``hop_length`` to ``n_fft``.

    Attributes
    ----------
    delay : int
        Samples by which ``inverse`` lags behind what came in.

    Raises
    ------
    ValueError
        The lengths do not suit each other.

    Example
    -------
    >>> stft, wave = CausalSTFT(64, 16, 32), torch.randn(1, 160)
    >>> stft(wave).shape
    torch.Size([1, 10, 33])
    >>> again = stft.inverse(stft(wave))
    >>> torch.allclose(
    ...     again[:, stft.delay :], wave[:, : -stft.delay], atol=1e-5
    ... )
    True
    """

    def __init__(
        self, n_fft: int, hop_length: int, synthesis_length: int
    ) -> None:
        super().__init__()
        if not 0 < hop_length <= synthesis_length <= n_fft:
            raise ValueError(
                f"hop_length is {hop_length}, synthesis_length "
                f"{synthesis_length} and n_fft {n_fft}; each must be at least "
                "1 and at most the next"
            )
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.synthesis_length = synthesis_length
        self.delay = synthesis_length - hop_length
        analysis, synthesis = torch.empty(n_fft), torch.empty(synthesis_length)
        # On the meta device torch imports its compiler to compute no values.
        if not analysis.is_meta:
            analysis, synthesis = window_pair(
                n_fft, hop_length, synthesis_length
            )
        self.register_buffer("analysis", analysis, persistent=False)
        self.register_buffer("synthesis", synthesis, persistent=False)

    def forward(
        self, wave: torch.Tensor, past: dict | None = None
    ) -> torch.Tensor:
        """Spectra of the frames that end with each hop.

        Arguments
        ---------
        wave : torch.Tensor
            Shape ``[N, K * hop_length]``.
        past : dict, optional
            Of the samples before, see ``nnet.past``.

        Returns
        -------
        torch.Tensor
            Complex, shape ``[N, K, n_fft // 2 + 1]``.
        """
        before = self.n_fft - self.hop_length
        wave = behind_past(past, "stft.samples", wave, before, axis=1)
        frames = wave.unfold(1, self.n_fft, self.hop_length)
        return torch.fft.rfft(frames * self.analysis)

    def inverse(
        self, spectra: torch.Tensor, past: dict | None = None
    ) -> torch.Tensor:
        """The samples that no further frame will change.

        Arguments
        ---------
        spectra : torch.Tensor
            Complex, shape ``[N, K, n_fft // 2 + 1]``.
        past : dict, optional
            Of the frames before.

        Returns
        -------
        torch.Tensor
            Shape ``[N, K * hop_length]``, ``delay`` samples behind.
        """
        frames = torch.fft.irfft(spectra, n=self.n_fft)
        frames = frames[..., -self.synthesis_length :] * self.synthesis
        wave = overlap_add(frames.unsqueeze(-1), self.hop_length).squeeze(-1)
        return until_past(past, "stft.sums", wave, self.delay, axis=1)


def window_pair(
    n_fft: int, hop_length: int, synthesis_length: int
) -> tuple[torch.Tensor, ...]:
    """Analysis and synthesis windows of which frames add up to the signal.

    Arguments
    ---------
    n_fft, hop_length, synthesis_length
        See ``CausalSTFT``.

    Returns
    -------
    tuple of torch.Tensor
        Shapes ``[n_fft]`` and ``[synthesis_length]``.

    Example
    -------
    >>> analysis, synthesis = window_pair(8, 2, 4)
    >>> (analysis[-4:] * synthesis).view(2, 2).sum(0)
    tensor([1., 1.])
    """
    overlap = synthesis_length - hop_length
    smooth = torch.hann_window(overlap + 3, periodic=False, dtype=torch.double)
    smooth = smooth[1:-1] / smooth.sum()  # overlap + 1 values
    box = torch.ones(1, 1, hop_length, dtype=torch.double)
    product = F.conv1d(box, smooth.view(1, 1, -1), padding=overlap).flatten()

    fall = min(overlap, synthesis_length // 2)
    rise = n_fft - fall
    position = torch.arange(rise, dtype=torch.double)
    analysis = torch.ones(n_fft, dtype=torch.double)
    analysis[:rise] = (math.pi / 2 * (position + 0.5) / rise).sin()
    if fall:
        position = torch.arange(fall, dtype=torch.double)
        analysis[rise:] = (math.pi / 2 * (position + 0.5) / fall).cos()
    synthesis = product / analysis[-synthesis_length:]
    return analysis.float(), synthesis.float()
