"""The items of the made-up corpora, one function each, as arrays.

Every item depends on the seed and on its own key only: the order in which
items are made does not matter, and any of them can be made again alone.

Throughout, ``seed`` is that of the corpora, not negative; ``split`` is 0, 1 or
2 for train, valid or test; ``number`` says which of its kind, from 0; and
``seconds`` are the shortest and the longest length.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from speechbrain_spmamba.prepare.made_up import sounds
from speechbrain_spmamba.prepare.made_up.voices import (
    Voice,
    draw_voice,
    speak,
)
from speechbrain_spmamba.prepare.seeded import generator

SUBSETS = ("train-clean-100", "dev-clean", "test-clean")
SPLITS = ("tr", "cv", "tt")
CHAPTER_LENGTH = 3  # utterances
WHAM_COLUMNS = (
    "utterance_id",
    "File ID",
    "Noise Band",
    "L to R Width (cm)",
    "Reverberation Level",
    "Location ID",
    "Location Day ID",
)


class Reader(NamedTuple):
    """One made-up reader and the folder it belongs to."""

    ident: int
    name: str
    subset: str
    voice: Voice


def make_reader(
    seed: int, split: int, number: int, contrast: float = 0.0
) -> Reader:
    """One reader, identity and voice; no reader is in two splits.

    Arguments
    ---------
    seed, split, number : int
        Which; splits from 0.
    contrast : float
        How far men's and women's voices are apart, see ``draw_voice``.

    Returns
    -------
    Reader

    Example
    -------
    >>> reader = make_reader(0, 0, 0)
    >>> reader.ident, reader.name, reader.subset
    (60, '|CBW|Simon', 'train-clean-100')
    """
    ident = 60 + 3 * number + split
    # Reader 60 of LibriSpeech has this name, on which many parsers trip.
    name = "|CBW|Simon" if ident == 60 else f"Made-up Reader {ident}"
    rng = generator(seed, f"voice/{split}", number)
    voice = draw_voice(rng, sex="MF"[number % 2], contrast=contrast)
    return Reader(ident, name, SUBSETS[split], voice)


def utterance_path(reader: Reader, number: int) -> Path:
    """Where an utterance of a reader lies within ``LibriSpeech``.

    Arguments
    ---------
    reader, number : Reader, int
        Whose and which.

    Returns
    -------
    Path
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


def make_utterance(
    seed: int,
    reader: Reader,
    number: int,
    seconds: tuple[float, float] = (4.0, 6.0),
) -> tuple[np.ndarray, list[str]]:
    """One utterance of a reader.

    Arguments
    ---------
    seed, reader, number : int, Reader, int
        Whose and which.
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
    rng = generator(seed, f"utterance/{reader.ident}", number)
    return speak(reader.voice, rng, float(rng.uniform(*seconds)))


def make_noise(
    seed: int,
    split: int,
    number: int,
    seconds: tuple[float, float] = (8.0, 12.0),
) -> tuple[np.ndarray, dict]:
    """One noise file and its line of metadata.

    Files come in pairs from one place, as WHAM! cuts several files from one
    recording.

    Arguments
    ---------
    seed, split, number : int
        Which; splits from 0.
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
    place_rng = generator(seed, f"place/{split}", recording)
    place = sounds.draw_place(place_rng)
    rng = generator(seed, f"noise/{split}", number)
    wave = sounds.ambience(place, rng, float(rng.uniform(*seconds)))
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
