"""Small corpora of noise for tests of what is made of them."""

import numpy as np
import soundfile

RATE = 8000


def write_speech(
    folder, subset, readers, seconds=(0.4, 0.9), sexes=None, rate=RATE
):
    """A LibriSpeech-shaped subset; its table grows where there are sexes."""
    for reader in readers:
        for number, length in enumerate(seconds):
            name = f"{reader}-7-{number:04d}.flac"
            path = folder / subset / str(reader) / "7" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            rng = np.random.default_rng(list(f"{folder.name}/{name}".encode()))
            wave = 0.1 * rng.standard_normal(int(length * rate))
            soundfile.write(path, wave, rate)
    if sexes:
        lines = [
            f"{reader} | {sex} | {subset} | 1.0 | Reader {reader}\n"
            for reader, sex in zip(readers, sexes, strict=True)
        ]
        with open(folder / "SPEAKERS.TXT", "a") as table:
            table.writelines(lines)
    return folder


def write_noises(folder, split, names=("a",), seconds=1.2, rate=RATE):
    """Noise of a split."""
    (folder / split).mkdir(parents=True, exist_ok=True)
    for name in names:
        rng = np.random.default_rng(list(f"{split}/{name}".encode()))
        wave = 0.1 * rng.standard_normal(int(seconds * rate))
        soundfile.write(folder / split / f"{name}.wav", wave, rate)
    return folder


def tree(folder):
    """Every file and folder, with times of change and content."""
    return {
        path.relative_to(folder).as_posix(): (
            path.stat().st_mtime_ns,
            path.read_bytes() if path.is_file() else None,
        )
        for path in [folder, *sorted(folder.rglob("*"))]
    }


def content(folder):
    """Every file below a folder."""
    return {name: one[1] for name, one in tree(folder).items()}
