"""Recordings of any length as a pipeline of generators.

    blocks -> at the model's rate -> windows -> batches -> model
           -> stitched -> at the wanted rate -> blocks

Each stage keeps a few windows at most, whatever the length. Arrays are float32
and ``[samples, channels]``: one channel of mixture, then one a source.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from speechbrain_spmamba.audio import resample_blocks
from speechbrain_spmamba.recordings.profiles import profiles
from speechbrain_spmamba.recordings.stitch import Stitcher, stitch

if TYPE_CHECKING:
    from speechbrain_spmamba.recordings.options import SeparationOptions


def separate_blocks(
    separate: Callable,
    blocks: Iterable[np.ndarray],
    sample_rate: int,
    model_rate: int,
    options: SeparationOptions,
    voices: Callable = profiles,
) -> Iterator[np.ndarray]:
    """Separates a stream.

    Arguments
    ---------
    separate : callable
        The model on arrays: ``[B, W] -> [B, W, S]``, at ``model_rate``.
    blocks : iterable of numpy.ndarray
        The mixture, float32, each ``[n]``.
    sample_rate : int
        Its rate in Hz.
    model_rate : int
        Rate of the model in Hz.
    options : speechbrain_spmamba.recordings.options.SeparationOptions
        Windows, rate of the output, and whether it sums to the mixture.
    voices : callable
        What tells voices apart, see ``Stitcher``.

    Yields
    ------
    numpy.ndarray
        Sources, float32, each ``[n, S]``; together as long as the mixture.

    Raises
    ------
    ValueError
        The model gives what is not finite.

    Example
    -------
    >>> from speechbrain_spmamba.recordings.options import SeparationOptions
    >>> def halves(mix):
    ...     return np.stack([mix / 2, mix / 2], -1)
    >>> blocks = [np.ones(7000, "float32")] * 5
    >>> options = SeparationOptions(window=1, overlap=0.1)
    >>> found = list(separate_blocks(halves, blocks, 16000, 8000, options))
    >>> np.concatenate(found).shape
    (35000, 2)
    """
    size, shared = options.window_samples(model_rate)

    def estimate(mixture):
        pieces = windows(mixture, size, size - shared)
        estimates = separate_windows(pieces, separate, options)
        return stitch(estimates, Stitcher(shared, model_rate, voices=voices))

    yield from at_rates(estimate, blocks, sample_rate, model_rate, options)


def at_rates(
    estimate: Callable,
    blocks: Iterable[np.ndarray],
    sample_rate: int,
    model_rate: int,
    options: SeparationOptions,
) -> Iterator[np.ndarray]:
    """Runs what knows one rate on a stream of another.

    Arguments
    ---------
    estimate : callable
        From an iterable of blocks ``[n, 1]`` at ``model_rate`` to one of
        sources ``[m, S]``, in all as long.
    blocks, sample_rate, model_rate, options
        See ``separate_blocks``.

    Yields
    ------
    numpy.ndarray
        As ``separate_blocks``.
    """
    output_rate = options.output_rate(sample_rate, model_rate)
    original = MixtureBuffer()
    mixture = (block[:, None] for block in blocks)
    if output_rate == sample_rate:
        mixture = original.watch(mixture)
        mixture = resample_blocks(mixture, sample_rate, model_rate)
    else:
        mixture = resample_blocks(mixture, sample_rate, model_rate)
        mixture = original.watch(mixture)
    joined = estimate(mixture)
    for block in resample_blocks(joined, model_rate, output_rate):
        mix = original.take(len(block))
        # Rounding up twice may have left a sample too many.
        block = block[: len(mix)]
        if options.mixture_consistent:
            # What lies beyond the model's band is shared evenly.
            rest = mix - block.sum(1, keepdims=True)
            block = block + rest / block.shape[1]
        if len(block):
            yield block


def check_finite(estimates):
    """What a model gave, if it is sound; else a ValueError."""
    if not np.isfinite(estimates).all():
        raise ValueError(
            "the model gave NaN or infinite samples; try another "
            "precision or window, or check its weights"
        )
    return estimates


class MixtureBuffer:
    """The mixture from where sources have been given out, up to where read."""

    def __init__(self) -> None:
        self.blocks = deque()

    def watch(self, blocks):
        """Hands blocks on and remembers them."""
        for block in blocks:
            self.blocks.append(block)
            yield block

    def take(self, count):
        """The next ``count`` samples, ``[count, 1]``; fewer at the end."""
        taken = []
        while count and self.blocks:
            block = self.blocks.popleft()
            if len(block) > count:
                self.blocks.appendleft(block[count:])
                block = block[:count]
            taken.append(block)
            count -= len(block)
        return np.concatenate(taken) if taken else np.zeros((0, 1), "float32")


def windows(
    blocks: Iterable[np.ndarray], size: int, hop: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Cuts a stream into windows.

    The last window ends with the stream and is as long as the others: nothing
    short is separated alone. A stream of one window or less is one piece.

    Arguments
    ---------
    blocks : iterable of numpy.ndarray
        Each ``[n, C]``.
    size : int
        Samples of a window.
    hop : int
        Samples from one start to the next.

    Yields
    ------
    int
        First sample of the window.
    numpy.ndarray
        ``[size, C]``.

    Example
    -------
    >>> blocks = [np.zeros((5, 1))] * 5
    >>> [(start, len(piece)) for start, piece in windows(blocks, 10, 8)]
    [(0, 10), (8, 10), (15, 10)]
    """
    kept, first, start = None, 0, 0  # kept[0] is sample `first`
    for block in _at_least(blocks, hop):
        kept = block if kept is None else np.concatenate([kept, block])
        while first + len(kept) >= start + size:
            yield start, kept[start - first : start - first + size]
            start += hop
            # One window is kept: the last one may begin before `start`.
            known = first + len(kept)
            drop = max(0, min(start, known - size) - first)
            kept, first = kept[drop:], first + drop
    if kept is None:
        return
    end = first + len(kept)
    if end < size:
        yield 0, kept
    elif end > start - hop + size:
        yield end - size, kept[-size:]


