"""Loudness in LUFS (ITU-R BS.1770-4), fast and safe on short or silent sound.

The weighting filters are pyloudnorm's. Its meter loops over blocks and makes
two passes over the signal; the sums are taken here in one go, with the same
result (a test compares them).
"""

import math
from functools import lru_cache

import numpy as np

BLOCK = 4  # hops of 0.1 s in a block
SILENT = -70.0  # LUFS: blocks below count as silence
RELATIVE = -10.0  # LU: blocks so far below the average are pauses
OFFSET = -0.691  # dB: a full-scale sine at 997 Hz reads -3.01


def loudness(wave: np.ndarray, sample_rate: int) -> float:
    """Measures integrated loudness.

    Arguments
    ---------
    wave : numpy.ndarray
        One channel, shape ``[T]``. What is shorter than a block of 0.4 s is
        measured as one block.
    sample_rate : int
        Its rate in Hz.

    Returns
    -------
    float
        LUFS; minus infinity for silence, NaN if there is one in the wave.

    Example
    -------
    >>> time = np.arange(16000) / 16000
    >>> round(loudness(np.sin(2 * np.pi * 997 * time), 16000), 1)
    -3.1
    >>> loudness(np.zeros(100), 16000)
    -inf
    """
    if not len(wave):
        return -math.inf
    from scipy.signal import sosfilt

    weighted = sosfilt(_weighting(sample_rate), wave)
    hop = 0.1 * sample_rate
    count = round(len(wave) / hop) - BLOCK + 1
    if count < 1 or len(wave) < BLOCK * hop:
        power = np.array([np.mean(weighted * weighted)])
    else:
        starts = (np.arange(count + BLOCK - 1) * hop).astype(int)
        hops = np.add.reduceat(weighted * weighted, starts)
        hops[-1] = np.sum(weighted[starts[-1] : starts[-1] + int(hop)] ** 2)
        total = np.concatenate([[0.0], np.cumsum(hops)])
        power = (total[BLOCK:] - total[:-BLOCK]) / (BLOCK * hop)
    if np.isnan(power).any():
        return math.nan
    loud = power[power >= _power(SILENT)]
    if not len(loud):
        return -math.inf
    loud = loud[loud > loud.mean() * 10 ** (RELATIVE / 10)]
    return OFFSET + 10 * math.log10(loud.mean())


@lru_cache
def _weighting(sample_rate):
    """The two filters of K-weighting as second-order sections."""
    import pyloudnorm

    # as pyloudnorm.Meter has them
    filters = (
        pyloudnorm.IIRfilter(
            4.0, 1 / math.sqrt(2), 1500.0, sample_rate, "high_shelf"
        ),
        pyloudnorm.IIRfilter(0.0, 0.5, 38.0, sample_rate, "high_pass"),
    )
    return np.array([[*f.b, *f.a] for f in filters])


def _power(level):
    """Mean square of a block at a level in LUFS."""
    return 10 ** ((level - OFFSET) / 10)
