"""One item from its files to its scores.

The references' rate is that of all: an estimate of another one is an error, for
what a converter does above half the lower rate would be scored with it, and a
model of one rate does not do what one of another does.

Tools pad to their hops, so that lengths differ by some samples: all signals of
an item are cut to the shortest, up to ``TOLERANCE``. What differs by more are
estimates of something else.

Of several channels the first one is scored, as it is by `spmamba evaluate`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from speechbrain_spmamba.audio import read_audio
from speechbrain_spmamba.files.names import shown
from speechbrain_spmamba.scoring.item import score_item
from speechbrain_spmamba.scoring.loss import pit, reorder
from speechbrain_spmamba.scoring.silence import pairwise_neg_si_snr_or_level

if TYPE_CHECKING:
    from speechbrain_spmamba.estimates.items import Item


TOLERANCE = 0.1  # seconds


def score_files(
    item: Item, sample_rate: int, metrics: list[str], sources: int
) -> dict:
    """Scores an item under the best order of its estimates.

    Without a mixture, outputs for silent sources are judged by their level
    relative to the sum of the references.

    Arguments
    ---------
    item : items.Item
        Its files.
    sample_rate : int
        Their rate in Hz.
    metrics : list of str
        See ``scoring.item.score_item``.
    sources : int
        Of each item, as many as any of the set has references or estimates.

    Returns
    -------
    dict
        ``row`` and ``over_time`` of ``scoring.item.score_item``, as JSON can
        hold them, and ``cut``, samples that were left out.

    Raises
    ------
    ValueError
        A file that cannot be read, or does not fit the others.
    """
    # Sums are then in the same order, whatever runs beside.
    torch.set_num_threads(1)
    mix, est, src, cut = read_item(item, sample_rate, sources)
    est, src = est.unsqueeze(0), src.unsqueeze(0)
    beside = src.sum(-1) if mix is None else mix.unsqueeze(0)

    def pairwise(est, src, lengths=None):
        return pairwise_neg_si_snr_or_level(est, src, lengths, mix=beside)

    _, order = pit(pairwise, est, src)
    est = reorder(est, order)
    row, over_time, _ = score_item(
        item.name, mix, est[0], src[0], sample_rate, metrics
    )
    over_time["frames"] = np.asarray(over_time["frames"]).tolist()
    return {"row": row, "over_time": over_time, "cut": cut}


def read_item(
    item: Item, sample_rate: int, sources: int
) -> tuple[torch.Tensor | None, torch.Tensor, torch.Tensor, int]:
    """Reads the files of an item.

    Arguments
    ---------
    item, sample_rate, sources
        See ``score_files``.

    Returns
    -------
    mix : torch.Tensor or None
        Shape ``[T]``.
    est, src : torch.Tensor
        In the order of the files, then silence, shape ``[T, sources]``.
    cut : int
        How many samples the longest file has more than the shortest.

    Raises
    ------
    ValueError
        As ``score_files``.
    """
    waves = {path: _read(path, sample_rate) for path in item.paths}
    if not waves:
        raise ValueError(
            f"'{shown(item.name)}' has neither references nor estimates nor a "
            "mixture; leave it out"
        )
    shortest, longest = (
        choose(waves, key=lambda path: len(waves[path]))
        for choose in (min, max)
    )
    least, most = len(waves[shortest]), len(waves[longest])
    if most - least > TOLERANCE * sample_rate:
        raise ValueError(
            f"{shown(shortest)} has {least} samples and {shown(longest)} "
            f"{most}; expected lengths of one item within {TOLERANCE} s "
            f"({round(TOLERANCE * sample_rate)} samples): are these estimates "
            "of these references?"
        )

    def signals(paths):
        found = torch.zeros(least, sources)
        for index, path in enumerate(paths):
            if path:
                found[:, index] = waves[path][:least]
        return found

    mix = waves[item.mixture][:least] if item.mixture else None
    est, src = signals(item.estimates), signals(item.references)
    return mix, est, src, most - least


def _read(path, sample_rate):
    """The first channel of a file, float32."""
    wave = read_audio(path, sample_rate)[:, 0]
    if not len(wave):
        raise ValueError(f"{shown(path)} has no samples; replace it")
    if not np.isfinite(wave).all():
        raise ValueError(
            f"{shown(path)} has NaN or infinite samples; repair it or leave "
            "the item out"
        )
    return torch.from_numpy(np.ascontiguousarray(wave))
