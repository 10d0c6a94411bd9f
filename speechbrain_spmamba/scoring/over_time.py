"""Scores of conversations: by how many talk at the same time.

In a conversation the number of talkers changes, and a mean over all of it
hides whether overlaps or pauses are hard. Here it is taken apart, frame by
frame, by how many references speak at once:

* how much of the time that is, and how many outputs speak then;
* SI-SNR of each talker over the samples in which so many talk, and it does;
* what an output lets through while its talker is silent and others talk: dB
  below the mixture of these samples.

Of less than half a second nothing is said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from speechbrain_spmamba.files.markdown import number
from speechbrain_spmamba.scoring.by_talkers import count_matrix
from speechbrain_spmamba.scoring.intervals import describe, interval_text
from speechbrain_spmamba.scoring.metrics import below_mixture, score
from speechbrain_spmamba.scoring.text_table import text_table

if TYPE_CHECKING:
    from speechbrain_spmamba.scoring.who_speaks import Speech


LEAST = 0.5  # seconds that make a score
LONG = 12.0  # seconds from which on an item is a conversation, for the print


def score_over_time(
    mix: torch.Tensor | None,
    est: torch.Tensor,
    src: torch.Tensor,
    speech: Speech,
    sample_rate: int,
) -> dict:
    """Takes a mixture apart.

    Arguments
    ---------
    mix : torch.Tensor or None
        Mixture, shape ``[T]``; without it, figures over it are NaN.
    est, src : torch.Tensor
        Estimates in the order of the sources, and these, shape ``[T, S]``.
    speech : scoring.who_speaks.Speech
        Who speaks when.
    sample_rate : int
        Rate in Hz.

    Returns
    -------
    dict
        ``frames``, see ``by_talkers.count_matrix``; ``si_snr`` and
        ``si_snri``, lists of dB for 1 to S talkers at once, means over the
        talkers; ``pauses`` in dB. NaN where there is nothing to score.
    """
    true, at_once = speech.true, speech.at_once
    sources = range(src.shape[1])

    def part(frames, source):
        """A source in some frames as mixture, estimate, reference."""
        mask = torch.from_numpy(speech.samples(frames))
        if mask.sum() < LEAST * sample_rate:
            return None
        pick = slice(source, source + 1)
        n = len(mask)
        of_mix = None if mix is None else mix[:n][mask]
        return of_mix, est[:n, pick][mask], src[:n, pick][mask]

    scores = {"si_snr": [], "si_snri": []}
    for count in range(1, len(sources) + 1):
        parts = [part(true[:, s] & (at_once == count), s) for s in sources]
        found = [
            score(part_mix, part_est, part_src, metrics=["si_snr"])
            for part_mix, part_est, part_src in filter(None, parts)
        ]
        for name, values in scores.items():
            values.append(_mean([one.get(name, np.nan) for one in found]))
    parts = [
        part(~true[:, s] & (at_once > 0), s)
        for s in sources
        if true[:, s].any()
    ]
    pauses = [below_mixture(x[0], x[1], 0 * x[2]) for x in parts if x]
    frames = count_matrix(at_once, speech.found.sum(1), len(sources))
    return {"frames": frames, **scores, "pauses": _mean(pauses)}


def describe_over_time(items: list[dict], talkers: list[list[str]]) -> dict:
    """The figures of a test set.

    Arguments
    ---------
    items : list of dict
        See ``score_over_time``.
    talkers : list of list of str
        Who talks in each.

    Returns
    -------
    dict
        ``at_once``: number of talkers, as text, -> ``share`` of the time,
        ``number_right`` (share of it in which as many outputs speak),
        ``si_snr`` and ``si_snri`` (``intervals.describe``); ``frames``, the
        matrix of all; ``number_right`` of all; ``pauses``.
    """
    frames = np.sum([item["frames"] for item in items], axis=0)
    found = {}
    for count, row in enumerate(frames):
        if not row.any():
            continue
        told: dict = {
            "share": float(row.sum() / frames.sum()),
            "number_right": float(row[count] / row.sum()),
        }
        for name in ("si_snr", "si_snri"):
            values = [([np.nan] + item[name])[count] for item in items]
            told[name] = describe(values, talkers)
        found[str(count)] = told
    return {
        "at_once": found,
        "frames": frames.tolist(),
        "number_right": float(frames.trace() / frames.sum()),
        "pauses": describe([item["pauses"] for item in items], talkers),
    }


def over_time_lines(summary: dict) -> list[str]:
    """The same to be printed.

    Arguments
    ---------
    summary : dict
        See ``scoring.evaluate.Evaluation.finish``.

    Returns
    -------
    list of str
        Lines; none for a test set without a long item.
    """
    found = summary["over_time"]
    if summary["longest"] < LONG:
        return []
    rows = [
        [
            count,
            number(one["share"], 0.01, ".1f"),
            number(one["si_snr"]["mean"], form=".2f"),
            number(
                one["si_snri"]["mean"] if int(count) > 1 else None, form=".2f"
            ),
            number(one["number_right"], 0.01, ".1f"),
        ]
        for count, one in found["at_once"].items()
    ]
    head = ["at once", "time, %", "SI-SNR", "SI-SNRi", "number right, %"]
    wrong, pauses = summary["frames_wrong"], found["pauses"]
    lines = [
        "  by the number of talkers at once:",
        *text_table(head, rows),
        f"  activity wrong in {100 * wrong['mean']:.1f} % of the frames "
        f"{interval_text(wrong, 0.01)}",
    ]
    if pauses["mean"] is not None:
        lines.append(
            "  outputs while their talker is silent and another talks: "
            f"{pauses['mean']:.2f} dB below the mixture {interval_text(pauses)}"
        )
    return lines


def _mean(values):
    """Mean of what is defined; NaN if nothing is."""
    values = [value for value in values if value == value]
    return sum(values) / len(values) if values else float("nan")
