"""Short-time Fourier transform and its inverse for batches of padded waves.

With equal lengths the pair computes what ``torch.stft`` (centred, reflected
edges) and ``torch.istft`` do. With ``num_samples`` every item is reflected at
its own end and divided by its own window envelope, so that its spectrum and
its wave are those it would have had alone in the batch.

A reflected edge needs more than half a window of signal: what is shorter is
padded to a window of zeros first.

From and to `nnet.tf_grid` and `models.bsrnn`, at both ends of their networks.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

from speechbrain_spmamba.nnet.waveform import valid_mask
from speechbrain_spmamba.ops.windows import cut, overlap_add


class STFT(nn.Module):
    """Waves to complex spectra, periodic Hann window, centred frames.

    Arguments
    ---------
    n_fft : int
        Window and transform size in samples.
    hop_length : int
        Samples between frames, at most half a window.

    Shape
    -----
    ``[N, T]`` -> ``[N, T // hop_length + 1, n_fft // 2 + 1]``, and as many
    frames as of n_fft samples where T <= n_fft / 2.

    Example
    -------
    >>> STFT(512, 128)(torch.randn(2, 16000)).shape
    torch.Size([2, 126, 257])
    """

    window: torch.Tensor

    def __init__(self, n_fft: int = 512, hop_length: int = 128) -> None:
        super().__init__()
        if not 0 < hop_length <= n_fft // 2:
            raise ValueError(
                f"hop_length is {hop_length}; choose 1 to n_fft // 2 = "
                f"{n_fft // 2}, or samples between windows would be lost"
            )
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.register_buffer("window", _hann(n_fft), persistent=False)

    def num_frames(self, num_samples):
        """Frames of waves of so many samples, a tensor."""
        return self._fitted(num_samples) // self.hop_length + 1

    def _fitted(self, num_samples):
        """Their samples, short ones padded."""
        short = num_samples <= self.n_fft // 2
        return torch.where(short, self.n_fft, num_samples)

    def forward(
        self, wave: torch.Tensor, num_samples: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Transforms a batch of waves.

        Arguments
        ---------
        wave : torch.Tensor
            Shape ``[N, T]``.
        num_samples : torch.Tensor, optional
            Valid samples of each item, shape ``[N]``; what lies behind them
            in ``wave`` is not looked at, but is zero behind a short item.

        Returns
        -------
        torch.Tensor
            Complex, shape ``[N, frames, bins]``. Frames behind an item's last
            one hold no meaning.
        """
        edge, missing = self.n_fft // 2, self.n_fft - wave.shape[1]
        if num_samples is None:
            if wave.shape[1] <= edge:
                wave = F.pad(wave, (0, missing))
            padded = F.pad(wave, (edge, edge), mode="reflect")
        else:
            wave = F.pad(wave, (0, max(missing, 0)))
            padded = _reflect_each(wave, self._fitted(num_samples), edge)
        spectrum = torch.stft(
            padded,
            self.n_fft,
            self.hop_length,
            window=self.window.to(padded.dtype),
            center=False,
            return_complex=True,
        )
        return spectrum.transpose(1, 2)

    def inverse(
        self,
        spectrum: torch.Tensor,
        length: int,
        num_frames: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Transforms spectra back by weighted overlap-add.

        Arguments
        ---------
        spectrum : torch.Tensor
            Complex, shape ``[N, frames, bins]``.
        length : int
            Samples to return.
        num_frames : torch.Tensor, optional
            Valid frames of each item, shape ``[N]``.

        Returns
        -------
        torch.Tensor
            Shape ``[N, length]``. Samples behind an item's last frame hold no
            meaning.
        """
        window = self.window.to(spectrum.real.dtype)
        frames = torch.fft.irfft(spectrum, n=self.n_fft) * window
        envelope = window.square().expand(1, spectrum.shape[1], -1)
        if num_frames is not None:
            valid = valid_mask(num_frames, spectrum.shape[1]).unsqueeze(-1)
            frames, envelope = frames * valid, envelope * valid
        wave = overlap_add(frames.unsqueeze(-1), self.hop_length)
        envelope = overlap_add(envelope.unsqueeze(-1), self.hop_length)
        edge = self.n_fft // 2
        wave = cut(wave, 1, edge, length).squeeze(-1)
        envelope = cut(envelope, 1, edge, length).squeeze(-1)
        # Inside an item the envelope is well above zero; the bound only
        # keeps 0 / 0 out of the meaningless rest.
        return wave / envelope.clamp_min(1e-11)


def _hann(size):
    """Periodic Hann window."""
    window = torch.empty(size)
    # On the meta device torch imports its compiler to compute no values.
    return window if window.is_meta else torch.hann_window(size)


def _reflect_each(wave, num_samples, edge):
    """Reflect padding where every item ends at its own last sample."""
    position = torch.arange(-edge, wave.shape[1] + edge, device=wave.device)
    last = num_samples.unsqueeze(1) - 1
    # -1 -> 1 at the start; last + 1 -> last - 1 at the end.
    source = last - (last - position.abs()).abs()
    return wave.gather(1, source.clamp_min(0))
