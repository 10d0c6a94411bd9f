"""What users set, checked before anything is looked for."""

import math
import re
from collections.abc import Iterable
from typing import Any

from speechbrain_spmamba.errors import did_you_mean
from speechbrain_spmamba.prepare.talker_counts import TalkerCounts

# Examples for options whose default, if any, does not tell their type; of
# num_spks there are several.
EXAMPLES = {"splits": {"test": "tt"}, "sample_rate": 8000, "num_spks": None}
# Option -> the smallest and the largest whole number.
WHOLE = {
    "sample_rate": (1_000, 1_000_000),
    "seed": (0, 2**32 - 1),
}
SECONDS = (0.01, 3600)
# Options that are a range to draw from, in dB.
RANGES = ("level", "sir", "snr")


def check_numbers(settings: dict) -> None:
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
        if key == "num_spks":
            TalkerCounts.of(value)
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


def check_switches(**given: Any) -> None:
    """Says no to a switch that is neither on nor off.

    Arguments
    ---------
    **given : bool
        Option -> value.

    Raises
    ------
    ValueError
        The message names the option.

    Example
    -------
    >>> check_switches(join=True, write_silence="no")
    Traceback (most recent call last):
        ...
    ValueError: write_silence is 'no'; expected True or False
    """
    for key, value in given.items():
        if not isinstance(value, bool):
            raise ValueError(f"{key} is {value!r}; expected True or False")


def check_one_number(num_spks: int) -> None:
    """Says no to anything but a number of talkers: for published sets.

    Arguments
    ---------
    num_spks : int
        Talkers in each mixture.

    Raises
    ------
    ValueError
        A range, or no number of talkers.

    Example
    -------
    >>> check_one_number([0, 2])
    Traceback (most recent call last):
        ...
    ValueError: num_spks is [0, 2]; expected one number, for in this set...
    """
    if type(num_spks) is not int:
        raise ValueError(
            f"num_spks is {num_spks!r}; expected one number, for in this set "
            "as many talk in every mixture"
        )
    TalkerCounts.of(num_spks)


def check_splits(splits: dict, known: Iterable[str]) -> None:
    """Says no to splits that cannot be meant.

    Arguments
    ---------
    splits : dict
        Split name -> ``{"mixtures": number, ...}``.
    known : iterable of str
        What may be said of a split.

    Raises
    ------
    ValueError
        Something that nothing reads, names that are none, or no number of
        mixtures.

    Example
    -------
    >>> check_splits({"test": {"mixtures": 3, "reader": [84]}}, ["readers"])
    Traceback (most recent call last):
        ...
    ValueError: split test has 'reader', which ...; did you mean 'readers'?
    """
    if not isinstance(splits, dict) or not splits:
        raise ValueError(f"splits is {splits!r}; {_example()}")
    known = ["mixtures", *known]
    _check_names(splits)
    for split, wanted in splits.items():
        if not isinstance(wanted, dict):
            raise ValueError(f"split {split} is {wanted!r}; {_example()}")
        for key in wanted:
            if key not in known:
                raise ValueError(
                    f"split {split} has '{key}', which nothing reads; it may "
                    f"have {', '.join(known)}{did_you_mean(str(key), known)}"
                )
        speech = wanted.get("speech", split)
        speech = speech if isinstance(speech, (list, tuple)) else [speech]
        if not all(isinstance(subset, str) for subset in speech):
            raise ValueError(
                f"split {split} has speech={wanted['speech']!r}; give names "
                "of subsets, as [train-clean-100]"
            )
        for key in set(wanted) & {"noise", "music", "effects", "dnr"}:
            if not isinstance(wanted[key], (str, type(None))):
                raise ValueError(
                    f"split {split} has {key}={wanted[key]!r}; give the name "
                    "of a folder"
                )
        count = wanted.get("mixtures")
        if not isinstance(count, int) or count < 1:
            raise ValueError(
                f"split {split} is to have {count} mixtures; give mixtures: "
                "a whole number above 0"
            )


def split_places(
    splits: dict | None, default: dict, several: bool = False
) -> dict:
    """Where each split of a published data set is.

    Arguments
    ---------
    splits : dict or None
        Split name -> name of its folder or table.
    default : dict
        The same, where nothing is given.
    several : bool
        Whether a list of names will do as well.

    Returns
    -------
    dict
        A copy.

    Raises
    ------
    ValueError
        Something else.

    Example
    -------
    >>> split_places(["test"], {})
    Traceback (most recent call last):
        ...
    ValueError: splits is ['test']; expected {test: NAME} or the like
    """
    splits = default if splits is None else splits
    types = (str, list, tuple) if several else str
    if (
        not isinstance(splits, dict)
        or not splits
        or not all(isinstance(place, types) for place in splits.values())
    ):
        raise ValueError(
            f"splits is {splits!r}; expected {{test: NAME}} or the like"
        )
    _check_names(splits)
    return dict(splits)


def _is_number(value):
    """Whether a value is a number that is finite."""
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    return plain and math.isfinite(value)


def _check_names(splits):
    """Says no to names that cannot be those of folders and manifests."""
    for split in splits:
        if not re.fullmatch(r"\w[\w.+-]*", str(split)):
            raise ValueError(
                f"a split is called {split!r}; give it the name of a folder, "
                "of letters, digits, _, . and -"
            )


def _example():
    return "expected {test: {speech: [test-clean], mixtures: 100}} or the like"
