"""The thresholds of who speaks when: searched on validation data, then tested.

    python benchmarks/activity_thresholds.py MODEL MANIFEST DATA_ROOT
        [MODEL MANIFEST DATA_ROOT ...] [--test MODEL MANIFEST DATA_ROOT ...]
        [--items 60]

Each mixture is separated once and its outputs are put in the order of the
references. `wrong` is the share of frames, of all sources, in which what is
found (`recordings/activity.py`) is not what the references say themselves
(`speech_frames.py`); `number` is the share of mixtures of which the number of
talkers is right. Threshold after threshold is set to where `wrong` plus a tenth
of the wrong numbers is least, as a mean over the sets, until none moves: to the
first in `VALUES` that is as good to 0.05 percent. `range` is not searched: how
much softer than another a talker may be is not for sets to say in which all are
about as loud. Chosen and former thresholds are then compared on all sets.

A model of S outputs is given the mixtures of up to S talkers.
"""

import argparse
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

import numpy as np
import torch

from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.loading.loader import read_example
from speechbrain_spmamba.manifest import read_manifest, source_keys
from speechbrain_spmamba.recordings.activity import ActivityMeter
from speechbrain_spmamba.recordings.thresholds import Thresholds
from speechbrain_spmamba.scoring.loss import pit, reorder
from speechbrain_spmamba.scoring.silence import pairwise_neg_si_snr_or_level
from speechbrain_spmamba.speech_frames import reference_activity

VALUES = {  # from the strictest on
    # leak - rise is 10 dB at most: peaks of leakage 15 dB below are no runs
    "leak": (12, 14, 16, 18, 20),
    "copy": (0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95),
    "below": (12, 13, 14, 15, 16, 17, 18),
    "rise": (14, 12, 10),
    "pause": (0.15, 0.2, 0.25, 0.3, 0.35),
    "changes": (8, 7.5, 7, 6.5, 6, 5.5, 5, 4.5, 4),
    "shortest": (0.4, 0.3, 0.2, 0.1),
    # from the laxest on: of a recording with talkers, nothing would be left
    "faint": (20, 18, 16, 14, 12, 10, 8, 6),
}
SWEEPS = 5  # at most
AS_GOOD = 0.0005
OF_NUMBER = 0.1  # what a wrong number of talkers costs, in shares of frames


@dataclass
class Item:
    """A mixture, its outputs ``[T, S]``, and when its references speak."""

    mix: np.ndarray
    est: np.ndarray
    speaks: np.ndarray
    talkers: int


def separated(model, manifest, data_root, count):
    """Separates the first mixtures of a manifest: sample rate and items."""
    model = WaveformSeparation.from_hparams(model)
    rate, outputs = model.hparams.sample_rate, model.hparams.num_spks
    items = []
    rows = read_manifest(manifest, data_root).values()
    for row in islice(rows, count):
        paths = [row[key] for key in source_keys(row) if row[key]]
        if len(paths) > outputs:
            continue
        paths += [""] * (outputs - len(paths))
        mix, src = read_example(row["mix_wav"], paths, rate)
        est = model.separate_array(mix, rate)[None]
        loss = partial(pairwise_neg_si_snr_or_level, mix=mix[None])
        est = reorder(est, pit(loss, est, src[None])[1])[0].numpy()
        speaks = reference_activity(src, rate)
        talkers = int(speaks.any(0).sum())
        items.append(Item(mix.numpy(), est, speaks, talkers))
    return rate, items


def judge(rate, items, thresholds):
    """Wrong frames of each item, and the number of talkers said of it."""
    wrong, said = [], []
    for item in items:
        meter = ActivityMeter(rate, keep=True, thresholds=thresholds)
        meter.hear(item.mix)
        meter.push(item.est)
        wrong.append((meter.speaking() != item.speaks).mean())
        said.append(sum(found.speaks for found in meter.result()))
    return np.array(wrong), np.array(said)


def cost(sets, thresholds):
    """What the search makes small: a mean over the sets."""
    costs = []
    for rate, items in sets:
        wrong, said = judge(rate, items, thresholds)
        right = said == [item.talkers for item in items]
        costs.append(wrong.mean() + OF_NUMBER * (1 - right.mean()))
    return float(np.mean(costs))


def search(sets):
    """The thresholds of least cost, one coordinate after the other."""
    chosen = Thresholds()
    for _ in range(SWEEPS):
        before = chosen
        for name, values in VALUES.items():
            costs = [
                cost(sets, replace(chosen, **{name: float(value)}))
                for value in values
            ]
            good = np.array(costs) <= min(costs) + AS_GOOD
            best = float(values[int(np.argmax(good))])  # the first
            told = (
                f"{v:g} {c:.4f}" for v, c in zip(values, costs, strict=True)
            )
            print(f"{name} = {best:g} of " + ", ".join(told), flush=True)
            chosen = replace(chosen, **{name: best})
        if chosen == before:
            break
    return chosen


def report(title, rate, items, thresholds):
    """Prints wrong frames and a table of said by true numbers of talkers."""
    wrong, said = judge(rate, items, thresholds)
    true = np.array([item.talkers for item in items])
    print(
        f"{title}: {len(items)} mixtures, wrong {100 * wrong.mean():.2f} %, "
        f"number {100 * (said == true).mean():.1f} %"
    )
    most = items[0].est.shape[1]
    for talkers in np.unique(true):
        row = " ".join(
            f"{(said[true == talkers] == number).sum():4}"
            for number in range(most + 1)
        )
        share = 100 * wrong[true == talkers].mean()
        print(f"  of {talkers}: said 0 to {most}: {row}; wrong {share:.2f} %")


def main():
    """Searches, and says what is found on each set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "sets",
        nargs="+",
        metavar="MODEL MANIFEST DATA_ROOT",
        help="one or more",
    )
    parser.add_argument(
        "--test",
        nargs=3,
        action="append",
        default=[],
        metavar=("MODEL", "MANIFEST", "DATA_ROOT"),
    )
    parser.add_argument("--items", type=int, help="mixtures of each set")
    asked = parser.parse_args()
    if len(asked.sets) % 3:
        parser.error("MODEL MANIFEST DATA_ROOT are needed of each set")
    torch.set_grad_enabled(False)
    parts = [asked.sets[at : at + 3] for at in range(0, len(asked.sets), 3)]
    sets = [separated(*part, asked.items) for part in parts]
    tests = [separated(*part, asked.items) for part in asked.test]
    chosen = search(sets)
    for name, thresholds in (("former", Thresholds()), ("chosen", chosen)):
        print(f"\n{name}: {thresholds}")
        for part, found in zip(parts + asked.test, sets + tests, strict=True):
            report(" ".join(part[:2]), *found, thresholds)


if __name__ == "__main__":
    main()
