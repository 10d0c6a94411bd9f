"""Whether voices stay on their outputs, and come back to them after a silence.

    python benchmarks/reentry.py MANIFEST ... [--model voices-8k-3 ...]
        [--embedding ENCODER] [--limit 12]

A manifest is one of conversations, long items with a reference a talker, its
audio beside it. Items are separated in windows, as recordings are, and the
windows are joined by profiles of the voices, by a speaker encoder if one is
given, and in the best order that the references tell. What the best order has
of errors is the model's: it changes its outputs within a window.

In each second in which a talker speaks, that output holds it which has most of
its energy; none, if another has half as much. `swaps_per_hour` counts changes
of the output between such seconds, of all talkers together. When a talker has
been silent for 10, 30, 60 seconds and speaks again (`away_10`), the output is
compared with the one before; `wrong_10` are others. `at_home` is the share of
the seconds on the output that is a talker's in this item. Items with more
talkers than a model has outputs are left out.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from measure import keep_counted
from scipy.optimize import linear_sum_assignment

from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.loading.loader import read_example
from speechbrain_spmamba.manifest import read_manifest, source_keys
from speechbrain_spmamba.recordings.options import SeparationOptions
from speechbrain_spmamba.recordings.profiles import profiles
from speechbrain_spmamba.recordings.stitch import Stitcher, stitch
from speechbrain_spmamba.recordings.streams import separate_windows, windows
from speechbrain_spmamba.recordings.voice_embedding import VoiceEmbedding
from speechbrain_spmamba.speech_frames import frame_size, reference_activity

SILENT, UNCLEAR = -1, -2  # in the place of an output
CLEAR = 2.0  # energy over that of the next output
AWAY = (10, 30, 60)  # seconds of silence
NEAR = 5  # seconds before and after it that say which output it was


def energies(est, src):
    """Energy of each source in each output, ``[talkers, outputs]``."""
    est, src = est.astype("float64"), src.astype("float64")
    return np.square(src.T @ est) / (np.square(src).sum(0)[:, None] + 1e-20)


def who_holds(est, src, sample_rate):
    """The output that holds each talker, second by second.

    Arguments
    ---------
    est : numpy.ndarray
        Outputs, shape ``[T, outputs]``.
    src : numpy.ndarray
        References, shape ``[T, talkers]``.
    sample_rate : int
        Their rate in Hz.

    Returns
    -------
    numpy.ndarray
        int, ``[seconds, talkers]``; SILENT where less than half of the second
        is speech.
    """
    speaks = reference_activity(src, sample_rate)
    speaks = np.repeat(speaks, frame_size(sample_rate), 0)
    held = np.full((len(speaks) // sample_rate, src.shape[1]), SILENT)
    for second, row in enumerate(held):
        part = slice(second * sample_rate, (second + 1) * sample_rate)
        found = energies(est[part], np.where(speaks[part], src[part], 0))
        best = np.sort(found, 1)
        clear = best[:, -1] > CLEAR * best[:, -2]
        said = np.where(clear, found.argmax(1), UNCLEAR)
        row[:] = np.where(speaks[part].mean(0) >= 0.5, said, SILENT)
    return held


def stays(held):
    """One talker's outputs, stay by stay, with the seconds of silence before.

    Arguments
    ---------
    held : numpy.ndarray
        int, ``[seconds]``, see ``who_holds``.

    Returns
    -------
    list of (int, numpy.ndarray)
        Silence that is at least ``AWAY[0]`` (0 before the first), and the
        outputs of the seconds up to the next one that are clear.
    """
    spoken = np.flatnonzero(held != SILENT)
    silence = np.diff(spoken) - 1
    cuts = np.flatnonzero(silence >= AWAY[0])
    parts = np.split(held[spoken], cuts + 1)
    silences = [0, *silence[cuts].tolist()]
    return [
        (away, part[part != UNCLEAR])
        for away, part in zip(silences, parts, strict=True)
    ]


def count_swaps(held):
    """Changes of the output within the stays of one talker."""
    return sum(int((np.diff(part) != 0).sum()) for _, part in stays(held))


def returns(held):
    """Seconds away, and whether it came back to its output, of one talker.

    Returns
    -------
    list of (int, bool)
        One a silence of at least ``AWAY[0]``, if the outputs around it are
        clear.
    """
    found, before = [], []
    for away, part in stays(held):
        if away and len(before) and len(part):
            left, taken = before[-NEAR:], part[:NEAR]
            same = np.bincount(left).argmax() == np.bincount(taken).argmax()
            found.append((away, bool(same)))
        before = part
    return found


def seconds_at_home(held, outputs):
    """Clear seconds on the outputs that are the talkers', and all of them.

    Arguments
    ---------
    held : numpy.ndarray
        int, ``[seconds, talkers]``, see ``who_holds``.
    outputs : int
        How many there are.
    """
    counts = np.stack([(held == n).sum(0) for n in range(outputs)], 1)
    return int(counts[linear_sum_assignment(-counts)].sum()), int(counts.sum())


def best_order(est, src):
    """Outputs in the order of the talkers whose energy they have."""
    order = linear_sum_assignment(-energies(est, src))[1]
    return [*order, *sorted({*range(est.shape[1])} - {*order})]


def joined(pieces, src, rate, options, encoder):
    """Each way of joining -> the streams of an item, ``[T, outputs]``."""
    _, shared = options.window_samples(rate)
    right = [
        (start, est[:, best_order(est, src[start : start + len(est)])])
        for start, est in pieces
    ]
    ways = {"profiles": (pieces, Stitcher(shared, rate, voices=profiles))}
    if encoder is not None:
        voices = VoiceEmbedding(encoder).voices
        ways["embedding"] = pieces, Stitcher(shared, rate, voices=voices)
    ways["best"] = right, Stitcher(shared, rate, align=False)
    return {
        name: np.concatenate(list(stitch(*way))) for name, way in ways.items()
    }


def measure(model, manifest, embedding=None, limit=None):
    """Counts a set: a row for each way of joining."""
    rate = model.hparams.sample_rate
    options = SeparationOptions().for_model(model.hparams)
    encoder = None if embedding is None else model.speaker_encoder(embedding)
    size, shared = options.window_samples(rate)

    def separate(mixes):
        return model.separate_batch(torch.from_numpy(mixes)).cpu().numpy()

    found, hours, items = {}, 0.0, 0
    for row in list(read_manifest(manifest, manifest.parent).values())[:limit]:
        sources = [row[key] for key in source_keys(row) if row[key]]
        if len(sources) > model.hparams.num_spks:
            continue
        mix, src = read_example(row["mix_wav"], sources, rate)
        mix, src = mix.numpy().reshape(len(mix), -1)[:, :1], src.numpy()
        pieces = windows([mix], size, size - shared)
        pieces = list(separate_windows(pieces, separate, options))
        for name, est in joined(pieces, src, rate, options, encoder).items():
            held = who_holds(est, src, rate)
            found.setdefault(name, []).append((held, est.shape[1]))
        hours, items = hours + len(mix) / rate / 3600, items + 1
    what = {"data": manifest.parent.name, "items": items}
    return [
        {
            **what,
            "hours": f"{hours:.2f}",
            "order": name,
            **_figures(some, hours),
        }
        for name, some in found.items()
    ]


def _figures(items, hours):
    """The figures of a way of joining."""
    talkers = [held for item, _ in items for held in item.T]
    back = [one for held in talkers for one in returns(held)]
    home = np.sum([seconds_at_home(*item) for item in items], 0)
    spoken = sum(int((held != SILENT).sum()) for held in talkers)
    swaps = sum(map(count_swaps, talkers))
    figures = {"swaps_per_hour": f"{swaps / hours:.1f}"}
    for least in AWAY:
        right = [same for away, same in back if away >= least]
        figures[f"away_{least}"] = len(right)
        figures[f"wrong_{least}"] = right.count(False)
    return {
        **figures,
        "at_home": f"{home[0] / home[1]:.3f}",
        "unclear": f"{1 - home[1] / spoken:.3f}",
    }


def main():
    """Measures all models on all sets and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifests", type=Path, nargs="+")
    parser.add_argument("--model", nargs="+", default=["voices-8k-3"])
    parser.add_argument("--embedding", help="runs what its YAML file says")
    parser.add_argument("--limit", type=int)
    asked = parser.parse_args()
    rows = []
    for source in asked.model:
        model = WaveformSeparation.from_hparams(source)
        for manifest in asked.manifests:
            for row in measure(model, manifest, asked.embedding, asked.limit):
                rows.append({"model": Path(source).name, **row})
                print("  ".join(f"{k} {v}" for k, v in rows[-1].items()))
    keep_counted("reentry", rows)


if __name__ == "__main__":
    main()
