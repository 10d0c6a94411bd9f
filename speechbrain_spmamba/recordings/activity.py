"""Is anyone speaking in an output? An empty one is no voice.

A model with S outputs gives S signals, also where fewer people speak: what is
left is then silence, noise, or the same voice once more, softer. An output
speaks in a frame of 32 ms if it is

* above -70 dB to full scale and within 30 dB of the loudest output, and
* no softer copy of another output (cosine of 0.8 and more).

Somebody speaks in it if it does so for a quarter of a second and for 1/500 of
the recording, and if its level moves as speech does: the loud and the soft
tenth of these frames are 6 dB apart, which no steady noise or hum is.

Levels are counted in bins of 1 dB, so that memory does not grow.
"""

from dataclasses import dataclass

import numpy as np

from speechbrain_spmamba.audio import decibels

FRAME = 0.032  # seconds
FLOOR = -70.0  # dB to full scale
RANGE = 30.0  # dB below the loudest output
COPY = 0.8  # cosine with a louder output
MOVES = 6.0  # dB between the loud and the soft tenth
STEADY = 1.0  # seconds from which on that is asked for
SHORTEST = 0.25  # seconds
SMALLEST = 0.002  # of the recording
LOUDEST = 1e15  # samples beyond count as this
LOWEST, HIGHEST = -120, 60  # dB of the bins


@dataclass(frozen=True)
class Activity:
    """What happens in one output.

    Arguments
    ---------
    speaks : bool
        Whether someone speaks.
    seconds : float
        For how long.
    share : float
        The same over the length of the recording.
    level : float
        Mean level of these frames in dB to full scale; -inf if none.
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
        Remember each frame, for ``speaking``.

    Example
    -------
    >>> rng = np.random.default_rng(0)
    >>> levels = np.repeat([0.2, 0.05, 0.0, 0.0] * 10, 800)
    >>> talk = rng.standard_normal(32000) * levels
    >>> meter = ActivityMeter(8000)
    >>> meter.push(np.stack([talk, 0.1 * talk], 1))
    >>> [str(activity) for activity in meter.result()]
    ['56 % at -17 dB', 'no one speaks']
    """

    def __init__(self, sample_rate, keep=False):
        self.size = max(1, round(FRAME * sample_rate))
        self.sample_rate = sample_rate
        self.rest = None  # samples of an unfinished frame
        self.samples = 0
        self.counts = None  # frames by level, without copies, [S, bins]
        self.kept = [] if keep else None  # bins of each frame, -1 for copies

    def push(self, block):
        """Takes the next samples, shape ``[n, S]``."""
        self.samples += len(block)
        if self.counts is None:
            bins = HIGHEST - LOWEST + 1
            self.counts = np.zeros((block.shape[1], bins), np.int64)
            self.rest = block[:0]
        block = np.concatenate([self.rest, block])
        count, outputs = len(block) // self.size, block.shape[1]
        frames = block[: count * self.size]
        self._count(frames.reshape(count, self.size, outputs))
        self.rest = block[count * self.size :].copy()

    def result(self):
        """What has been found so far.

        Returns
        -------
        list of Activity
            One an output.
        """
        if self.counts is None:
            return []
        if self.samples < self.size and len(self.rest):
            self._count(self.rest[None])  # shorter than one frame
            self.rest = self.rest[:0]
        levels = np.arange(LOWEST, HIGHEST + 1)
        limit = self._limit()
        return [
            self._judge(np.where(levels >= limit, counts, 0), levels)
            for counts in self.counts
        ]

    def speaking(self):
        """When somebody speaks; needs ``keep``.

        Returns
        -------
        numpy.ndarray
            bool, ``[frames, S]``, a row for each ``FRAME`` seconds.
        """
        speaks = [found.speaks for found in self.result()]
        if not speaks:
            return np.zeros((0, 0), bool)
        levels = np.concatenate([np.zeros((0, len(speaks))), *self.kept])
        return (levels + LOWEST >= self._limit()) & np.array(speaks, bool)

    def _limit(self):
        """Level in dB from which on an output is heard."""
        power = 10.0 ** (np.arange(LOWEST, HIGHEST + 1) / 10)
        # Mean over energy: how loud the loud frames are, however rare.
        energy = self.counts @ power
        loud = (self.counts @ power**2) / np.maximum(energy, 1e-30)
        return max(FLOOR, 10 * np.log10(loud.max() + 1e-30) - RANGE)

    def _judge(self, counts, levels):
        """An Activity from the frames of one output above the limit."""
        total, length = counts.sum(), self.samples / self.sample_rate
        if not total:
            return Activity(False, 0.0, 0.0, float("-inf"))
        seconds = float(total * self.size / self.sample_rate)
        seconds = min(seconds, length)
        below = np.cumsum(counts) / total
        soft, loud = levels[np.searchsorted(below, (0.1, 0.9))]
        moves = loud - soft >= MOVES or seconds < STEADY
        enough = seconds >= max(min(SHORTEST, length / 2), SMALLEST * length)
        mean = float(10 * np.log10(counts @ 10.0 ** (levels / 10) / total))
        return Activity(bool(moves and enough), seconds, seconds / length, mean)

    def _count(self, frames):
        """Counts frames, ``[F, size, S]``, by their levels."""
        if not len(frames):
            return
        # Squares beyond 1e19 would overflow in float32.
        frames = frames.clip(-LOUDEST, LOUDEST)
        products = (frames.transpose(0, 2, 1) @ frames).astype(np.float64)
        energy = np.einsum("fss->fs", products)
        norm = np.sqrt(energy[:, :, None] * energy[:, None, :]) + 1e-30
        alike = np.abs(products) / norm > COPY
        # Of equal outputs, the first is no copy.
        order = np.arange(energy.shape[1])
        louder = (energy[:, None, :] > energy[:, :, None]) | (
            (energy[:, None, :] == energy[:, :, None])
            & (order[None, :] < order[:, None])
        )
        copies = (alike & louder).any(2)
        level = decibels(energy / frames.shape[1])
        level = np.clip(np.round(level), LOWEST, HIGHEST).astype(int) - LOWEST
        if self.kept is not None:
            self.kept.append(np.where(copies, -1, level).astype(np.int16))
        for output, counts in enumerate(self.counts):
            kept = level[~copies[:, output], output]
            counts += np.bincount(kept, minlength=len(counts))


def activity(est, sample_rate):
    """Whether someone speaks, for each output of a separated recording.

    Arguments
    ---------
    est : numpy.ndarray or torch.Tensor
        The whole of it, shape ``[T, S]``.
    sample_rate : int
        See ``ActivityMeter``.

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
    meter.push(np.asarray(est))
    return meter.result()


def most_active(found):
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
