"""Recordings for the tests of scenes: imaginary ones, and small real files."""

import sys
import types

import numpy as np
import soundfile

from speechbrain_spmamba.prepare.corpora.clips import Clip, Pools

RATE = 8000
SHORT = {  # eight seconds in a small room
    "seconds": 8.0,
    "speech_count": 3.0,
    "pause_scale": 0.2,
    "pause_shift": 0.0,
    "crossfade": 0.5,
    "room": {"rt60": [0.2, 0.3], "length": [3.0, 4.0], "width": [3.0, 4.0]},
}


def imaginary_pools(readers=20, noises=40):
    """No files; utterances as long as those of LibriSpeech train-clean-100."""
    rng = np.random.default_rng(0)
    shares, lengths = (
        [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1],
        [3, 5.1, 11.9, 14.1, 15.2, 16.1, 24.5],
    )

    def some(kind, count, group, seconds, rate):
        return [
            Clip(f"{kind}{i}.wav", int(s * rate), rate, group.format(i))
            for i, s in enumerate(seconds(count))
        ]

    def spoken(count):
        return np.interp(rng.uniform(size=count), shares, lengths)

    return Pools(
        speech={
            f"r{reader}": some(f"r{reader}-", 100, f"r{reader}", spoken, 16000)
            for reader in range(readers)
        },
        noise=some("n", noises, "n{}", lambda n: rng.uniform(4, 20, n), 16000),
        music=some("m", 30, "m{}", lambda n: rng.uniform(4, 36, n), 48000),
        effects=some("e", 50, "e{}", lambda n: rng.uniform(0.5, 9, n), 44100),
        background=some("b", 30, "b{}", lambda n: rng.uniform(2, 20, n), 44100),
    )


def sound_pools(folder, readers=4, first=0):
    """Writes noise in bursts as utterances, and noise of other colours."""
    rng = np.random.default_rng(first)
    folder.mkdir(parents=True, exist_ok=True)

    def record(name, seconds, group, rate=RATE, colour=0.9):
        frames = int(seconds * rate)
        white = rng.standard_normal(frames)
        wave = np.zeros(frames)
        for lag in range(8):
            wave[lag:] += colour**lag * white[: frames - lag]
        time = np.arange(frames) / rate
        wave *= 0.05 * (1.1 + np.sin(2 * np.pi * 3 * time))
        soundfile.write(folder / f"{name}.wav", wave, rate, subtype="PCM_16")
        return Clip(str(folder / f"{name}.wav"), frames, rate, group)

    return Pools(
        speech={
            f"{first + r}": [
                record(f"{first + r}-{u}", 0.8 + 0.5 * u, f"{first + r}")
                for u in range(4)
            ]
            for r in range(readers)
        },
        noise=[record(f"n{first + i}", 3.0 + i, f"n{i}") for i in range(3)],
        music=[
            record(f"m{first + i}", 4.0, f"m{i}", 16000, -0.5) for i in range(3)
        ],
        effects=[
            record(f"e{first + i}", 1.0 + i, f"e{i}", 11025, 0.0)
            for i in range(4)
        ],
        background=[record(f"b{first}", 3.0, "b")],
    )


def replace_pools(monkeypatch, pools):
    """Lets ``prepare`` find these pools, split name -> Pools."""
    fake = types.ModuleType("pools")
    fake.make_pools = lambda splits, **_: {
        split: pools[split] for split in splits
    }
    module = "speechbrain_spmamba.prepare.scenes.pools"
    monkeypatch.setitem(sys.modules, module, fake)
