"""Scores by the number of talkers, and the number that was said to talk.

A test set may have mixtures of nobody, of one talker and of several, and what
is asked of a model differs: of one talker, to be passed through (SI-SNR), of
several, to be told apart (improvements), of nobody, silence (how far below the
mixture), and at all times, how many there are.
"""

import numpy as np

from speechbrain_spmamba.files.markdown import number
from speechbrain_spmamba.scoring.choice import TITLES
from speechbrain_spmamba.scoring.intervals import describe, interval_text
from speechbrain_spmamba.scoring.text_table import text_table

DESCRIBED = (*TITLES, "silence", "frames_wrong")


def describe_rows(rows: list[dict]) -> dict:
    """Each figure of some mixtures.

    Arguments
    ---------
    rows : list of dict
        Of ``results.csv``; ``talkers`` are names with spaces between.

    Returns
    -------
    dict
        ``mixtures``; of each of ``DESCRIBED`` that the rows have, what
        ``intervals.describe`` says of it; ``number_right``, the same of
        whether as many were found as talk: its mean is the accuracy.
    """
    talkers = [row["talkers"].split() for row in rows]
    found: dict = {"mixtures": len(rows)}
    for name in [name for name in DESCRIBED if name in rows[0]]:
        found[name] = describe([row[name] for row in rows], talkers)
    right = [float(row["found_talkers"] == row["num_talkers"]) for row in rows]
    found["number_right"] = describe(right, talkers)
    return found


def by_talkers(rows: list[dict]) -> dict:
    """The same by the number of talkers.

    Arguments
    ---------
    rows : list of dict
        Of ``results.csv``.

    Returns
    -------
    dict
        Number of talkers, as text, from the least to the most, -> what
        ``describe_rows`` says.
    """
    groups = {}
    for row in sorted(rows, key=lambda row: row["num_talkers"]):
        groups.setdefault(str(row["num_talkers"]), []).append(row)
    return {talkers: describe_rows(some) for talkers, some in groups.items()}


def count_matrix(
    true: list[int] | np.ndarray, found: list[int] | np.ndarray, most: int
) -> np.ndarray:
    """How often so many were found where so many are.

    Arguments
    ---------
    true, found : list or numpy.ndarray of int
        Numbers, one a mixture or a frame.
    most : int
        The largest that there may be.

    Returns
    -------
    numpy.ndarray
        int, ``[most + 1, most + 1]``: a row a true number, a column a found.

    Example
    -------
    >>> count_matrix([0, 1, 1, 1], [0, 0, 1, 1], 1)
    array([[1, 0],
           [1, 2]])
    """
    matrix = np.zeros((most + 1, most + 1), int)
    np.add.at(matrix, (np.asarray(true, int), np.asarray(found, int)), 1)
    return matrix


def talker_lines(summary: dict) -> list[str]:
    """The same to be printed, where numbers of talkers are a question.

    Arguments
    ---------
    summary : dict
        See ``scoring.evaluate.Evaluation.finish``.

    Returns
    -------
    list of str
        How often the number is right, a table and a matrix; none where each
        output has its talker in all mixtures.
    """
    groups, matrix = summary["by_talkers"], summary["count_matrix"]
    right = summary["number_right"]
    outputs = len(matrix) - 1
    if list(groups) == [str(outputs)]:
        return []
    lines = [
        "  number of talkers right in "
        f"{100 * right['mean']:.1f} % of the mixtures "
        f"{interval_text(right, 0.01)}"
    ]
    head = ["talkers", "mixtures", "SI-SNR", "SI-SNRi", "SDRi", "silence"]
    head += ["frames wrong, %", "number right, %"]
    cells = []
    for talkers, found in groups.items():
        # One alone is to be passed through, not improved.
        gains = int(talkers) > 1
        cells.append([
            talkers,
            str(found["mixtures"]),
            _cell(found, "si_snr"),
            _cell(found if gains else {}, "si_snri"),
            _cell(found if gains else {}, "sdri"),
            _cell(found, "silence"),
            _cell(found, "frames_wrong", 0.01, ".1f"),
            _cell(found, "number_right", 0.01, ".1f"),
        ])  # fmt: skip
    counts = [
        [str(true), *map(str, row)]
        for true, row in enumerate(matrix)
        if str(true) in groups
    ]
    said = [f"found {found}" for found in range(len(matrix))]
    return [
        *lines,
        *text_table(head, cells),
        *text_table(["talkers", *said], counts),
    ]


def _cell(found, name, unit=1.0, form=".2f"):
    """A mean as text, a dash if there is none."""
    return number(found.get(name, {}).get("mean"), unit, form)
