"""What an argument of a model may be, by the defaults of its constructor.

A default tells the type of its argument. Ranges are wide: they keep out what
no network is built of. Whether numbers go together is for the constructor to
say, whether they go with the weights, for the weights.

From those who read what builds a model, to the constructors of ``models``.
"""

import inspect
import re
from collections.abc import Callable
from typing import Any

# Numbers as every YAML parser reads them: no 0010, 1_000, 0x10 or .inf.
WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,8})")
NUMBER = re.compile(WHOLE.pattern + r"(\.[0-9]{0,20})?([eE][+-]?[0-9]{1,2})?")
CONSTANTS = {
    "": None,
    "null": None,
    "true": True,
    "True": True,
    "false": False,
    "False": False,
}
# Whole numbers: of Hz, of what is counted (num_blocks), of all else.
RATES = (1_000, 1_000_000)
MAX_COUNT = 100
MAX_SIZE = 100_000
MAX_NUMBER = 1e6


def read_value(text: str) -> int | float | bool | str | None:
    """A scalar of YAML as Python has it; what is no number stays text.

    Arguments
    ---------
    text : str
        As written, without quotes.

    Returns
    -------
    int, float, bool, None or str
        The value.

    Example
    -------
    >>> [read_value(text) for text in ("8", "1e-5", "True", "null", "0010")]
    [8, 1e-05, True, None, '0010']
    """
    if text in CONSTANTS:
        return CONSTANTS[text]
    if WHOLE.fullmatch(text):
        return int(text)
    return float(text) if NUMBER.fullmatch(text) else text


def check_argument(
    name: str,
    value: Any,
    default: int | float | bool | str | None,
) -> None:
    """Refuses a value of another type than the default, or out of range.

    Arguments
    ---------
    name : str
        Of the argument.
    value : int, float, bool, None or str
        From ``read_value``.
    default : int, float, bool, None or str
        What the constructor has.

    Raises
    ------
    ValueError
        The message names the argument and what was expected.

    Example
    -------
    >>> check_argument("num_spks", 0, 2)
    Traceback (most recent call last):
        ...
    ValueError: 'num_spks' is 0, expected a whole number from 1 to 100
    """
    if default is None and value is None:
        return
    whole = isinstance(value, int) and not isinstance(value, bool)
    if isinstance(default, bool):
        good, expected = isinstance(value, bool), "True or False"
    elif isinstance(default, str):
        good, expected = isinstance(value, str), "a word"
    elif isinstance(default, float):
        good = whole or isinstance(value, float)
        good = good and 0 < value <= MAX_NUMBER
        expected = f"a number above 0 and up to {MAX_NUMBER:g}"
    else:
        low, high = _range(name, default)
        good = whole and low <= value <= high
        expected = f"a whole number from {low} to {high}"
    if not good:
        raise ValueError(f"'{name}' is {value!r}, expected {expected}")


def _range(name, default):
    """The smallest and the largest whole number that an argument may be."""
    if name == "sample_rate":
        return RATES
    counts = name.startswith("num_")
    return int(default != 0), MAX_COUNT if counts else MAX_SIZE


def check_arguments(function: Callable, values: dict) -> None:
    """Checks all arguments of a call that is to be made.

    Arguments
    ---------
    function : callable
        A class, or a function.
    values : dict
        Name -> value, from ``read_value``.

    Raises
    ------
    ValueError
        It has no such argument, or see ``check_argument``.

    Example
    -------
    >>> from speechbrain_spmamba.models import MODELS
    >>> check_arguments(MODELS["spmamba"], {"n_fft": "abc"})
    Traceback (most recent call last):
        ...
    ValueError: 'n_fft' is 'abc', expected a whole number from 1 to 100000
    """
    known = inspect.signature(function).parameters
    for name, value in values.items():
        if name not in known:
            raise ValueError(
                f"{function.__name__} has no argument '{name}'; it has "
                + ", ".join(known)
            )
        check_argument(name, value, known[name].default)
