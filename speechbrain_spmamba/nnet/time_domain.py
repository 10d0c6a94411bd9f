"""Separation by masks over learned filters: what these networks share.

A filterbank of 1-D convolutions takes the place of the STFT, a network
estimates a mask for each source, and transposed convolutions return to
samples (Luo and Mesgarani, "Conv-TasNet", arXiv 1809.07454, section II).

Recordings of different lengths share a batch by one rule: the filters'
output and the output of every norm are zero behind an item's last frame. A
convolution that follows a norm thus meets the zeros it would pad with itself,
and each item is computed as if it were alone.

From a mixture; to the masks of `models.conv_tasnet`, `models.dprnn`,
`nnet.multiscale` or `nnet.toolkit_masks`, and back to samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
import torch.nn as nn
import torch.nn.functional as F

from speechbrain_spmamba.nnet.exporting import for_any_length
from speechbrain_spmamba.nnet.waveform import take_mixture, valid_mask
from speechbrain_spmamba.ops.windows import fitted_length

if TYPE_CHECKING:
    from speechbrain_spmamba.ops.windows import Count


MASK_ACTS = {"sigmoid": torch.sigmoid, "relu": torch.relu}


class FrameNorm(nn.GroupNorm):
    """Global layer norm over channels and frames that counts no padding.

    Arguments
    ---------
    channels : int
        Size of axis 1, which carries gain and bias.
    eps : float
        Added to the variance.

    Shape
    -----
    ``[B, channels, L]`` -> the same, zero behind each item's last frame.

    Example
    -------
    >>> y = FrameNorm(3)(torch.ones(2, 3, 4), torch.tensor([4, 2]))
    >>> y.shape
    torch.Size([2, 3, 4])
    """

    def __init__(self, channels: int, eps: float = 1e-8) -> None:
        super().__init__(1, channels, eps)

    def forward(
        self, x: torch.Tensor, count: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Normalises.

        Arguments
        ---------
        count : torch.Tensor, optional
            Valid frames of each item, shape ``[B]``.
        """
        if count is None:
            return super().forward(x)
        # bf16 statistics would lose a batch's quiet items.
        x = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        valid = valid_mask(count, x.shape[-1]).unsqueeze(1)
        places = (count * x.shape[1]).view(-1, 1, 1).to(x.dtype)
        mean = (x * valid).sum((1, 2), keepdim=True) / places
        centred = (x - mean) * valid
        var = centred.square().sum((1, 2), keepdim=True) / places
        gain = self.weight.unsqueeze(-1) * torch.rsqrt(var + self.eps)
        return torch.addcmul(self.bias.unsqueeze(-1) * valid, centred, gain)


