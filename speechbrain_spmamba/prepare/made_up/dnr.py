"""The mixtures of a made-up Divide and Remaster (DnR), as arrays.

Echo2Mix draws its music and effects from DnR.
"""

import numpy as np

from speechbrain_spmamba.audio import resample
from speechbrain_spmamba.prepare.made_up import sounds, voices
from speechbrain_spmamba.prepare.made_up.items import make_reader
from speechbrain_spmamba.prepare.seeded import generator

SAMPLE_RATE = 44100
COLUMNS = (
    "file",
    "class",
    "mix start time",
    "mix end time",
    "clip start sample",
    "clip end sample",
    "clip gain",
    "annotation",
)
# Levels of DnR's classes before the mixture is brought to its own level, dB.
LEVELS = {"speech": -17, "music": -24, "sfx": -21, "background": -29}


def _draw_clips(seed, split, number, length):
    """Yield (class, start in seconds, wave at 44.1 kHz, source, label)."""
    rng = generator(seed, f"dnr/{split}", number)
    reader = make_reader(seed, split, number)
    said = max(voices.SHORTEST, length * rng.uniform(0.5, 0.8))
    wave, words = voices.speak(reader.voice, rng, said)
    wave = resample(wave, voices.SAMPLE_RATE, SAMPLE_RATE)
    source = f"{reader.subset}/{reader.ident}"
    start = rng.uniform(0, length - said)
    yield "speech", start, wave, source, " ".join(words)
    played = length * rng.uniform(0.6, 0.9)
    wave = sounds.music(rng, played, SAMPLE_RATE)
    start = rng.uniform(0, length - played)
    yield "music", start, wave, f"piece_{split}_{number}", "Chords"
    for count in range(3):
        lasting = length / 3 * rng.uniform(0.3, 0.9)
        start = length / 3 * (count + rng.uniform(0.0, 0.1))
        wave, label = sounds.sound_event(rng, lasting, SAMPLE_RATE)
        yield "sfx", start, wave, f"event_{split}_{number}_{count}", label
    samples = int(length * SAMPLE_RATE)
    wave = sounds.coloured_noise(rng, samples, rng.uniform(1, 2), SAMPLE_RATE)
    yield "background", 0.0, wave, f"background_{split}_{number}", "Rumble"


def make_item(
    seed: int,
    split: int,
    number: int,
    seconds: tuple[float, float] = (4.0, 6.0),
) -> tuple[str, dict, list[dict]]:
    """One mixture of speech, music and sound effects; see ``items.py``.

    The speech is by readers of the split.

    Arguments
    ---------
    seed, split, number : int
        Which; splits from 0.
    seconds : tuple
        Shortest and longest.

    Returns
    -------
    name : str
        Of the mixture's folder.
    stems : dict
        ``mix``, ``speech``, ``music`` and ``sfx``: ``[T]``, float32, at
        44.1 kHz; ``mix`` is the sum of the others, the mixture's RMS is -29
        to -25 dBFS.
    rows : list of dict
        The lines of ``annots.csv``; gains are in dB, from the clip to the
        mixture.

    Example
    -------
    >>> name, stems, rows = make_item(0, 0, 0, seconds=(2.0, 2.0))
    >>> sorted(stems), stems["mix"].shape, rows[0]["class"]
    (['mix', 'music', 'sfx', 'speech'], (88200,), 'speech')
    """
    rng = generator(seed, f"dnr/levels/{split}", number)
    length = float(rng.uniform(*seconds))
    samples = round(length * SAMPLE_RATE)
    stems = {name: np.zeros(samples) for name in ("speech", "music", "sfx")}
    rows = []
    for class_, start, wave, source, label in _draw_clips(
        seed, split, number, length
    ):
        rms = 20 * np.log10(np.sqrt(np.mean(wave**2)))
        gain = LEVELS[class_] + rng.uniform(-2, 2) - rms
        begin = int(start * SAMPLE_RATE)
        wave = wave[: samples - begin]
        stem = stems["sfx" if class_ == "background" else class_]
        stem[begin : begin + len(wave)] += wave * 10 ** (gain / 20)
        ending = (begin + len(wave)) / SAMPLE_RATE
        values = (source, class_, begin / SAMPLE_RATE, ending, 0, len(wave))
        rows.append(dict(zip(COLUMNS, (*values, gain, label), strict=True)))
    mix = sum(stems.values())
    scale = 10 ** (rng.uniform(-29, -25) / 20) / np.sqrt(np.mean(mix**2))
    for row in rows:
        row["clip gain"] = round(row["clip gain"] + 20 * np.log10(scale), 4)
    stems = {name: (scale * s).astype("f4") for name, s in stems.items()}
    # A number that looks random, as in DnR, and never comes twice.
    name = 100 + 300 * number + 3 * rng.integers(100) + split
    return str(name), {"mix": sum(stems.values()), **stems}, rows
