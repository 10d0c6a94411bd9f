"""Runs of speech: frames above two limits, joined over short pauses.

A frame speaks if its level is at least ``limit`` and at most ``leak`` below the
loudest output. Frames less than ``pause`` apart are one run, with what lies
between them. A run counts if one of its frames is ``rise`` above both limits:
a hysteresis, by which what is merely near a limit does not switch on and off.

The limit depends on levels of the whole recording. ``find_runs`` is for frames
that are kept until it is known; ``RunCounter`` follows the runs of all limits
there could be, a dB apart, and so needs no frame twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from speechbrain_spmamba.recordings.frame_levels import HIGHEST, below_loudest
from speechbrain_spmamba.recordings.thresholds import FLOOR
from speechbrain_spmamba.speech_frames import FRAME, fill_pauses

if TYPE_CHECKING:
    from speechbrain_spmamba.recordings.thresholds import Thresholds


LIMITS = np.arange(FLOOR, HIGHEST + 1)
NEVER = -(2**40)  # a frame long ago


def find_runs(
    levels: np.ndarray, limits: np.ndarray, thresholds: Thresholds
) -> np.ndarray:
    """Frames in runs of speech.

    Arguments
    ---------
    levels : numpy.ndarray
        int, ``[F, S]``, see ``frame_levels``.
    limits : numpy.ndarray
        int, ``[S]``: the limit of each output in dB.
    thresholds : Thresholds
        ``leak``, ``rise`` and ``pause`` are used.

    Returns
    -------
    numpy.ndarray
        bool, ``[F, S]``.

    Example
    -------
    >>> from speechbrain_spmamba.recordings.thresholds import Thresholds
    >>> levels = np.array([[-20], [-60], [-35], [-60], [-60], [-35]])
    >>> found = find_runs(levels, np.array([-36]), Thresholds(pause=0.06))
    >>> found[:, 0].astype(int)
    array([1, 1, 1, 0, 0, 0])
    """
    speaks, strong = _above(levels, limits, thresholds)
    runs = fill_pauses(speaks, thresholds.pause / FRAME)
    starts = np.diff(runs, axis=0, prepend=np.zeros((1, len(limits)), bool))
    number = np.cumsum(starts & runs, 0)
    for index, run in enumerate(runs.T):
        reached = np.unique(number[strong[:, index], index])
        run &= np.isin(number[:, index], reached)
    return runs


def _above(levels, limits, thresholds):
    """Frames that are above both limits, and those that are far above."""
    relative = below_loudest(levels)
    return [
        (levels >= limits + rise) & (relative >= rise - thresholds.leak)
        for rise in (0, thresholds.rise)
    ]


class RunCounter:
    """Counts the frames in runs of speech, for each limit, as they come.

    Arguments
    ---------
    outputs : int
        How many.
    thresholds : Thresholds
        See ``find_runs``.

    Example
    -------
    >>> from speechbrain_spmamba.recordings.thresholds import Thresholds
    >>> counter = RunCounter(1, Thresholds())
    >>> counter.push(np.array([[-20], [-60], [-35], [-60], [-60], [-35]]))
    >>> counter.count(np.array([-36])), counter.count(np.array([-25]))
    (array([6]), array([0]))
    """

    def __init__(self, outputs: int, thresholds: Thresholds) -> None:
        self.thresholds = thresholds
        self.frames = 0
        shape = outputs, len(LIMITS)
        self.counts = np.zeros(shape, np.int64)
        self.last = np.full(shape, NEVER)  # last frame of the run
        self.waiting = np.zeros(shape, np.int64)  # until the run counts
        self.counting = np.zeros(shape, bool)

    def push(self, levels):
        """Takes the levels of the next frames, int, ``[F, S]``."""
        pause = self.thresholds.pause / FRAME
        levels = levels[:, :, None].astype(np.int64)
        above = _above(levels, LIMITS, self.thresholds)
        for speaks, strong in zip(*above, strict=True):
            since = self.frames - self.last
            goes_on = since - 1 < pause
            starts = speaks & ~goes_on
            self.counting = self.counting & ~starts | strong
            self.waiting[starts] = 0
            self.waiting += speaks * np.where(goes_on, since, 1)
            self.counts += self.waiting * self.counting
            self.waiting[self.counting] = 0
            self.last[speaks] = self.frames
            self.frames += 1

    def count(self, limits):
        """Frames in runs of speech at a limit for each output, int ``[S]``."""
        return self.counts[np.arange(len(limits)), limits - FLOOR]
