"""Two systems on the same mixtures: differences taken mixture by mixture.

Mixtures differ by more than systems do. In a difference on one mixture what is
hard about it falls out, so that its interval is far narrower than those of the
two means.
"""

import math

from speechbrain_spmamba.scoring.choice import TITLES, form, unit
from speechbrain_spmamba.scoring.intervals import describe
from speechbrain_spmamba.scoring.text_table import text_table


def paired_difference(scores: dict, reference: dict, figure: str) -> dict:
    """The mean difference of two systems on the mixtures that both scored.

    Arguments
    ---------
    scores, reference : dict
        Of the two systems, ID -> row of ``results.csv``, with ``talkers`` as
        a list.
    figure : str
        The score.

    Returns
    -------
    dict
        What ``intervals.describe`` says of system minus reference, of the
        mixtures that both scored, and ``better``: in what share of these the
        system is the better one, None without any.

    Example
    -------
    >>> one, other = {"a": {"sdr": 3.0}}, {"a": {"sdr": 1.0}}
    >>> found = paired_difference(one, other, "sdr")
    >>> found["mean"], found["interval"], found["better"]
    (2.0, [2.0, 2.0], 1.0)
    """
    both = [item for item in scores if item in reference]
    gains = [scores[item][figure] - reference[item][figure] for item in both]
    talkers = [scores[item].get("talkers", []) for item in both]
    found = describe(gains, talkers)
    better = sum(gain > 0 for gain in gains)  # NaN is not
    found["better"] = better / found["items"] if found["items"] else None
    return found


def all_differences(
    rows: list[dict], others: list[dict]
) -> tuple[dict, list[dict]]:
    """The differences in all figures.

    Arguments
    ---------
    rows, others : list of dict
        Of two ``results.csv``.

    Returns
    -------
    dict
        Column -> see ``paired_difference``, of those that both have.
    list of dict
        ``ID`` and the difference in each column, a row an item.

    Example
    -------
    >>> one = [{"ID": "a", "talkers": "x y", "sdr": 3.0}]
    >>> two = [{"ID": "a", "talkers": "x y", "sdr": 1.0}]
    >>> all_differences(one, two)[1]
    [{'ID': 'a', 'sdr': 2.0}]
    """
    scores, reference = (
        {row["ID"]: {**row, "talkers": row["talkers"].split()} for row in some}
        for some in (rows, others)
    )
    figures = [x for x in TITLES if x in rows[0] and x in others[0]]
    table = [
        {
            "ID": item,
            **{x: row[x] - reference[item][x] for x in figures},
        }
        for item, row in sorted(scores.items())
        if item in reference
    ]
    found = {x: paired_difference(scores, reference, x) for x in figures}
    return found, table


def difference_lines(differences: dict) -> list[str]:
    """The same to be printed.

    Arguments
    ---------
    differences : dict
        See ``all_differences``.

    Returns
    -------
    list of str
        A table; lines of figures that are undefined are left out.

    Example
    -------
    >>> one = [{"ID": "a", "talkers": "", "sdr": 3.0}]
    >>> two = [{"ID": "a", "talkers": "", "sdr": 1.0}]
    >>> for line in difference_lines(all_differences(one, two)[0]):
    ...     print(line)
         figure   mean       95 % interval  better in, %  items
        SDR, dB  +2.00      +2.00 to +2.00         100.0      1
    """
    rows = []
    for name, found in differences.items():
        if found["mean"] is None or math.isnan(found["mean"]):
            continue
        low, high = found["interval"]
        rows.append([
            TITLES[name] + (f",{unit(name)}" if unit(name) else ""),
            f"{found['mean']:+{form(name)}}",
            f"{low:+{form(name)}} to {high:+{form(name)}}",
            f"{100 * found['better']:.1f}",
            str(found["items"]),
        ])  # fmt: skip
    head = ["figure", "mean", "95 % interval", "better in, %", "items"]
    return text_table(head, rows)
