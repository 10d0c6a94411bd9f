"""The items of the made-up corpora, one function each, as arrays.

Every item depends on the seed and on its own key only: the order in which
items are made does not matter, and any of them can be made again alone.
"""

import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from speechbrain_spmamba.audio import resample
from speechbrain_spmamba.prepare.made_up import sounds
from speechbrain_spmamba.prepare.made_up.voices import (
    SAMPLE_RATE,
    SHORTEST,
    Voice,
    draw_voice,
    speak,
)

SUBSETS = ("train-clean-100", "dev-clean", "test-clean")
SPLITS = ("tr", "cv", "tt")
CHAPTER_LENGTH = 3  # utterances
DNR_RATE = 44100
WHAM_COLUMNS = (
    "utterance_id",
    "File ID",
    "Noise Band",
    "L to R Width (cm)",
    "Reverberation Level",
    "Location ID",
    "Location Day ID",
)
DNR_COLUMNS = (
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
DNR_LEVELS = {"speech": -17, "music": -24, "sfx": -21, "background": -29}


class Reader(NamedTuple):
    """One made-up reader and the folder it belongs to."""

    ident: int
    name: str
    subset: str
    voice: Voice


def item_generator(seed, key, number=0):
    """The generator of one item's randomness.

    Arguments
    ---------
    seed : int
        Seed of the corpora, not negative.
    key : str
        What kind of item.
    number : int
        Which of that kind.

    Returns
    -------
    rng : numpy.random.Generator

    Example
    -------
    >>> one = item_generator(0, "voice", 3).random()
    >>> one == item_generator(0, "voice", 3).random()
    True
    """
    return np.random.default_rng([seed, zlib.crc32(key.encode()), number])


def make_reader(seed, split, number, contrast=0.0):
    """One reader: identity and voice.

    Arguments
    ---------
    seed : int
        Seed of the corpora.
    split : int
        0, 1 or 2: train, valid or test. No reader is in two splits.
    number : int
        Which reader of the split, from 0.
    contrast : float
        How far men's and women's voices are apart, see ``draw_voice``.

    Returns
    -------
    reader : Reader

    Example
    -------
    >>> reader = make_reader(0, 0, 0)
    >>> reader.ident, reader.name, reader.subset
    (60, '|CBW|Simon', 'train-clean-100')
    """
    ident = 60 + 3 * number + split
    # Reader 60 of LibriSpeech has this name, on which many parsers trip.
    name = "|CBW|Simon" if ident == 60 else f"Made-up Reader {ident}"
    rng = item_generator(seed, f"voice/{split}", number)
    voice = draw_voice(rng, sex="MF"[number % 2], contrast=contrast)
    return Reader(ident, name, SUBSETS[split], voice)


def utterance_path(reader, number):
    """Where an utterance lies within ``LibriSpeech``.

    Arguments
    ---------
    reader : Reader
        Who speaks.
    number : int
        Which utterance of the reader, from 0.

    Returns
    -------
    path : pathlib.Path
        Relative, with the suffix ``.flac``.

    Example
    -------
    >>> utterance_path(make_reader(0, 1, 0), 4).as_posix()
    'dev-clean/61/6101/61-6101-0001.flac'
    """
    chapter, line = divmod(number, CHAPTER_LENGTH)
    chapter += 100 * reader.ident
    name = f"{reader.ident}-{chapter}-{line:04d}.flac"
    return Path(reader.subset, str(reader.ident), str(chapter), name)


def _draw_seconds(rng, bounds):
    return float(rng.uniform(*bounds))


def make_utterance(seed, reader, number, seconds=(4.0, 6.0)):
    """One utterance of a reader.

    Arguments
    ---------
    seed : int
        Seed of the corpora.
    reader : Reader
        Who speaks.
    number : int
        Which utterance of the reader, from 0.
    seconds : tuple
        Shortest and longest.

    Returns
    -------
    wave : numpy.ndarray
        ``[T]`` at 16 kHz.
    words : list of str
        What was said, spelt by sound.

    Example
    -------
    >>> wave, words = make_utterance(0, make_reader(0, 0, 0), 0, (1.0, 1.0))
    >>> wave.shape
    (16000,)
    """
    rng = item_generator(seed, f"utterance/{reader.ident}", number)
    return speak(reader.voice, rng, _draw_seconds(rng, seconds))


def make_noise(seed, split, number, seconds=(8.0, 12.0)):
    """One noise file and its line of metadata.

    Arguments
    ---------
    seed : int
        Seed of the corpora.
    split : int
        0, 1 or 2: train, valid or test.
    number : int
        Which file of the split, from 0. Files come in pairs from one place,
        as WHAM! cuts several files from one recording.
    seconds : tuple
        Shortest and longest.

    Returns
    -------
    wave : numpy.ndarray
        ``[T, 2]`` at 16 kHz.
    row : dict
        By the column names of ``noise_meta_*.csv``.

    Example
    -------
    >>> wave, row = make_noise(0, 0, 3, seconds=(1.0, 1.0))
    >>> wave.shape, row["File ID"]
    ((16000, 2), 'tr0001')
    """
    recording = number // 2
    place_rng = item_generator(seed, f"place/{split}", recording)
    place = sounds.draw_place(place_rng)
    rng = item_generator(seed, f"noise/{split}", number)
    wave = sounds.ambience(place, rng, _draw_seconds(rng, seconds))
    snr = rng.uniform(0.0, 2.5)
    # The real names are those of the WSJ0 mixtures that the noise is for.
    first = f"{number % 1000:03d}{'aco'[split]}{rng.integers(10000):04d}"
    second = f"{rng.integers(20, 500):03d}o{rng.integers(10000):04d}"
    row = {
        "utterance_id": f"{first}_{snr:.5g}_{second}_{-snr:.5g}.wav",
        "File ID": f"{SPLITS[split]}{recording:04d}",
        "Noise Band": int(np.digitize(place.level_db, (-36, -33, -30))),
        "L to R Width (cm)": f"{place.width_cm:.1f} cm",
        "Reverberation Level": "lmh"[place_rng.integers(3)],
        "Location ID": f"loc{SPLITS[split]}{recording:03d}",
        "Location Day ID": f"day{1 + place_rng.integers(3)}",
    }
    return wave, row


def _dnr_clips(seed, split, number, length):
    """Yield (class, start in seconds, wave at 44.1 kHz, source, label)."""
    rng = item_generator(seed, f"dnr/{split}", number)
    reader = make_reader(seed, split, number)
    said = max(SHORTEST, length * rng.uniform(0.5, 0.8))
    wave, words = speak(reader.voice, rng, said)
    wave = resample(wave, SAMPLE_RATE, DNR_RATE)
    source = f"{reader.subset}/{reader.ident}"
    start = rng.uniform(0, length - said)
    yield "speech", start, wave, source, " ".join(words)
    played = length * rng.uniform(0.6, 0.9)
    wave = sounds.music(rng, played, DNR_RATE)
    start = rng.uniform(0, length - played)
    yield "music", start, wave, f"piece_{split}_{number}", "Chords"
    for count in range(3):
        lasting = length / 3 * rng.uniform(0.3, 0.9)
        start = length / 3 * (count + rng.uniform(0.0, 0.1))
        wave, label = sounds.sound_event(rng, lasting, DNR_RATE)
        yield "sfx", start, wave, f"event_{split}_{number}_{count}", label
    samples = int(length * DNR_RATE)
    wave = sounds.coloured_noise(rng, samples, rng.uniform(1, 2), DNR_RATE)
    yield "background", 0.0, wave, f"background_{split}_{number}", "Rumble"


def make_dnr_item(seed, split, number, seconds=(4.0, 6.0)):
    """One mixture of speech, music and sound effects.

    Arguments
    ---------
    seed : int
        Seed of the corpora.
    split : int
        0, 1 or 2: train, valid or test. The speech is by readers of it.
    number : int
        Which mixture of the split, from 0.
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
    >>> name, stems, rows = make_dnr_item(0, 0, 0, seconds=(2.0, 2.0))
    >>> sorted(stems), stems["mix"].shape, rows[0]["class"]
    (['mix', 'music', 'sfx', 'speech'], (88200,), 'speech')
    """
    rng = item_generator(seed, f"dnr/levels/{split}", number)
    length = _draw_seconds(rng, seconds)
    samples = round(length * DNR_RATE)
    stems = {name: np.zeros(samples) for name in ("speech", "music", "sfx")}
    rows = []
    for kind, start, wave, source, label in _dnr_clips(
        seed, split, number, length
    ):
        rms = 20 * np.log10(np.sqrt(np.mean(wave**2)))
        gain = DNR_LEVELS[kind] + rng.uniform(-2, 2) - rms
        begin = int(start * DNR_RATE)
        wave = wave[: samples - begin]
        stem = stems["sfx" if kind == "background" else kind]
        stem[begin : begin + len(wave)] += wave * 10 ** (gain / 20)
        ending = (begin + len(wave)) / DNR_RATE
        values = (source, kind, begin / DNR_RATE, ending, 0, len(wave))
        rows.append(dict(zip(DNR_COLUMNS, (*values, gain, label), strict=True)))
    mix = sum(stems.values())
    scale = 10 ** (rng.uniform(-29, -25) / 20) / np.sqrt(np.mean(mix**2))
    for row in rows:
        row["clip gain"] = round(row["clip gain"] + 20 * np.log10(scale), 4)
    stems = {name: (scale * s).astype("f4") for name, s in stems.items()}
    # A number that looks random, as in DnR, and never comes twice.
    name = 100 + 300 * number + 3 * rng.integers(100) + split
    return str(name), {"mix": sum(stems.values()), **stems}, rows