class FilterbankSeparator(nn.Module):
    """Learned filters, masks from ``estimate_masks``, and filters back.

    A subclass defines ``estimate_masks(features, count)``, which maps features
    ``[B, N, L]`` and the valid frames of each item (``[B]``, or None) to masks
    ``[B, num_spks, N, L]``; and may have its own ``encode`` and
    ``fitted_samples``.

    Arguments
    ---------
    n_filters : int
        Filters, N.
    kernel_size : int
        Filter length in samples; the hop is half of it.
    padding : int
        Zeros before the first and behind the last sample.
    output_padding : int
        Further samples that the decoder appends.
    joint_decoder : bool
        Whether each source is decoded from the masked features of all.
    bias : bool
        Whether encoder and decoder add a bias. Neither is heard in digital
        silence or behind the last frame.
    num_spks, sample_rate
        See ``models``.

    Shape
    -----
    ``[B, T]`` -> ``[B, T, num_spks]``, any T >= 1.

    Example
    -------
    >>> class Copies(FilterbankSeparator):
    ...     def estimate_masks(self, features, count):
    ...         return (
    ...             torch.ones_like(features)
    ...             .unsqueeze(1)
    ...             .expand(-1, self.num_spks, -1, -1)
    ...         )
    >>> Copies(2, n_filters=4, kernel_size=2)(torch.randn(3, 9)).shape
    torch.Size([3, 9, 2])
    """

    def __init__(
        self,
        num_spks: int,
        n_filters: int,
        kernel_size: int,
        padding: int = 0,
        output_padding: int = 0,
        joint_decoder: bool = False,
        bias: bool = False,
        sample_rate: int = 16000,
    ) -> None:
        super().__init__()
        self.num_spks = num_spks
        self.sample_rate = sample_rate
        stride = max(kernel_size // 2, 1)
        self.encoder = nn.Conv1d(
            1, n_filters, kernel_size, stride, padding, bias=bias
        )
        self.decoder = nn.ConvTranspose1d(
            n_filters * (num_spks if joint_decoder else 1),
            num_spks if joint_decoder else 1,
            kernel_size,
            stride,
            padding,
            output_padding,
            bias=bias,
        )

    def draw_filters(self) -> None:
        """Draws the filters anew, by Xavier's normal distribution."""
        for filters in (self.encoder.weight, self.decoder.weight):
            # On the meta device torch imports its compiler to draw nothing.
            if not filters.is_meta:
                nn.init.xavier_normal_(filters)

    def fitted_samples(self, samples: Count) -> Count:
        """To how many samples a recording is padded at its end.

        Arguments
        ---------
        samples : int or torch.Tensor
            Number of samples.

        Returns
        -------
        int or torch.Tensor
            At least as many, and more for more samples or the same.
        """
        return fitted_length(samples, self.encoder.kernel_size[0], hop=1)

    def encode(self, mix: torch.Tensor) -> torch.Tensor:
        """Applies the filters.

        Arguments
        ---------
        mix : torch.Tensor
            Shape ``[B, 1, T]``.

        Returns
        -------
        torch.Tensor
            Shape ``[B, n_filters, L]``; without a bias, zero where the
            mixture is.
        """
        return self.encoder(mix)

    @for_any_length
    def forward(
        self, mix: torch.Tensor, lengths: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Separates a batch of mixtures, see ``models``."""
        dtype = self.encoder.weight.dtype
        mix, count, valid = take_mixture(self, mix, lengths, dtype)
        mix, samples = mix.transpose(1, 2), mix.shape[1]  # [B, 1, T]
        frames = None if count is None else self._num_frames(count)
        mix = F.pad(mix, (0, self.fitted_samples(samples) - samples))

        # The filters work on samples, which bf16 would make audibly coarse.
        with torch.autocast(mix.device.type, enabled=False):
            features = self.encode(mix)
        if frames is not None:
            features = (
                features * valid_mask(frames, features.shape[-1])[:, None]
            )
        masks = self.estimate_masks(features, frames)
        masked = features.unsqueeze(1) * masks.to(features.dtype)
        with torch.autocast(mix.device.type, enabled=False):
            est = self._decode(masked)[..., :samples]

        est = F.pad(est, (0, samples - est.shape[-1]))
        if self.decoder.bias is not None:
            est = est * self._sounding(mix, frames, samples)
        est = est.transpose(1, 2)
        return est if valid is None else est * valid

    def _num_frames(self, samples):
        """Frames of recordings of so many samples, before any padding."""
        kernel, stride = self.encoder.kernel_size[0], self.encoder.stride[0]
        edges = 2 * self.encoder.padding[0]
        return (self.fitted_samples(samples) + edges - kernel) // stride + 1

    def _sounding(self, mix, frames, samples):
        """Where estimates may differ from 0, ``[B, 1, samples]`` or so."""
        sounding = (mix != 0).any(-1, keepdim=True)
        if frames is not None:
            kernel, stride = self.encoder.kernel_size[0], self.encoder.stride[0]
            ends = (frames - 1) * stride + kernel
            sounding = sounding & valid_mask(ends, samples).unsqueeze(1)
        return sounding

    def _decode(self, masked):
        """``[B, num_spks, N, L]`` -> ``[B, num_spks, T]``."""
        if self.decoder.in_channels == masked.shape[2]:
            waves = self.decoder(masked.flatten(0, 1))
        else:
            waves = self.decoder(masked.flatten(1, 2))
        return waves.view(masked.shape[0], self.num_spks, waves.shape[-1])


def mask_activation(name: str) -> Callable:
    """The function that makes masks of a network's last layer.

    Arguments
    ---------
    name : str
        A key of ``MASK_ACTS``.

    Returns
    -------
    callable
        ``Tensor -> Tensor``, elementwise.

    Raises
    ------
    ValueError
        There is none of that name.

    Example
    -------
    >>> mask_activation("relu")(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    if name not in MASK_ACTS:
        raise ValueError(
            f"mask_act is '{name}', expected {' or '.join(MASK_ACTS)}"
        )
    return MASK_ACTS[name]