def _at_least(blocks, count):
    """Joins small blocks: joining each to a window would take for ever."""
    group, held = [], 0
    for block in blocks:
        group.append(block)
        held += len(block)
        if held >= count:
            yield np.concatenate(group)
            group, held = [], 0
    if group:
        yield np.concatenate(group)


def separate_windows(
    pieces: Iterable[tuple], separate: Callable, options: SeparationOptions
) -> Iterator[tuple[int, np.ndarray]]:
    """Runs the model on windows, some at a time.

    Arguments
    ---------
    pieces : iterable of tuple
        First sample, and window ``[W, 1]``.
    separate, options : callable, SeparationOptions
        See ``separate_blocks``.

    Yields
    ------
    int
        First sample.
    numpy.ndarray
        Sources, ``[W, S]``.

    Raises
    ------
    ValueError
        The model gave what is not finite.
    """
    pieces = iter(pieces)
    # A window of another length is alone in its stream, so batches fit.
    while group := list(islice(pieces, options.batch or 1)):
        mixes = np.stack([piece[:, 0] for _, piece in group])
        estimates = check_finite(separate(mixes))
        for (start, _), mix, est in zip(group, mixes, estimates, strict=True):
            if options.mixture_consistent:
                est = add_rest(mix, est)
            yield start, est


def add_rest(mix: np.ndarray, est: np.ndarray) -> np.ndarray:
    """Adds to sources what they lack of the mixture.

    It is shared in the ratio of their energies: the mixture consistency of
    Wisdom et al., arXiv 1811.08521.

    Arguments
    ---------
    mix : numpy.ndarray
        Shape ``[T]``.
    est : numpy.ndarray
        The sources, shape ``[T, S]``.

    Returns
    -------
    numpy.ndarray
        Shape ``[T, S]``; its sum over S is ``mix``.

    Example
    -------
    >>> add_rest(np.ones(2), np.array([[0.6, 0.0], [0.6, 0.0]]))
    array([[1., 0.],
           [1., 0.]])
    """
    energy = np.square(est, dtype=np.float64).sum(0)
    total = energy.sum()
    shares = (
        energy / total if total > 0 else np.full(len(energy), 1 / len(energy))
    )
    rest = mix - est.sum(1)
    return est + rest[:, None] * shares.astype(est.dtype)
