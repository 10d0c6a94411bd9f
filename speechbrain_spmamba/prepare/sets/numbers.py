"""Numbers that preparation is given, checked before anything is looked for."""

import math

# Option -> the smallest and the largest whole number.
WHOLE = {
    "sample_rate": (1_000, 1_000_000),
    "num_spks": (1, 100),
    "seed": (0, 2**32 - 1),
}
SECONDS = (0.01, 3600)
# Options that are a range to draw from, in dB.
RANGES = ("level", "sir", "snr")


def check_numbers(settings):
    """Says no to numbers that no mixtures are made of.

    Arguments
    ---------
    settings : dict
        Option -> value; what is None or no number of these passes.

    Raises
    ------
    ValueError
        The message names the option.

    Example
    -------
    >>> check_numbers({"sample_rate": 16000, "sir": (-6, 6)})
    >>> check_numbers({"sample_rate": 16})
    Traceback (most recent call last):
        ...
    ValueError: sample_rate is 16; expected a whole number from 1000 to 1000000
    """
    for key, value in settings.items():
        if value is None:
            continue
        if key in WHOLE:
            low, high = WHOLE[key]
            good = type(value) is int and low <= value <= high
            expected = f"a whole number from {low} to {high}"
        elif key == "seconds":
            low, high = SECONDS
            good = _is_number(value) and low <= value <= high
            expected = f"a number from {low} to {high}"
        elif key == "jobs":
            good = type(value) is int and value != 0
            expected = "a whole number above 0, or -1 for all processors"
        elif key in RANGES:
            good = (
                isinstance(value, (list, tuple))
                and len(value) == 2
                and all(map(_is_number, value))
                and value[0] <= value[1]
            )
            expected = "two numbers, the smaller one first, as [-6, 6]"
        else:
            continue
        if not good:
            raise ValueError(f"{key} is {value!r}; expected {expected}")


def _is_number(value):
    """Whether a value is a number that is finite."""
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return plain and math.isfinite(value)
