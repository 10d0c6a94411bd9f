"""What a published file may hold beside weights, and what is made of it.

Asteroid keeps the scores of a model in its file, as numbers of numpy. Such
numbers become plain ones here, without a call of numpy's: a file names no
function or class that is then run or built, but those of ``SAFE_TYPES``.
"""

import re

import numpy as np
from torch.torch_version import TorchVersion

NAME = re.compile(r"b1|[iu][1248]|f[248]")


class NumberType:
    """Stands for ``numpy.dtype``: the type of a number.

    Arguments
    ---------
    name : str
        As numpy calls it, e.g. "f8".
    *flags : bool
        Not looked at.

    Raises
    ------
    ValueError
        A type of something else.
    """

    def __init__(self, name: str, *flags: bool) -> None:
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise ValueError("a numpy type that is no number's")
        self.dtype = np.dtype(name)

    def __setstate__(self, state):
        big = isinstance(state, tuple) and state[1:2] == (">",)
        self.dtype = self.dtype.newbyteorder(">" if big else "<")


def number(dtype: NumberType, data: bytes) -> bool | int | float:
    """Stands for the function that makes numbers of numpy.

    Arguments
    ---------
    dtype : NumberType
        Its type.
    data : bytes
        Its value.

    Returns
    -------
    bool, int or float
        A number of Python's.

    Raises
    ------
    ValueError
        Not one number.

    Example
    -------
    >>> number(NumberType("i2"), b"\\x05\\x00")
    5
    """
    if not isinstance(dtype, NumberType) or not isinstance(data, bytes):
        raise ValueError("a numpy scalar that is no number")
    return np.frombuffer(data, dtype.dtype).item()


# Class or function -> its name in a file; numpy 2 moved its own.
SAFE_TYPES = [
    (TorchVersion, "torch.torch_version.TorchVersion"),
    (NumberType, "numpy.dtype"),
    (number, "numpy.core.multiarray.scalar"),
    (number, "numpy._core.multiarray.scalar"),
]
