"""Who speaks when? Each output is judged by its levels, and by the others.

A model with S outputs gives S signals, also where fewer people speak: what is
left is then silence, noise, or the same voice once more, softer. An output
speaks in a frame of 32 ms if it is

* no softer copy of another output, and not far below the loudest one: what is
  also, and louder, in another output is leakage (`frame_levels.py`);
* not far below its own active speech level, as a reference is judged by its
  own (`speech_frames.py`), nor far below that of the loudest output;
* in a run of such frames that once rises well above both of these limits;
  short pauses do not end a run (`speech_runs.py`).

Somebody speaks in it if it does so for long enough, also as a share of the
recording, and if its level moves as speech does: it changes as syllables do
(`syllables.py`), and the loud and the soft tenth of speech are 6 dB apart, as
those of no hum and no steady noise are. Where all outputs together are far
below the recording itself, nobody speaks: they hold what is left of its noise.
`thresholds.py` has all figures.

Levels are counted, so that memory does not grow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from speechbrain_spmamba.recordings.frame_levels import (
    HIGHEST,
    LEVELS,
    active_level,
    count_levels,
    frame_levels,
    leaks,
    spread,
)
from speechbrain_spmamba.recordings.speech_runs import RunCounter, find_runs
from speechbrain_spmamba.recordings.syllables import ChangeCounter
from speechbrain_spmamba.recordings.thresholds import (
    FLOOR,
    MOVES,
    SMALLEST,
    STEADY,
    Thresholds,
)
from speechbrain_spmamba.speech_frames import FRAME as FRAME  # of ``speaking``
from speechbrain_spmamba.speech_frames import frame_size

if TYPE_CHECKING:
    import torch


AT_ONCE = 1024  # frames


@dataclass(frozen=True)
class Activity:
    """What happens in one output.

    Arguments
    ---------
    speaks : bool
        Whether someone speaks.
    seconds : float
        For how long, short pauses included.
    share : float
        The same over the length of the recording.
    level : float
        Mean level without pauses in dB to full scale; -inf if there is none.
    """

    speaks: bool
    seconds: float
    share: float
    level: float

    def __str__(self):
        if not self.speaks:
            return "no one speaks"
        return f"{100 * self.share:.0f} % at {self.level:.0f} dB"


class ActivityMeter:
    """Follows the outputs of a recording block by block.

    Arguments
    ---------
    sample_rate : int
        Of the outputs in Hz.
    keep : bool
        Remember each frame, for ``speaking``: 2 bytes for each output.
    thresholds : Thresholds, optional
        Other ones than the usual.

    Example
    -------
    >>> rng = np.random.default_rng(0)
    >>> levels = np.repeat([0.2, 0.05, 0.0, 0.0] * 10, 4096)
    >>> talk = rng.standard_normal(len(levels)) * levels
    >>> meter = ActivityMeter(8000)
    >>> meter.push(np.stack([talk, 0.1 * talk], 1))
    >>> [str(activity) for activity in meter.result()]
    ['50 % at -17 dB', 'no one speaks']
    """

    def __init__(
        self,
        sample_rate: int,
        keep: bool = False,
        thresholds: Thresholds | None = None,
    ) -> None:
        self.size = frame_size(sample_rate)
        self.sample_rate = sample_rate
        self.thresholds = thresholds or Thresholds()
        self.rest = None  # samples of an unfinished frame
        self.samples = 0
        self.counts = None  # own frames of each level, [S, len(LEVELS)]
        self.runs = self.changes = None  # their counters
        self.kept = [] if keep else None  # levels, int16, [F, S] each
        self.energy = 0.0  # of all outputs together
        self.heard = np.zeros(3)  # of a recording: samples, sum, sum of squares

    def hear(self, block):
        """Takes samples of the recording that is separated, ``[n]``.

        At any rate and at any time: what counts is how loud it is as a whole,
        beside all outputs as a whole.
        """
        block = np.asarray(block, np.float64)
        self.heard += len(block), block.sum(), np.square(block).sum()

    def push(self, block):
        """Takes the next samples, shape ``[n, S]``."""
        outputs = block.shape[1]
        if self.counts is None:
            self.counts = np.zeros((outputs, len(LEVELS)))
            self.runs = RunCounter(outputs, self.thresholds)
            self.changes = ChangeCounter(outputs)
            self.rest = block[:0]
        self.samples += len(block)
        block = np.concatenate([self.rest, block])
        whole = len(block) // self.size * self.size
        for start in range(0, whole, AT_ONCE * self.size):
            frames = block[start : min(start + AT_ONCE * self.size, whole)]
            self._count(frames.reshape(-1, self.size, outputs))
        self.rest = block[whole:].copy()

    def result(self) -> list[Activity]:
        """What has been found so far.

        Returns
        -------
        list of Activity
            One an output.
        """
        if self.counts is None:
            return []
        limits = self._limits()
        runs = self.runs.count(limits)
        counts = np.where(LEVELS >= limits[:, None], self.counts, 0)
        changes = self.changes.change(limits) >= self.thresholds.changes
        moves = spread(counts) >= MOVES
        length = self.samples / self.sample_rate
        shortest = min(self.thresholds.shortest, length / 2)
        least = max(shortest, SMALLEST * length)
        found = []
        for index in range(len(limits)):
            if not runs[index]:
                found.append(Activity(False, 0.0, 0.0, float("-inf")))
                continue
            seconds = float(runs[index] * self.size / self.sample_rate)
            seconds = min(seconds, length)
            talks = changes[index] and (moves[index] or seconds < STEADY)
            speaks = bool(talks and seconds >= least)
            power = counts[index] @ 10.0 ** (LEVELS / 10) / counts[index].sum()
            level = float(10 * np.log10(power))
            found.append(Activity(speaks, seconds, seconds / length, level))
        if self._faint():
            found = [replace(one, speaks=False) for one in found]
        return found

    def _faint(self):
        """Whether all outputs are far below what ``hear`` took."""
        share = 10 ** (-self.thresholds.faint / 10)
        count, total, squares = self.heard
        # Of means, by products: nothing is heard before anything is. What is
        # constant is no sound.
        least = share * self.samples * (squares - total**2 / max(count, 1))
        return self.energy * count < least

    def speaking(self) -> np.ndarray:
        """When somebody speaks; needs ``keep``.

        Returns
        -------
        numpy.ndarray
            bool, ``[frames, S]``, a row for each ``FRAME`` seconds.
        """
        speaks = [found.speaks for found in self.result()]
        if not speaks:
            return np.zeros((0, 0), bool)
        assert self.kept is not None, "made without keep"
        none = np.zeros((0, len(speaks)), np.int16)
        levels = np.concatenate([none, *self.kept])
        found = find_runs(levels, self._limits(), self.thresholds)
        return found & np.array(speaks)

    def _limits(self):
        """From which level in dB on each output speaks, int ``[S]``."""
        if self.samples < self.size and len(self.rest):
            self._count(self.rest[None])  # shorter than one frame
            self.rest = self.rest[:0]
        active = active_level(self.counts)
        limits = np.maximum(
            active - self.thresholds.below,
            active.max(initial=-np.inf) - self.thresholds.range,
        )
        return np.ceil(np.clip(limits, FLOOR, HIGHEST)).astype(int)

    def _count(self, frames):
        """Counts frames, ``[F, size, S]``, by their levels."""
        # What is constant is no sound, and hides what is: a cheap microphone.
        frames = frames - frames.mean(1, keepdims=True)
        self.energy += float(np.square(frames, dtype=np.float64).sum())
        levels = frame_levels(frames, self.thresholds.copy)
        own = ~leaks(levels, self.thresholds.leak)
        self.counts += count_levels(levels, own)
        self.changes.push(levels, own)
        self.runs.push(levels)
        if self.kept is not None:
            self.kept.append(levels)


def activity(
    est: np.ndarray | torch.Tensor,
    sample_rate: int,
    mix: np.ndarray | torch.Tensor | None = None,
) -> list[Activity]:
    """Whether someone speaks, for each output of a separated recording.

    Arguments
    ---------
    est : numpy.ndarray or torch.Tensor
        The whole of it, shape ``[T, S]``.
    sample_rate : int
        See ``ActivityMeter``.
    mix : numpy.ndarray or torch.Tensor, optional
        The recording, shape ``[T]``, with which nobody is told from a soft
        talker.

    Returns
    -------
    list of Activity
        One an output.

    Example
    -------
    >>> [found.speaks for found in activity(np.zeros((8000, 2)), 8000)]
    [False, False]
    """
    meter = ActivityMeter(sample_rate)
    if mix is not None:
        meter.hear(np.asarray(mix))
    meter.push(np.asarray(est))
    return meter.result()


def most_active(found: list[Activity]) -> list[int]:
    """Outputs from the most to the least active.

    Arguments
    ---------
    found : list of Activity
        One an output.

    Returns
    -------
    list of int
        Indices: speaking ones first, longer speaking ones before shorter.

    Example
    -------
    >>> empty = Activity(False, 0.0, 0.0, float("-inf"))
    >>> most_active([empty, Activity(True, 2.0, 0.5, -25.0)])
    [1, 0]
    """

    def key(index):
        a = found[index]
        return (not a.speaks, -a.seconds, -a.level, index)

    return sorted(range(len(found)), key=key)
