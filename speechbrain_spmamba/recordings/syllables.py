"""Levels that change as syllables do: what tells speech from noise and hum.

Speech is modulated at about 4 Hz, its syllables, as hardly any noise is
(Houtgast & Steeneken, 1985; Scheirer & Slaney, 1997). Measured here as the root
mean square of how much the level of a frame of speech differs from that of 160
ms before, about half a period, where no difference counts for more than 12 dB.
"""

import numpy as np

from speechbrain_spmamba.recordings.frame_levels import (
    LEVELS,
    LOWEST,
    count_levels,
)

LAG = 5  # frames of 32 ms
MOST = 12  # dB


class ChangeCounter:
    """Sums up changes by the level of the frame, as frames come.

    Arguments
    ---------
    outputs : int
        How many.

    Example
    -------
    >>> levels = np.array([[-20]] * 10 + [[-26]] * 10)
    >>> counter = ChangeCounter(1)
    >>> counter.push(levels, levels < 0)
    >>> counter.change(np.array([-30])).round(2), counter.change([-23])
    (array([3.46]), array([0.]))
    """

    def __init__(self, outputs: int) -> None:
        self.past = np.zeros((0, outputs), np.int16)  # levels, up to LAG
        self.squares = np.zeros((outputs, len(LEVELS)))
        self.counts = np.zeros_like(self.squares)

    def push(self, levels: np.ndarray, own: np.ndarray) -> None:
        """Takes the next frames.

        Arguments
        ---------
        levels : numpy.ndarray
            int, ``[F, S]``, see ``frame_levels``.
        own : numpy.ndarray
            bool, ``[F, S]``: which of them to count.
        """
        levels = np.concatenate([self.past, np.maximum(levels, LOWEST)])
        self.past, old = levels[-LAG:], levels[:-LAG]
        levels, own = levels[LAG:], own[max(0, len(own) - len(old)) :]
        change = np.minimum(np.abs(levels - old), MOST).astype(float)
        self.squares += count_levels(levels, own * change**2)
        self.counts += count_levels(levels, own)

    def change(self, limits):
        """Root mean square in dB over frames from a limit in dB on, ``[S]``.

        Infinite where there are no 160 ms.
        """
        above = LEVELS >= np.asarray(limits)[:, None]
        counts = (self.counts * above).sum(1)
        squares = (self.squares * above).sum(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(counts > 0, np.sqrt(squares / counts), np.inf)
