"""Joins separated windows to streams: who is who, then a cross-fade.

A model gives its outputs in any order, and in another order in each window. The
order is found anew by comparing each stream with each output of the next window
in two ways, and taking the assignment with the largest sum:

    score[i, j] = heard[i, j] - WEIGHT * distance[i, j]

``heard`` looks at the overlap, where both windows have separated the same
sound: the SI-SNR of one as an estimate of the other, from 0 for 0 dB to 1 for
30 dB, whatever their scales. It counts by how loud both are,

    heard[i, j] = sqrt(a[i] * b[j]) * (0.9 * si_snr[i, j] / 30 dB + 0.1 * same)
    a[i] = energy[i] / (energy[i] + loudest energy / 100)

so that a stream in which nobody speaks is not taken for the talker that leaks
into it. ``same`` is 1 for equal signals and less for other scales; it keeps
outputs that are copies of each other apart. ``distance`` compares how the
voices sound (`recordings/profiles.py`); it decides where the overlap is
silent, that is behind a pause. WEIGHT keeps it from outvoting an overlap in
which someone speaks.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from scipy.optimize import linear_sum_assignment

from speechbrain_spmamba.recordings.profiles import profiles

WEIGHT = 0.3
FULL = 30.0  # dB of SI-SNR that need not be told apart from more
PASSAGE = 256  # samples over which loudness is measured
SAME = 0.1  # weight of the scale
QUIET = 1e-2  # energy over the loudest at which an output counts by half


class Stitcher:
    """Joins windows to streams.

    Arguments
    ---------
    overlap : int
        Samples that a window shares with the one before, at least.
    sample_rate : int
        Of the windows in Hz.
    align : bool
        False where the windows are known to be in one order.
    voices : callable
        From outputs ``[W, S]`` and their rate to how each of them sounds:
        ``profiles.profiles``, or ``voice_embedding.VoiceEmbedding.voices``.

    Example
    -------
    >>> talkers = np.random.default_rng(0).standard_normal((3000, 2))
    >>> stitcher = Stitcher(500, 1000)
    >>> first = stitcher.push(0, talkers[:2000])
    >>> second = stitcher.push(1000, talkers[1000:, ::-1])
    >>> joined = np.concatenate([first, second, stitcher.flush()])
    >>> np.allclose(joined, talkers)
    True
    """

    def __init__(
        self,
        overlap: int,
        sample_rate: int,
        align: bool = True,
        voices: Callable = profiles,
    ) -> None:
        self.overlap, self.align = overlap, align
        self.sample_rate, self.voices = sample_rate, voices
        ramp = (np.arange(overlap) + 0.5) / overlap
        self.rise = np.sin(ramp * np.pi / 2)[:, None].astype("float32") ** 2
        # the end of the streams, which the next window changes
        self.tail: np.ndarray | None = None
        self.end = 0  # sample behind the tail
        self.streams = []  # how each of them sounds
        self.loudest = 0.0  # energy of a sample, of the loudest stream
        self.order = []  # output of the last window that each stream took

    def push(self, start: int, est: np.ndarray) -> np.ndarray:
        """Takes the next window.

        Arguments
        ---------
        start : int
            Its first sample.
        est : numpy.ndarray
            Its outputs, shape ``[W, S]``.

        Returns
        -------
        numpy.ndarray
            Samples of the streams that are final, shape ``[n, S]``.
        """
        found, loudest = self.voices(est, self.sample_rate), _loudest(est)
        begin = 0
        order = np.arange(est.shape[1])
        if self.tail is None:
            self.streams = found
        else:
            # The last window begins before the tail does.
            begin = self.end - len(self.tail)
            est = est[begin - start :]
            head = est[: len(self.tail)]
            if self.align:
                order = self._order(head, found, loudest)
            est = est[:, order]
            fade = self.rise * (est[: len(self.tail)] - self.tail)
            est = np.concatenate([self.tail + fade, est[len(self.tail) :]])
            for stream, index in zip(self.streams, order, strict=True):
                stream.merge(found[index])
        self.order = order.tolist()
        # A talker may pause for many windows: forget the level slowly.
        self.loudest = max(loudest, 0.9 * self.loudest)
        self.end = begin + len(est)
        final = max(0, len(est) - self.overlap)
        self.tail = est[final:]
        return est[:final]

    def _order(self, head, found, loudest):
        """The output that continues each stream."""
        score = heard(self.tail, head, self.loudest, loudest)
        score -= WEIGHT * np.array(
            [[s.distance(f) for f in found] for s in self.streams]
        )
        return linear_sum_assignment(score, maximize=True)[1]

    def flush(self):
        """Gives the rest of the streams, shape ``[n, S]``."""
        tail, self.tail = self.tail, None
        return tail


def heard(
    tail: np.ndarray, head: np.ndarray, tail_loudest: float, head_loudest: float
) -> np.ndarray:
    """How alike streams and outputs are where both cover the same sound.

    Arguments
    ---------
    tail : numpy.ndarray
        Streams, shape ``[T, S]``.
    head : numpy.ndarray
        Outputs of the next window over the same samples, ``[T, S]``.
    tail_loudest : float
        Mean square of a loud passage of the streams.
    head_loudest : float
        The same of the next window.

    Returns
    -------
    numpy.ndarray
        0 to 1, shape ``[S streams, S outputs]``.

    Example
    -------
    >>> waves = np.random.default_rng(0).standard_normal((800, 2))
    >>> heard(waves, -3 * waves[:, ::-1], 1.0, 9.0).round(1)
    array([[0., 1.],
           [1., 0.]])
    """
    tail, head = tail.astype(np.float64), head.astype(np.float64)
    tail_power = np.einsum("ts,ts->s", tail, tail) / len(tail)
    head_power = np.einsum("ts,ts->s", head, head) / len(head)
    product = tail.T @ head / len(tail)
    square = product**2 / (np.outer(tail_power, head_power) + 1e-40)
    si_snr = 10 * np.log10((square + 1e-12) / (1 - square).clip(1e-12))
    a = tail_power / (tail_power + QUIET * tail_loudest + 1e-20)
    b = head_power / (head_power + QUIET * head_loudest + 1e-20)
    same = 2 * np.abs(product) / (tail_power[:, None] + head_power + 1e-20)
    alike = (1 - SAME) * (si_snr / FULL).clip(0, 1) + SAME * same
    return np.sqrt(np.outer(a, b)) * alike


def stitch(
    windows: Iterable[tuple], stitcher: Stitcher
) -> Iterator[np.ndarray]:
    """Joins a stream of separated windows.

    Arguments
    ---------
    windows : iterable of tuple
        First sample, and outputs ``[W, S]``.
    stitcher : Stitcher
        A new one.

    Yields
    ------
    numpy.ndarray
        Streams, each ``[n, S]``, none of them empty.
    """
    for start, est in windows:
        final = stitcher.push(start, est)
        if len(final):
            yield final
    if stitcher.tail is not None:
        yield stitcher.flush()


def _loudest(est):
    """Mean square of the loudest output, over where it is loud."""
    size = max(1, min(PASSAGE, len(est)))
    count = len(est) // size
    frames = est[: count * size].reshape(count, size, est.shape[1])
    energy = np.einsum("fts,fts->fs", frames, frames, dtype=np.float64) / size
    # Each frame counts by its energy: silence does not, however long.
    return float((np.square(energy).sum(0) / (energy.sum(0) + 1e-20)).max())
