"""Random numbers that follow from what they are for."""

import zlib

import numpy as np


def generator(seed: int, *purpose: int | str) -> np.random.Generator:
    """The generator that belongs to one item, or one use of it.

    Arguments
    ---------
    seed : int
        Of the data set or the training, not negative.
    *purpose : int or str
        What it is for: split and number of a mixture, epoch and item ...

    Returns
    -------
    numpy.random.Generator
        Independent of those of any other purpose.

    Example
    -------
    >>> one = generator(0, "train", 3).random()
    >>> one == generator(0, "train", 3).random()
    True
    >>> one == generator(0, "test", 3).random()
    False
    """
    entropy = [
        zlib.crc32(word.encode()) if isinstance(word, str) else word
        for word in purpose
    ]
    return np.random.default_rng([seed, *entropy])
