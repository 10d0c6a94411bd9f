"""What users ask of each split, checked before anything is looked for."""

import re

from speechbrain_spmamba.errors import did_you_mean


def check_splits(splits, known):
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


def places_of(splits, default):
    """Where each split of a finished data set is.

    Arguments
    ---------
    splits : dict or None
        Split name -> name of its folder or table.
    default : dict
        The same, where nothing is given.

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
    >>> places_of(["test"], {})
    Traceback (most recent call last):
        ...
    ValueError: splits is ['test']; expected {test: NAME} or the like
    """
    splits = default if splits is None else splits
    if (
        not isinstance(splits, dict)
        or not splits
        or not all(isinstance(place, str) for place in splits.values())
    ):
        raise ValueError(
            f"splits is {splits!r}; expected {{test: NAME}} or the like"
        )
    _check_names(splits)
    return dict(splits)


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
