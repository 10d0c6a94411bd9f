"""Means of scores, and how far they may be trusted.

Two mixtures with a talker in common are no two samples of what happens to new
talkers: a model may do well by chance with the few voices of a test set,
however many mixtures are made of them. Where the talkers are known, an
interval therefore comes from drawing talkers anew, not mixtures: a mixture
then counts as often as the product of how often its talkers were drawn.

Source: Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 1(2),
2007.
"""

import math

import numpy as np

FEWEST_TALKERS = 3  # of two there is one pair, which tells nothing of others


def describe(
    values: list[float],
    talkers: list[list[str]] | None = None,
    draws: int = 2000,
) -> dict:
    """Mean, median and a bootstrap interval of the mean.

    Arguments
    ---------
    values : list of float
        One for each mixture; NaN, which is undefined, is left out.
    talkers : list of list of str, optional
        Who talks in each. Without them, where some mixture has none, and of
        less than three talkers, each mixture counts as one of new talkers.
    draws : int
        Resamplings.

    Returns
    -------
    dict
        ``items`` (how many values), ``mean``, ``median``, ``interval`` (list
        of two, 95 %), and ``talkers``: how many the interval is over, None
        for an interval over mixtures. Without values, all are None but the
        first.

    Example
    -------
    >>> describe([1.0, 2.0, 6.0])["median"]
    2.0
    >>> describe([1.0, 2.0, 3.0], [["a", "b"], ["b", "c"], ["a", "c"]])[
    ...     "talkers"
    ... ]
    3
    """
    talkers = talkers or [[]] * len(values)
    defined = [
        (value, sorted(set(names)))
        for value, names in zip(values, talkers, strict=True)
        if not math.isnan(value)
    ]
    if not defined:
        nothing = ("mean", "median", "interval", "talkers")
        return {"items": 0, **dict.fromkeys(nothing)}
    values = np.array([value for value, _ in defined])
    names = [names for _, names in defined]
    all_names = sorted({name for some in names for name in some})
    known = all(names) and len(all_names) >= FEWEST_TALKERS
    if not known:
        all_names = range(len(names))
        names = [[number] for number in all_names]
    means = _draw_means(values, names, all_names, draws)
    interval = np.quantile(means, (0.025, 0.975))
    return {
        "items": len(values),
        "mean": float(values.mean()),
        "median": float(np.median(values)),
        "interval": [float(bound) for bound in interval],
        "talkers": len(all_names) if known else None,
    }


def interval_text(figure: dict, unit: float = 1.0, form: str = ".2f") -> str:
    """An interval in words.

    Arguments
    ---------
    figure : dict
        See ``describe``, of some values.
    unit : float
        What the bounds are divided by.
    form : str
        How they are written.

    Returns
    -------
    str
        The words.

    Example
    -------
    >>> interval_text(describe([1.0, 1.0]))
    '(95 % interval over mixtures 1.00 to 1.00)'
    """
    low, high = (bound / unit for bound in figure["interval"])
    over = figure["talkers"]
    over = f"{over} talkers" if over else "mixtures"
    return f"(95 % interval over {over} {low:{form}} to {high:{form}})"


def _draw_means(values, names, all_names, draws):
    """Means under other talkers; draws without a single pair are left out."""
    place = {name: number for number, name in enumerate(all_names)}
    most = max(map(len, names))
    # Where a mixture has fewer talkers, a last one that always counts once.
    index = np.full((len(names), most), len(place))
    for row, some in zip(index, names, strict=True):
        row[: len(some)] = [place[name] for name in some]
    rng = np.random.default_rng(0)
    means = []
    for _ in range(draws):
        drawn = rng.integers(len(place), size=len(place))
        times = np.bincount(drawn, minlength=len(place) + 1)
        times[-1] = 1
        weights = times[index].prod(axis=1)
        if weights.any():
            means.append(np.average(values, weights=weights))
    return means
