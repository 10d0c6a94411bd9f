"""The thresholds by which activity is judged, and where they come from.

They are those with the fewest wrong frames, and the fewest wrong numbers of
talkers, on validation data; `benchmarks/activity_thresholds.py` searches them
again for any model. Not searched are `range` and the constants: they say what
is called a talker at all, and no validation data has cases on both sides.
"""

from dataclasses import dataclass

FLOOR = -75  # dB to full scale; below there is no speech
MOVES = 6  # dB between the loud and the soft tenth of speech
STEADY = 1.0  # seconds of it from which on that is asked for
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
    changes : float
        So much the level of speech changes, see ``syllables``.
    shortest : float
        Seconds that a talker speaks at least.
    faint : float
        All outputs together so far below the recording: nobody speaks.

    Example
    -------
    >>> Thresholds(leak=15.0).leak
    15.0
    """

    leak: float = 20.0
    copy: float = 0.95
    below: float = 15.0
    range: float = 20.0
    rise: float = 10.0
    pause: float = 0.25
    changes: float = 6.5
    shortest: float = 0.4
    faint: float = 10.0
