"""Speech frame by frame: how long a frame is, and where a reference speaks.

All that says who speaks when, found or true, is a bool matrix with a row for
each ``FRAME`` seconds. What is left at the end is no frame, unless it is all
there is.

A reference is one talker alone, without noise, and says itself when it speaks:
as in ITU-T P.56, a frame is active within 15.9 dB of the active speech level,
the mean power of the active frames, after pauses that are shorter than what
one hears as a pause are filled.
"""

import numpy as np

FRAME = 0.032  # seconds
MARGIN = 15.9  # dB below the active speech level; P.56
PAUSE = 0.25  # seconds; P.56 holds on for 0.2 s


def frame_size(sample_rate):
    """Samples of a frame at a rate in Hz, at least one."""
    return max(1, round(FRAME * sample_rate))


def frame_power(wave, sample_rate):
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


def fill_pauses(speaks, shorter_than):
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


def reference_activity(src, sample_rate):
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
    speaks = fill_pauses(power > 0, PAUSE / FRAME)
    while True:
        total = np.where(speaks, power, 0.0).sum(0)
        active = total / np.maximum(speaks.sum(0), 1)
        least = active * 10 ** (-MARGIN / 10)
        found = fill_pauses((power > 0) & (power >= least), PAUSE / FRAME)
        if (found == speaks).all():
            return speaks
        speaks = found  # lies within the last one: the level only rises
