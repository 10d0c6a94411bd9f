"""Small sets in the layouts of several tools."""

import functools

import numpy as np
import soundfile

RATE = 8000
ITEMS = (
    "84-1-0001_121-2-0001",
    "84-1-0002_908-2-0002",
    "121-1-0003_908-2-0003",
)
# Tool -> its names of references, estimates and mixtures, and of the first
# source; where references have none, LibriMix's stand in another folder.
TOOLS = {
    "LibriMix, look2hear": (None, "s{n}/{id}.wav", None, 1),
    "ours, ClearerVoice": (None, "{id}_s{n}.wav", None, 1),
    "folders": (None, "{id}/s{n}.flac", None, 1),
    "asteroid-infer": (None, "{id}_est{n}.wav", None, 1),
    "ESPnet": (None, "wavs/{n}/{id}.wav", None, 1),
    "Asteroid eval.py": (
        "{id}/s{n}.wav",
        "{id}/s{n}_estimate.wav",
        "{id}/mixture.wav",
        0,
    ),
    "the toolkit's save_audio": (
        "{id}_source{n}.wav",
        "{id}_source{n}hat.wav",
        "{id}_mix.wav",
        1,
    ),
    "examples of ours": (
        "{id}/reference{n}.wav",
        "{id}/estimate{n}.wav",
        "{id}/mixture.wav",
        1,
    ),
}
LIBRIMIX = ("s{n}/{id}.wav", "mix_clean/{id}.wav")


@functools.cache
def signals(place, seconds=0.5, leak=0.1):
    """Sources and estimates of an item, ``[T, 2]``, the latter swapped."""
    drawn = np.random.default_rng(place)
    level = 0.1 * (1.2 + np.sin(np.arange(int(seconds * RATE)) / 600))
    src = level[:, None] * drawn.standard_normal((len(level), 2))
    est = src + leak * src[:, ::-1] + 0.003 * drawn.standard_normal(src.shape)
    return src, est[:, ::-1]


def write(folder, pattern, wave, item, number=0, rate=RATE):
    """Writes a signal under the name that a pattern gives it."""
    path = folder / pattern.format(id=item, n=number)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, rate)
    return path


def write_references(folder, pattern, mixture, first=1):
    """References of all items, and mixtures."""
    for place, item in enumerate(ITEMS):
        src, _ = signals(place)
        for n, wave in enumerate(src.T, first):
            write(folder, pattern, wave, item, n)
        write(folder, mixture, src.sum(1), item)


def write_estimates(folder, pattern, first=1, leak=0.1, items=ITEMS):
    """Estimates of the items, in another order than that of the references."""
    for place, item in enumerate(items):
        for n, wave in enumerate(signals(place, leak=leak)[1].T, first):
            write(folder, pattern, wave, item, n)
