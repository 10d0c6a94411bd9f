"""Small trees of audio files for tests of what reads them."""

import numpy as np
import soundfile


def write_parts(folder, parts, names, frames=400, rate=8000):
    """Writes ``<folder>/<part>/<name>.wav``, noise that differs."""
    for part in parts:
        for name in names:
            write_noise(folder / part / f"{name}.wav", frames, rate)


def write_noise(path, frames=400, rate=8000, level=0.1, channels=1):
    """Writes one file of noise, its own by the path's name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(
        list(str(path.name + path.parent.name).encode())
    )
    wave = level * rng.uniform(-1, 1, (frames, channels))
    soundfile.write(path, wave, rate, subtype="PCM_16")
    return wave
