"""Another sample rate, for all of the package: by soxr, whole or in blocks.

libsoxr's HQ passes what lies below 0.91 of the lower of the two Nyquist
frequencies unchanged to 0.01 dB and nothing from 1.09 of it on (less than
-120 dB), without delay.
"""

import numpy as np
import soxr

QUALITY = "HQ"


def resample(wave, old_rate, new_rate):
    """Resamples a whole signal.

    Arguments
    ---------
    wave : numpy.ndarray
        float32 or float64, shape ``[T]`` or ``[T, C]``.
    old_rate : int
        Its rate in Hz.
    new_rate : int
        Wanted rate in Hz.

    Returns
    -------
    numpy.ndarray
        The same type, ``ceil(T * new_rate / old_rate)`` samples.

    Example
    -------
    >>> resample(np.zeros(101, "float32"), 16000, 8000).shape
    (51,)
    """
    columns = wave[:, None] if wave.ndim == 1 else wave
    blocks = [columns[:0], *resample_blocks([columns], old_rate, new_rate)]
    return np.concatenate(blocks).reshape(-1, *wave.shape[1:])


def resample_blocks(blocks, old_rate, new_rate):
    """Resamples a stream: together what ``resample`` gives, to rounding.

    Arguments
    ---------
    blocks : iterable of numpy.ndarray
        float32 or float64, each ``[n, C]``; n may be 0.
    old_rate : int
        Their rate in Hz.
    new_rate : int
        Wanted rate in Hz.

    Yields
    ------
    numpy.ndarray
        The same type, ``[m, C]``, none of them empty.

    Example
    -------
    >>> blocks = [np.zeros((100, 2), "float32")] * 3
    >>> sum(len(block) for block in resample_blocks(blocks, 16000, 48000))
    900
    """
    if old_rate == new_rate:
        yield from blocks
        return
    stream, read, written = None, 0, 0
    for block in blocks:
        if stream is None:
            stream = soxr.ResampleStream(
                old_rate, new_rate, block.shape[1], block.dtype, QUALITY
            )
        read += len(block)
        found = stream.resample_chunk(block)
        written += len(found)
        if len(found):
            yield found
    # soxr rounds the length to the nearest: silence makes it long enough.
    missing = -(-read * new_rate // old_rate) - written
    if missing > 0:
        enough = 2 * -(-old_rate // new_rate)
        silence = np.zeros_like(block, shape=(enough, block.shape[1]))
        yield stream.resample_chunk(silence, last=True)[:missing]
