"""Levels of the frames of all outputs, and what of them is an output's own.

Levels are whole dB, so that they can be counted: `LOWEST` to `HIGHEST`. A frame
that is a softer copy of another output has none of its own, `NOT_OWN`.
"""

import numpy as np

from speechbrain_spmamba.audio import decibels
from speechbrain_spmamba.speech_frames import active_power

LOWEST, HIGHEST = -120, 60  # dB to full scale
LEVELS = np.arange(LOWEST, HIGHEST + 1)
NOT_OWN = -1000
LOUDEST = 1e15  # samples beyond count as this


def frame_levels(frames: np.ndarray, copy: float) -> np.ndarray:
    """Levels of frames.

    Arguments
    ---------
    frames : numpy.ndarray
        Shape ``[F, size, S]``.
    copy : float
        Cosine with a louder output from which on a frame is its copy; of
        equally loud ones, the first is none.

    Returns
    -------
    numpy.ndarray
        int16, ``[F, S]``.

    Example
    -------
    >>> tone = np.tile([0.1, -0.1], 8)
    >>> frame_levels(np.stack([tone, 0.5 * tone], 1)[None], 0.8)
    array([[  -20, -1000]], dtype=int16)
    """
    # Squares beyond 1e19 would overflow in float32.
    frames = frames.clip(-LOUDEST, LOUDEST)
    products = (frames.transpose(0, 2, 1) @ frames).astype(np.float64)
    energy = np.einsum("fss->fs", products)
    norm = np.sqrt(energy[:, :, None] * energy[:, None, :]) + 1e-30
    order = np.arange(energy.shape[1])
    louder = (energy[:, None, :] > energy[:, :, None]) | (
        (energy[:, None, :] == energy[:, :, None])
        & (order[None, :] < order[:, None])
    )
    copies = ((np.abs(products) / norm > copy) & louder).any(2)
    level = np.round(decibels(energy / frames.shape[1]))
    level = np.where(copies, NOT_OWN, np.clip(level, LOWEST, HIGHEST))
    return level.astype(np.int16)


def below_loudest(levels):
    """Levels relative to the loudest output of each frame, ``[F, S]``."""
    return levels - levels.max(1, keepdims=True)


def leaks(levels, leak):
    """Frames that are more than ``leak`` dB below the loudest output."""
    return below_loudest(levels) < -leak


def count_levels(levels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sums of weights, one for each level.

    Arguments
    ---------
    levels : numpy.ndarray
        int, ``[F, S]``.
    weights : numpy.ndarray
        ``[F, S]``; bool counts the frames where it is true.

    Returns
    -------
    numpy.ndarray
        float64, ``[S, len(LEVELS)]``.

    Example
    -------
    >>> levels = np.array([[-20], [-20], [-30]])
    >>> float(count_levels(levels, levels > -25)[0, -20 - LOWEST])
    2.0
    """
    bins = np.clip(levels, LOWEST, HIGHEST) - LOWEST
    return np.stack(
        [
            np.bincount(found, heavy, len(LEVELS))
            for found, heavy in zip(bins.T, weights.T, strict=True)
        ]
    )


def active_level(counts: np.ndarray) -> np.ndarray:
    """The active speech level of each output, see ``active_power``.

    Arguments
    ---------
    counts : numpy.ndarray
        Frames of each level, ``[S, len(LEVELS)]``.

    Returns
    -------
    numpy.ndarray
        dB, ``[S]``; minus infinity where there is nothing but silence.

    Example
    -------
    >>> levels = np.array([[-20]] * 50 + [[-60]] * 50)
    >>> active_level(count_levels(levels, levels < 0)).round(3)
    array([-20.])
    """
    power = 10.0 ** (LEVELS / 10) * (LEVELS > LOWEST)
    with np.errstate(divide="ignore"):
        return 10 * np.log10([active_power(power, each) for each in counts])


def spread(counts):
    """Distance in dB of the loud and the soft tenth of the frames, ``[S]``."""
    share = np.cumsum(counts, 1) / np.maximum(counts.sum(1, keepdims=True), 1)
    return (share < 0.9).sum(1) - (share < 0.1).sum(1)
