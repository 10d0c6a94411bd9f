"""Whether a stream keeps its talkers apart, minute after minute.

    python benchmarks/stream_quality.py SPEECH [--minutes 10] [--pairs 4]
        [--model voices-8k-2-live]

SPEECH has a folder of recordings for each reader. Readers go through theirs
again and again, at one level, two at a time and without a pause; outputs are
assigned once for all minutes. `stream_quality.csv` gets the SI-SNRi of every
minute, and what it would be with outputs assigned anew in each: where both
differ, talkers have changed places.
"""

import argparse
import statistics
from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import torch
from measure import keep_counted

from speechbrain_spmamba.audio import open_audio, resample
from speechbrain_spmamba.files.audio_files import audio_files
from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.scoring.metrics import si_snr

LEVEL = 0.05


def read(reader, samples, rate, rng):
    """A reader's recordings in a random order, again and again, ``[T]``."""
    paths, _ = audio_files(reader)
    parts, have = [], 0
    while have < samples:
        for index in rng.permutation(len(paths)):
            with open_audio(paths[index]) as file:
                wave = file.read(dtype="float32", always_2d=True)[:, 0]
                wave = resample(wave, file.samplerate, rate)
            parts.append(LEVEL * wave / np.sqrt(np.mean(wave**2)))
            have += len(wave)
    return np.concatenate(parts)[:samples]


def improvement(est, src, mix):
    """Mean SI-SNRi in dB of estimates in this order."""
    same = mix.unsqueeze(1).expand_as(src)
    return (si_snr(est, src) - si_snr(same, src)).mean().item()


def main():
    """Measures pair after pair."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("speech", type=Path)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=4)
    parser.add_argument("--model", default="voices-8k-2-live")
    asked = parser.parse_args()
    model = WaveformSeparation.from_hparams(asked.model)
    rate, rng = model.hparams.sample_rate, np.random.default_rng(0)
    readers = sorted(path for path in asked.speech.iterdir() if path.is_dir())
    pairs = list(combinations(readers, 2))
    rows = []
    for index in rng.permutation(len(pairs))[: asked.pairs]:
        samples = 60 * asked.minutes * rate
        src = [read(reader, samples, rate, rng) for reader in pairs[index]]
        src = torch.from_numpy(np.stack(src, 1).astype("float32"))
        mix = src.sum(1)
        est = model.separate_array(mix, rate)
        orders = [list(order) for order in permutations(range(2))]
        kept = max(orders, key=lambda o: improvement(est[:, o], src, mix))
        for minute in range(asked.minutes):
            part = slice(60 * rate * minute, 60 * rate * (minute + 1))
            given = [
                improvement(est[part, order], src[part], mix[part])
                for order in (kept, *orders)
            ]
            rows.append(
                {
                    "readers": "+".join(path.name for path in pairs[index]),
                    "minute": minute + 1,
                    "si_snri": f"{given[0]:.2f}",
                    "assigned_anew": f"{max(given):.2f}",
                    "model": asked.model,
                }
            )
            print(*rows[-1].values(), flush=True)
    keep_counted("stream_quality", rows)
    for column in ("si_snri", "assigned_anew"):
        for minute in (1, asked.minutes):
            found = [float(r[column]) for r in rows if r["minute"] == minute]
            print(f"{column}, minute {minute}: {statistics.fmean(found):.2f}")


if __name__ == "__main__":
    main()
