"""How well windows are joined: against the best possible order, and swaps.

    python benchmarks/stitching.py MODEL MANIFEST --data_root FOLDER

Test mixtures of the same two readers are joined to long recordings and
separated in windows; the model's outputs are shuffled in each window. `gap` is
what is lost in SI-SNRi against the same windows put in order by the references.
A swap is a window that continues the streams otherwise than the one before.
Readers are those of the IDs, `<number>_<reader>-..._<reader>-...`.
"""

import argparse
import csv
import datetime
from collections import defaultdict
from itertools import pairwise

import numpy as np
import torch
from measure import RESULTS, _command

import speechbrain_spmamba
from speechbrain_spmamba.audio import read_audio
from speechbrain_spmamba.files.writing import replacing
from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.recordings.stitch import Stitcher, stitch
from speechbrain_spmamba.recordings.streams import windows
from speechbrain_spmamba.scoring.loss import (
    best_permutation,
    pairwise_neg_si_snr,
)
from speechbrain_spmamba.scoring.metrics import si_snr


def read_joined(manifest, data_root, rate):
    """Mixture and sources of each pair of readers, joined in time.

    Gives name -> (mixture ``[T, 1]``, sources ``[T, 2]``).
    """
    groups = defaultdict(list)
    with open(manifest, newline="") as file:
        for row in csv.DictReader(file):
            readers = [part.split("-")[0] for part in row["ID"].split("_")[1:]]
            if len(readers) == 2:  # of others, some sources are silent
                groups[tuple(readers)].append(row)
    joined = {}
    for readers, rows in groups.items():
        parts = [
            [
                read_audio(row[key].replace("$data_root", data_root), rate)
                for key in ("mix_wav", "s1_wav", "s2_wav")
            ]
            for row in rows
        ]
        columns = zip(*parts, strict=True)
        mix, *sources = (np.concatenate(column) for column in columns)
        joined["+".join(readers)] = mix, np.concatenate(sources, 1)
    return joined


def best_order(est, src):
    """The output of each source, ``[S]``."""
    est, src = (torch.from_numpy(x).unsqueeze(0) for x in (est, src))
    return best_permutation(pairwise_neg_si_snr(est, src))[0].numpy()


def compare(model, mix, src, window, overlap, rng):
    """Both scores in dB, swaps and hours of one recording."""
    rate = model.hparams.sample_rate
    size, shared = round(window * rate), round(overlap * rate)
    stitcher, joined, right, talkers = Stitcher(shared, rate), [], [], []
    for start, piece in windows([mix], size, size - shared):
        est = model.separate_batch(torch.from_numpy(piece.T.copy()))[0]
        est = est.numpy()[:, rng.permutation(src.shape[1])]
        order = best_order(est, src[start : start + len(piece)])
        right.append((start, est[:, order]))
        joined.append(stitcher.push(start, est))
        # Which talker each stream has in this window.
        talkers.append(np.argsort(order)[stitcher.order].tolist())
    joined = np.concatenate([*joined, stitcher.flush()])
    stitcher = Stitcher(shared, rate, align=False)
    ideal = np.concatenate(list(stitch(right, stitcher)))
    before = si_snr(torch.from_numpy(mix).expand(-1, 2), torch.from_numpy(src))
    scores = []
    for est in (ideal, joined[:, best_order(joined, src)]):
        after = si_snr(torch.from_numpy(est), torch.from_numpy(src))
        scores.append((after - before).mean().item())
    swaps = sum(a != b for a, b in pairwise(talkers))
    return (*scores, swaps, len(mix) / rate / 3600)


def main():
    """Compares all recordings and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("manifest")
    parser.add_argument("--data_root", required=True)
    parser.add_argument("--window", type=float, nargs="+", default=[10.0])
    parser.add_argument("--overlap", type=float, default=2.0)
    arguments = parser.parse_args()
    model = WaveformSeparation.from_hparams(arguments.model)
    recordings = read_joined(
        arguments.manifest, arguments.data_root, model.hparams.sample_rate
    )
    rows = []
    for window in arguments.window:
        overlap = min(arguments.overlap, window / 2)
        found = np.array(
            [
                compare(model, mix, src, window, overlap, rng)
                for (mix, src), rng in zip(
                    recordings.values(),
                    np.random.default_rng(0).spawn(len(recordings)),
                    strict=True,
                )
            ]
        )
        ideal, stitched, swaps, hours = found.T
        rows.append(
            {
                "window": window,
                "overlap": overlap,
                "recordings": len(found),
                "hours": f"{hours.sum():.3f}",
                "si_snri_best_order": f"{ideal.mean():.2f}",
                "si_snri_stitched": f"{stitched.mean():.2f}",
                "gap_mean": f"{(ideal - stitched).mean():.3f}",
                "gap_largest": f"{(ideal - stitched).max():.3f}",
                "swaps_per_hour": f"{swaps.sum() / hours.sum():.1f}",
                "version": speechbrain_spmamba.__version__,
                "date": datetime.date.today().isoformat(),
                "command": " ".join(["python", *_command()]),
            }
        )
        print(rows[-1], flush=True)
    path = RESULTS / "stitching_cpu.csv"
    with replacing(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    print(f"# written: {path.relative_to(RESULTS.parents[1])}")


if __name__ == "__main__":
    main()
