"""Speech frame by frame: how long a frame is, and where a reference speaks.

All that says who speaks when, found or true, is a bool matrix with a row for
each ``FRAME`` seconds. What is left at the end is no frame, unless it is all
there is.

A reference is one talker alone, without noise, and says itself when it speaks:
as in ITU-T P.56, a frame is active within 15.9 dB of the active speech level,
the mean power of the active frames. Then pauses are filled that are too short
to be heard as such.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


FRAME = 0.032  # seconds
MARGIN = 15.9  # dB below the active speech level; P.56
PAUSE = 0.25  # seconds from which on one is a pause


def frame_size(sample_rate):
    """Samples of a frame at a rate in Hz, at least one."""
    return max(1, round(FRAME * sample_rate))


def frame_power(wave: np.ndarray, sample_rate: int) -> np.ndarray:
    """Mean power of each frame.

    Arguments
    ---------
    wave : numpy.ndarray
        Shape ``[T, S]``.
    sample_rate : int
        Its rate in Hz.

    Returns
    -------
    numpy.ndarray
        float64, ``[frames, S]``.

    Example
    -------
    >>> frame_power(np.ones((8000, 2)), 8000).shape
    (31, 2)
    """
    wave = np.asarray(wave, np.float64)
    samples, outputs = wave.shape
    size = min(frame_size(sample_rate), max(1, samples))
    count = samples // size
    frames = wave[: count * size].reshape(count, size, outputs)
    return np.square(frames).mean(1)


def active_power(power: np.ndarray, count: np.ndarray) -> float:
    """The active speech level of ITU-T P.56, as a power.

    That is the mean of all that is within 15.9 dB of it. Where several levels
    are, as in an hour of soft noise with a minute of speech, it is that of what
    has most of the energy.

    Arguments
    ---------
    power : numpy.ndarray
        Powers of frames, ``[N]``.
    count : numpy.ndarray
        How often there is each of them, ``[N]``.

    Returns
    -------
    float
        A power; 0 of silence.

    Example
    -------
    >>> active_power(np.array([1e-8, 1.0, 0.5]), np.array([10**6, 50, 50]))
    0.75
    """
    order = np.argsort(-power)
    power, count = power[order], count[order]
    energy, frames = np.cumsum(power * count), np.cumsum(count)
    if not len(power) or not energy[-1]:
        return 0.0
    active = power[np.searchsorted(energy, energy[-1] / 2)]
    most = 0
    while True:
        least = active * 10 ** (-MARGIN / 10)
        found = int(np.searchsorted(-power, -least, "right"))
        if found <= most:
            return float(active)
        most = found  # the level falls, and only more comes in
        active = energy[most - 1] / frames[most - 1]


def fill_pauses(speaks: np.ndarray, shorter_than: float) -> np.ndarray:
    """Fills what lies between two frames of speech, if it is short.

    Arguments
    ---------
    speaks : numpy.ndarray
        bool, ``[frames, S]``.
    shorter_than : float
        Frames; pauses of as many stay.

    Returns
    -------
    numpy.ndarray
        bool, ``[frames, S]``.

    Example
    -------
    >>> speaks = np.array([[0, 1, 0, 1, 0, 0, 1, 0]], bool).T
    >>> fill_pauses(speaks, 2).T.astype(int)
    array([[0, 1, 1, 1, 0, 0, 1, 0]])
    """
    index = np.arange(len(speaks), dtype=float)[:, None]
    last = np.maximum.accumulate(np.where(speaks, index, -np.inf))
    following = np.where(speaks, index, np.inf)[::-1]
    following = np.minimum.accumulate(following)[::-1]
    return following - last - 1 < shorter_than


def reference_activity(
    src: np.ndarray | torch.Tensor, sample_rate: int
) -> np.ndarray:
    """When each reference speaks, judged by itself.

    Arguments
    ---------
    src : numpy.ndarray or torch.Tensor
        References without noise, shape ``[T, S]``.
    sample_rate : int
        Their rate in Hz.

    Returns
    -------
    numpy.ndarray
        bool, ``[frames, S]``, a row for each ``FRAME`` seconds. A silent
        reference, or one that is a mere offset, never speaks.

    Example
    -------
    >>> talk = np.random.default_rng(0).standard_normal((8000, 1))
    >>> talk[4000:] *= 0.01
    >>> speaks = reference_activity(talk, 8000)
    >>> int(speaks.sum())  # of 31 frames, one of them half loud
    16
    """
    src = np.asarray(src, np.float64)
    if not len(src):
        return np.zeros(src.shape, bool)
    power = frame_power(src - src.mean(0), sample_rate)
    power[:, src.max(0) == src.min(0)] = 0.0  # an offset may leave rounding
    active = [active_power(each, np.ones(len(each))) for each in power.T]
    least = np.array(active) * 10 ** (-MARGIN / 10)
    return fill_pauses((power > 0) & (power >= least), PAUSE / FRAME)
