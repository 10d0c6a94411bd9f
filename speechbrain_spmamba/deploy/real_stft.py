"""The Fourier transforms of `nnet.stft` as convolutions of real numbers.

A frame's transform is a product with cosines and sines, frames one hop apart
are a convolution with that stride, and the inverse with its overlap-add is the
transposed convolution with the same kernel, since

    x_n = sum over k of  c_k (Re X_k cos(2 pi k n / N) - Im X_k sin(...)) / N

with c_k 1 at both ends of the spectrum and 2 between them. ONNX has operators
of its own for both, but what they give is complex, which no other operator
takes, and there is none for the way back.

From and to `deploy.grid` and `deploy.step`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn as nn
import torch.nn.functional as F

if TYPE_CHECKING:
    from speechbrain_spmamba.nnet.stft import STFT


def kernel(window: torch.Tensor) -> torch.Tensor:
    """Cosines, then negative sines, of every bin, times a window.

    Arguments
    ---------
    window : torch.Tensor
        Shape ``[n_fft]``.

    Returns
    -------
    torch.Tensor
        Shape ``[2 * bins, 1, n_fft]``, in the dtype of the window.

    Example
    -------
    >>> wave = torch.randn(8)
    >>> real, imag = (kernel(torch.ones(8))[:, 0] @ wave).chunk(2)
    >>> torch.allclose(torch.complex(real, imag), torch.fft.rfft(wave))
    True
    """
    n_fft = len(window)
    bins = torch.arange(n_fft // 2 + 1).unsqueeze(1)
    # of integers below n_fft, or the angle would be rounded
    turns = bins * torch.arange(n_fft) % n_fft
    angle = turns.double() * (2 * math.pi / n_fft)
    waves = torch.cat([angle.cos(), -angle.sin()]) * window.double()
    return waves.to(window.dtype).unsqueeze(1)


def inverse_weights(n_fft):
    """c_k / N of both parts, for the way back: shape ``[2 * bins, 1]``."""
    weights = torch.full((n_fft // 2 + 1,), 2 / n_fft)
    weights[0] = 1 / n_fft
    if n_fft % 2 == 0:
        weights[-1] = 1 / n_fft
    return weights.repeat(2).unsqueeze(1)


class RealSTFT(nn.Module):
    """An ``nnet.stft.STFT`` of waves of equal lengths.

    Arguments
    ---------
    stft : STFT
        The transform to be replaced.

    Example
    -------
    >>> from speechbrain_spmamba.nnet.stft import STFT
    >>> stft, wave = STFT(64, 16), torch.randn(2, 100)
    >>> real, imag = RealSTFT(stft)(wave)
    >>> torch.allclose(torch.complex(real, imag), stft(wave), atol=1e-5)
    True
    >>> again = RealSTFT(stft).inverse(real, imag, 100)
    >>> torch.allclose(again, wave, atol=1e-5)
    True
    """

    def __init__(self, stft: STFT) -> None:
        super().__init__()
        self.n_fft, self.hop_length = stft.n_fft, stft.hop_length
        self.register_buffer("kernel", kernel(stft.window))
        self.register_buffer("weights", inverse_weights(stft.n_fft))
        self.register_buffer("square", stft.window.square().view(1, 1, -1))

    def forward(self, wave: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Waves ``[N, T]`` to real and imaginary parts, ``[N, frames, bins]``.

        T is more than half a window.
        """
        edge = self.n_fft // 2
        wave = F.pad(wave.unsqueeze(1), (edge, edge), mode="reflect")
        parts = F.conv1d(wave, self.kernel, stride=self.hop_length)
        return parts.transpose(1, 2).chunk(2, -1)

    def inverse(self, real, imag, length):
        """The parts back to waves, ``[N, length]``."""
        parts = torch.cat([real, imag], -1).transpose(1, 2) * self.weights
        wave = F.conv_transpose1d(parts, self.kernel, stride=self.hop_length)
        ones = torch.ones_like(parts[:1, :1])
        envelope = F.conv_transpose1d(ones, self.square, stride=self.hop_length)
        edge = self.n_fft // 2
        wave = wave / envelope.clamp_min(1e-11)
        return wave.narrow(2, edge, length).squeeze(1)
