"""All scores of one item: a row of the table, and figures over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from speechbrain_spmamba.scoring.choice import DEFAULT
from speechbrain_spmamba.scoring.metrics import below_mixture, score
from speechbrain_spmamba.scoring.over_time import score_over_time
from speechbrain_spmamba.scoring.silence import silent_sources
from speechbrain_spmamba.scoring.who_speaks import who_speaks
from speechbrain_spmamba.talkers import find_talkers

if TYPE_CHECKING:
    import torch

    from speechbrain_spmamba.scoring.who_speaks import Speech


SILENCE = "silence"
COUNTS = ("num_talkers", "found_talkers", "frames_wrong")


def score_item(
    item: str,
    mix: torch.Tensor | None,
    est: torch.Tensor,
    src: torch.Tensor,
    sample_rate: int,
    metrics: Sequence[str] = DEFAULT,
) -> tuple[dict, dict, Speech]:
    """Scores an item.

    Arguments
    ---------
    item : str
        Its ID.
    mix : torch.Tensor or None
        Mixture, shape ``[T]``. Without it, what is relative to it is
        undefined.
    est, src : torch.Tensor
        Estimates in the order of the sources, and these, shape ``[T, S]``.
    sample_rate : int
        Rate in Hz.
    metrics : list of str
        Keys of ``choice.METRICS``.

    Returns
    -------
    dict
        The row of ``results.csv``, see ``evaluate.py``.
    dict
        See ``over_time.score_over_time``.
    who_speaks.Speech
        Who speaks when.

    Example
    -------
    >>> import torch
    >>> src = torch.randn(4000, 2)
    >>> row, _, speech = score_item("a", src.sum(1), src, src, 8000)
    >>> row["ID"], row["num_talkers"], row["si_snr"]
    ('a', 2, 100.0)
    """
    row = {"ID": item, "duration": len(src) / sample_rate}
    row.update(score(mix, est, src, metrics, sample_rate))
    row[SILENCE] = below_mixture(mix, est, src)
    talk = int((~silent_sources(src.unsqueeze(0))).sum())
    speech = who_speaks(est, src, sample_rate, mix)
    row["num_talkers"], row["found_talkers"] = talk, speech.talkers
    row["frames_wrong"] = speech.wrong
    # Folders before a name tell nothing of talkers.
    item = item.rpartition("/")[2]
    names = find_talkers(item, talk)
    row["talkers"] = "" if item in names else " ".join(names)
    return row, score_over_time(mix, est, src, speech, sample_rate), speech
