"""All items of a set: scored over processes, kept, and put into tables.

OUT/results.csv, summary.json, talkers.csv   see ``scoring/evaluate.py``
OUT/rows.jsonl                               see ``kept_rows.py``
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from speechbrain_spmamba.audio import open_audio
from speechbrain_spmamba.estimates.kept_rows import digest, kept_rows
from speechbrain_spmamba.estimates.score_files import score_files
from speechbrain_spmamba.prepare import workers
from speechbrain_spmamba.scoring.evaluate import Evaluation

if TYPE_CHECKING:
    from speechbrain_spmamba.estimates.items import Item


def score_set(
    items: list[Item],
    folder: str | Path,
    metrics: Sequence[str],
    tested: dict,
    jobs: int = 1,
    label: str = "scoring",
) -> tuple[dict, list[dict]]:
    """Scores what is not done, and writes the tables.

    Arguments
    ---------
    items : list of items.Item
        All items.
    folder : str or Path
        Gets the files that stand at the top of this module.
    metrics : list of str
        Keys of ``scoring.choice.METRICS``.
    tested : dict
        Whose estimates they are, for the summary.
    jobs : int
        Processes; the results are the same for any number.
    label : str
        Shown at the progress bar.

    Returns
    -------
    dict
        See ``scoring.evaluate.Evaluation.finish``; with ``cut``, items whose
        files differed in length.
    list of dict
        Rows of ``results.csv``.

    Raises
    ------
    ValueError
        A file that cannot be read, or does not fit the others.
    """
    options = {
        "metrics": list(metrics),
        "sample_rate": rate_of(items),
        "sources": most_sources(items),
    }
    digests = [digest(item, options) for item in items]
    with kept_rows(folder, digests) as (done, keep):
        todo = [
            (key, item)
            for key, item in zip(digests, items, strict=True)
            if key not in done
        ]

        def take(result):
            keep(*result)
            done.update([result])

        workers.run(
            partial(_score_one, options=options),
            todo,
            jobs,
            label=label,
            each=take,
        )
    evaluation = Evaluation(folder, options["sample_rate"], metrics=metrics)
    for key in digests:
        evaluation.take(done[key]["row"], done[key]["over_time"])
    cut = sum(done[key]["cut"] > 0 for key in digests)
    return evaluation.finish(tested, {"cut": cut}), evaluation.rows


def _score_one(task, options):
    """Digest and scores of an item."""
    key, item = task
    return key, score_files(item, **options)


def rate_of(items):
    """The rate in Hz of the first file; the others must have it as well."""
    with open_audio(
        next(path for item in items for path in item.paths)
    ) as file:
        return file.samplerate


def most_sources(items):
    """The largest number of references or estimates of an item."""
    return max(max(len(item.references), len(item.estimates)) for item in items)
