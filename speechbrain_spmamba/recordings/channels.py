"""Samples of any kind become one channel: the mean of all, or one of them.

Channels of opposite sign, from a cable or a microphone wired the wrong way
round, cancel in the mean, all the time or where a part was joined to others.
Energies are added up piece by piece while the blocks go by, so that it can be
said at the end.
"""

import logging

import numpy as np
import torch

logger = logging.getLogger(__name__)

MOST_CHANNELS = 64  # more are a transposed array
CANCELLED = 100.0  # times softer (20 dB) than the mean of unrelated channels
PIECE = 2048  # samples or more over which that is looked for
LOST = 0.1  # share of all energy that has to lie in pieces that cancel
ADVICE = (
    "the channels cancel in their mean (%.0f %% of their energy), so that "
    "little of it is left; --channel 1 (channel=1) takes one of them"
)


class Downmix:
    """Makes blocks of a recording mono.

    Arguments
    ---------
    channel : int, optional
        The channel to take, counted from 1; by default the mean of all.

    Example
    -------
    >>> downmix = Downmix()
    >>> downmix(np.array([[0.5, -0.5], [0.2, -0.2]]))
    array([0., 0.])
    >>> downmix.cancels
    True
    """

    def __init__(self, channel: int | None = None) -> None:
        self.channel, self.channels = channel, 1
        # Of the present piece: samples, energies of a channel and the mean.
        self.samples, self.own, self.mean = 0, 0.0, 0.0
        # Of the pieces before: energies of a channel, and where all cancel.
        self.total = self.lost = 0.0

    def __call__(self, block):
        """Takes ``[n, C]``, gives ``[n]``."""
        self.channels = block.shape[1]
        if self.channel is not None:
            if not 1 <= self.channel <= self.channels:
                raise ValueError(
                    f"channel {self.channel} was asked for, and there are "
                    f"{self.channels}; give 1 to {self.channels}"
                )
            return block[:, self.channel - 1]
        if self.channels == 1:
            return block[:, 0]
        mean = block.mean(1)
        for start in range(0, len(block), PIECE):
            part = slice(start, start + PIECE)
            self.samples += len(mean[part])
            self.own += np.square(block[part], dtype=np.float64).mean(1).sum()
            self.mean += np.square(mean[part], dtype=np.float64).sum()
            if self.samples >= PIECE:
                self.total, self.lost = self._energies()
                self.samples, self.own, self.mean = 0, 0.0, 0.0
        return mean

    def _energies(self):
        """Energy of a channel, and how much of it lies where all cancel."""
        cancelled = self.mean * self.channels * CANCELLED < self.own
        return self.total + self.own, self.lost + self.own * cancelled

    @property
    def share(self):
        """Share of the channels' energy that the mean has lost, 0 to 1."""
        total, lost = self._energies()
        return float(lost / total) if total else 0.0

    @property
    def cancels(self):
        """Whether the mean has lost what is in the channels."""
        return self.share > LOST

    def warn(self, name: str) -> None:
        """Says so where the channels cancel.

        Arguments
        ---------
        name : str
            What they belong to.
        """
        if self.cancels:
            logger.warning("%s: " + ADVICE, name, 100 * self.share)


def as_mono(
    wave: np.ndarray | torch.Tensor, downmix: Downmix | None = None
) -> np.ndarray:
    """Samples of any kind as the mean of their channels, or one of them.

    Arguments
    ---------
    wave : numpy.ndarray or torch.Tensor
        As ``WaveformSeparation.separate_array`` takes it.
    downmix : Downmix, optional
        Which channel, and what has gone by of the same stream.

    Returns
    -------
    numpy.ndarray
        float32, shape ``[T]``.

    Raises
    ------
    ValueError
        Another shape, no such channel, or samples that are not finite.

    Example
    -------
    >>> as_mono(np.array([[16384, 0], [0, 0]], "int16"))
    array([0.25, 0.  ], dtype=float32)
    """
    if isinstance(wave, torch.Tensor):
        wave = wave.detach().cpu()
        wave = (wave.float() if wave.is_floating_point() else wave).numpy()
    wave = np.asarray(wave)
    if wave.ndim not in (1, 2) or (wave.ndim == 2 and not wave.shape[1]):
        raise ValueError(
            f"samples have shape {list(wave.shape)}; expected [T] or "
            "[T, channels]"
        )
    if wave.ndim == 2 and wave.shape[1] > MOST_CHANNELS:
        raise ValueError(
            f"samples have shape {list(wave.shape)}, more than "
            f"{MOST_CHANNELS} channels; expected [T, channels]: transpose them"
        )
    if wave.dtype.kind == "u":
        half = (int(np.iinfo(wave.dtype).max) + 1) // 2
        wave = (wave.astype(np.float64) - half) / half
    elif wave.dtype.kind == "i":
        wave = wave / -float(np.iinfo(wave.dtype).min)
    elif wave.dtype.kind != "f":
        raise ValueError(
            f"samples are of type {wave.dtype}; expected floats or integers"
        )
    columns = wave[:, None] if wave.ndim == 1 else wave
    wave = (downmix or Downmix())(columns)
    with np.errstate(over="ignore"):
        wave = wave.astype("float32")
    if not np.isfinite(wave).all():
        raise ValueError(
            "samples are NaN or infinite; repair or leave out the recording"
        )
    return wave
