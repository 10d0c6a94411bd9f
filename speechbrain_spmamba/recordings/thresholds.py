"""The thresholds by which activity is judged, and where they come from.

They are those with the fewest wrong frames, and the fewest wrong numbers of
talkers, on validation data, which `benchmarks/activity_thresholds.py` searches
again for any model. What follows below them is not searched: it says what is
called speech at all, and no validation data has cases on both sides of it.
"""

from dataclasses import dataclass

FLOOR = -80  # dB to full scale; below there is no speech
MOVES = 6.0  # dB between the loud and the soft tenth of speech
STEADY = 1.0  # seconds from which on levels have to move
SHORTEST = 0.25  # seconds that a talker speaks at least
SMALLEST = 0.002  # share of the recording that a talker speaks at least


@dataclass(frozen=True)
class Thresholds:
    """Thresholds of ``recordings.activity``; levels are in dB.

    Arguments
    ---------
    leak : float
        An output so far below the loudest one of a frame is leakage.
    copy : float
        So is one with this cosine to a louder one.
    below : float
        Speech is as far as this below the active level of its output.
    range : float
        And as far as this below that of the loudest output.
    rise : float
        Hysteresis: once, a run of speech is so far above these limits.
    pause : float
        Seconds; shorter pauses belong to the run.
    falls : float
        The soft tenth of an output lies so far below its active level.

    Example
    -------
    >>> Thresholds(leak=15.0).leak
    15.0
    """

    leak: float = 20.0
    copy: float = 0.8
    below: float = 16.0
    range: float = 20.0
    rise: float = 9.0
    pause: float = 0.25
    falls: float = 11.0
