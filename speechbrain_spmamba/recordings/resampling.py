"""Another sample rate, block by block, for signals of any length.

A sample between two others is a sum over its neighbours, weighted by a sinc
within a raised-cosine (Hann) window, cut off below the lower of the two Nyquist
frequencies; J. O. Smith, "Digital Audio Resampling", describes it. Window and
cut-off are those of torchaudio's and so of the toolkit's resampler, and results
agree. Weights are looked up where few different ones occur, and computed where
the rates have no useful common factor: memory never grows with the rates.
"""

import math

import numpy as np

ZERO_CROSSINGS = 6  # of the sinc on each side
CUT_OFF = 0.99  # of the lower Nyquist frequency
TABLE_ROWS = 1024  # more different sets of weights are not kept
PIECE = 1 << 14  # output samples computed at a time


class Resampler:
    """Resamples a stream of blocks.

    All outputs together are what the whole signal would give, to rounding:
    ``ceil(T * new_rate / old_rate)`` samples.

    Arguments
    ---------
    old_rate : int
        Rate of the blocks in Hz.
    new_rate : int
        Wanted rate in Hz.

    Example
    -------
    >>> resampler = Resampler(16000, 8000)
    >>> a = resampler.push(np.zeros((101, 1), "float32"))
    >>> b = resampler.flush()
    >>> len(a) + len(b)
    51
    """

    def __init__(self, old_rate, new_rate):
        common = math.gcd(old_rate, new_rate)
        self.old, self.new = old_rate // common, new_rate // common
        # Cut-off in cycles of one input sample, times two.
        self.band = CUT_OFF * min(self.old, self.new) / self.old
        self.reach = math.ceil(ZERO_CROSSINGS / self.band)
        self.table = None
        if self.new <= TABLE_ROWS:
            self.table = self._weights(np.arange(self.new))
        self.kept = None  # input from sample `first` on
        self.first = -self.reach
        self.read = self.written = 0  # samples in, samples out

    def push(self, block):
        """Takes a block, gives what can be computed by now.

        Arguments
        ---------
        block : numpy.ndarray
            float32, shape ``[n, C]``.

        Returns
        -------
        numpy.ndarray
            float32, shape ``[m, C]``; m may be 0.
        """
        if self.old == self.new:
            return block
        if self.kept is None:
            self.kept = np.zeros((self.reach, block.shape[1]), block.dtype)
        self.read += len(block)
        self.kept = np.concatenate([self.kept, block])
        # The last sample whose right neighbours have all arrived.
        ready = self.read - self.reach
        return self._upto(max(0, -(-ready * self.new // self.old)))

    def flush(self):
        """Gives the rest; what lies behind the end counts as silence.

        Returns
        -------
        numpy.ndarray
            float32, shape ``[m, C]``.
        """
        if self.kept is None:
            return np.zeros((0, 1), "float32")
        self.kept = np.pad(self.kept, ((0, self.reach + 1), (0, 0)))
        return self._upto(-(-self.read * self.new // self.old))

    def _upto(self, count):
        """Output samples from the last given one up to ``count``."""
        pieces = [self.kept[:0]]
        while self.written < count:
            stop = min(count, self.written + PIECE)
            place = np.arange(self.written, stop, dtype=np.int64) * self.old
            centre, phase = place // self.new, place % self.new
            weights = (
                self._weights(phase)
                if self.table is None
                else self.table[phase]
            )
            taps = np.arange(-self.reach, self.reach + 1)
            rows = (centre - self.first)[:, None] + taps  # [m, K]
            pieces.append(np.einsum("mk,mkc->mc", weights, self.kept[rows]))
            self.written = stop
        # Forget what lies to the left of the next sample's neighbours.
        first = self.written * self.old // self.new - self.reach
        self.kept = self.kept[max(0, first - self.first) :]
        self.first = max(first, self.first)
        return np.concatenate(pieces)

    def _weights(self, phase):
        """Weights of the neighbours, ``[m, K]``, ``phase / new`` past them."""
        taps = np.arange(-self.reach, self.reach + 1)
        time = (taps - phase[:, None] / self.new) * self.band
        time = time.clip(-ZERO_CROSSINGS, ZERO_CROSSINGS)
        window = np.cos(time * np.pi / ZERO_CROSSINGS / 2) ** 2
        return (np.sinc(time) * window * self.band).astype("float32")


def resample(blocks, old_rate, new_rate):
    """Resamples a stream.

    Arguments
    ---------
    blocks : iterable of numpy.ndarray
        float32, each ``[n, C]``.
    old_rate : int
        Their rate in Hz.
    new_rate : int
        Wanted rate in Hz.

    Yields
    ------
    numpy.ndarray
        float32, ``[m, C]``, none of them empty.

    Example
    -------
    >>> blocks = [np.zeros((100, 2), "float32")] * 3
    >>> sum(len(block) for block in resample(blocks, 16000, 48000))
    900
    """
    if old_rate == new_rate:
        yield from blocks
        return
    resampler = Resampler(old_rate, new_rate)
    for block in blocks:
        block = resampler.push(block)
        if len(block):
            yield block
    block = resampler.flush()
    if len(block):
        yield block
