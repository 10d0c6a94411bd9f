"""Writes small LibriSpeech-, WHAM!- and DnR-shaped corpora without a download.

For a first run and for continuous integration: the folders, file formats,
names and metadata are those of the real corpora, the sounds are made up (see
``items.py`` and ``dnr.py``). Nothing measured on them says how good a model is.
"""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import wavfile

from speechbrain_spmamba.audio import write_audio
from speechbrain_spmamba.files.text import read_json
from speechbrain_spmamba.files.writing import (
    replacing,
    write_csv,
    write_json,
    write_text,
)
from speechbrain_spmamba.prepare.made_up import dnr
from speechbrain_spmamba.prepare.made_up.items import (
    SPLITS,
    WHAM_COLUMNS,
    make_noise,
    make_reader,
    make_utterance,
    utterance_path,
)
from speechbrain_spmamba.prepare.made_up.voices import SAMPLE_RATE, SHORTEST
from speechbrain_spmamba.prepare.sets import mixtures

ARGUMENTS_FILE = "synthetic.json"
FORMAT = 1  # raise it when the same arguments give other files
CORPORA = ("LibriSpeech", "wham_noise", "dnr_v2")
SPEAKERS_HEADER = """\
; Made-up readers, in the format of LibriSpeech.
;
;ID  |SEX| SUBSET           |MINUTES| NAME
"""


def make_corpora(
    output_folder: str | Path,
    seed: int = 0,
    readers: tuple = (24, 6, 6),
    utterances_per_reader: tuple = (4, 3, 4),
    utterance_seconds: tuple = (4.0, 6.0),
    noise_files: tuple = (6, 3, 3),
    noise_seconds: tuple = (8.0, 12.0),
    dnr_items: tuple = (2, 1, 1),
    dnr_seconds: tuple = (4.0, 6.0),
    contrast: float = 0.0,
) -> dict:
    """Writes the three corpora, or nothing if they are there already.

    Makes ``LibriSpeech``, ``wham_noise`` and ``dnr_v2`` in the output folder.
    The same arguments give the same bytes. After an interruption the next
    call starts again, and a file under its final name is always whole.
    Counts are triples for train, valid and test.

    Arguments
    ---------
    output_folder : str or path
        Made if it is not there. Must not hold corpora from elsewhere.
    seed : int
        Other seeds give other readers, words and noises.
    readers : tuple
        Number of LibriSpeech readers; no reader is in two splits.
    utterances_per_reader : tuple
        Number of utterances of each reader.
    utterance_seconds : tuple
        Shortest and longest utterance, at least 1 s.
    noise_files : tuple
        Number of WHAM! noise files.
    noise_seconds : tuple
        Shortest and longest noise file, at least 1 s.
    dnr_items : tuple
        Number of DnR mixtures.
    dnr_seconds : tuple
        Shortest and longest DnR mixture, at least 1 s.
    contrast : float
        How far men's and women's voices are apart: 0 as in life, 1 so far
        that a small model learns to separate them within a minute.

    Returns
    -------
    dict
        ``readers``, ``utterances``, ``noise_files`` and ``dnr_items``,
        summed over the splits.

    Example
    -------
    >>> folder = getfixture("tmpdir") / "corpora"
    >>> few = dict(readers=(2, 1, 1), utterances_per_reader=(1, 1, 1))
    >>> few.update(utterance_seconds=(1, 1), noise_seconds=(1, 1))
    >>> few.update(noise_files=(1, 0, 0), dnr_items=(0, 0, 0))
    >>> make_corpora(folder, seed=0, **few)
    {'readers': 4, 'utterances': 4, 'noise_files': 1, 'dnr_items': 0}
    """
    arguments = {
        "seed": seed,
        "readers": _counts("readers", readers),
        "utterances_per_reader": _counts(
            "utterances_per_reader", utterances_per_reader
        ),
        "utterance_seconds": _bounds("utterance_seconds", utterance_seconds),
        "noise_files": _counts("noise_files", noise_files),
        "noise_seconds": _bounds("noise_seconds", noise_seconds),
        "dnr_items": _counts("dnr_items", dnr_items),
        "dnr_seconds": _bounds("dnr_seconds", dnr_seconds),
        "contrast": float(contrast),
    }
    if not 0 <= contrast <= 1:
        raise ValueError(f"contrast is {contrast}; give a number from 0 to 1")
    if not isinstance(seed, int) or seed < 0:
        raise ValueError(f"seed is {seed!r}; give a whole number, 0 or more")
    folder = Path(output_folder)
    if not _is_finished(folder, arguments):
        _keep_arguments(folder, arguments, finished=False)
        _write_librispeech(folder / CORPORA[0], arguments)
        _write_wham(folder / CORPORA[1], arguments)
        _write_dnr(folder / CORPORA[2], arguments)
        _keep_arguments(folder, arguments, finished=True)
    readers, each = arguments["readers"], arguments["utterances_per_reader"]
    return {
        "readers": sum(readers),
        "utterances": int(np.dot(readers, each)),
        "noise_files": sum(arguments["noise_files"]),
        "dnr_items": sum(arguments["dnr_items"]),
    }


def prepare(corpora_folder: str | Path, corpora: dict, **settings: Any) -> dict:
    """Makes corpora, then mixtures of them: data for a first run.

    Arguments
    ---------
    corpora_folder : str or path
        Gets the corpora.
    corpora : dict
        Arguments of ``make_corpora``.
    **settings : dict
        Arguments of ``mixtures.prepare`` but the folders of the corpora.

    Returns
    -------
    dict
        Split name -> path of its manifest.
    """
    make_corpora(corpora_folder, **corpora)
    folder = Path(corpora_folder)
    return mixtures.prepare(
        speech_folder=folder / CORPORA[0],
        noise_folder=folder / CORPORA[1],
        **settings,
    )


def _counts(name, values):
    """Three whole numbers, as a list."""
    values = np.ravel(values).tolist()
    if len(values) != 3 or any(not isinstance(n, int) or n < 0 for n in values):
        raise ValueError(
            f"{name} is {values}; give three whole numbers, none negative: "
            "for train, valid and test"
        )
    return values


def _bounds(name, values):
    """Shortest and longest, in seconds, as a list."""
    values = np.ravel(values).astype(float).tolist()
    if len(values) != 2 or not SHORTEST <= values[0] <= values[1] < np.inf:
        raise ValueError(
            f"{name} is {values}; give the shortest and the longest length in "
            f"seconds, {SHORTEST} or more"
        )
    return values


def _is_finished(folder, arguments):
    """Whether these corpora are complete; raises if they are others."""
    path = folder / ARGUMENTS_FILE
    if not path.exists():
        for name in CORPORA:
            if (folder / name).exists():
                raise ValueError(
                    f"{folder / name} exists and {path} does not, so it was "
                    "not made here; give another output folder"
                )
        return False
    asked = {"format": FORMAT, **arguments}
    try:
        found = read_json(path)
        finished = found.pop("finished")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} does not tell what these corpora were made with "
            f"({error}); delete the folder or give another one"
        ) from error
    if found != asked:
        names = [n for n in asked if found.get(n) != asked[n]] or list(found)
        raise ValueError(
            f"{folder} was made with "
            + ", ".join(f"{n}={found.get(n)}" for n in names)
            + " and is asked for with "
            + ", ".join(f"{n}={asked.get(n)}" for n in names)
            + ": delete the folder or give another one"
        )
    return finished


def _keep_arguments(folder, arguments, finished):
    content = {"format": FORMAT, **arguments, "finished": finished}
    write_json(folder / ARGUMENTS_FILE, content)


def _write_float(path, wave, sample_rate):
    """Writes float32 WAV.

    libsndfile would note the time of writing in the file (its PEAK chunk),
    and the same arguments would not give the same bytes.
    """
    with replacing(path) as temporary:
        wavfile.write(temporary, sample_rate, wave)


def _write_librispeech(folder, arguments):
    seed, table = arguments["seed"], [SPEAKERS_HEADER]
    for split, count in enumerate(arguments["readers"]):
        each = arguments["utterances_per_reader"][split]
        for number in range(count):
            reader = make_reader(seed, split, number, arguments["contrast"])
            minutes = _write_reader(folder, seed, reader, each, arguments)
            table.append(
                f"{reader.ident:<4} | {reader.voice.sex} | "
                f"{reader.subset:<16} | {minutes:<5.2f} | {reader.name}\n"
            )
    write_text(folder / "SPEAKERS.TXT", "".join(table))


def _write_reader(folder, seed, reader, count, arguments):
    """Writes one reader's chapters; returns their length in minutes."""
    seconds, samples, chapters = arguments["utterance_seconds"], 0, {}
    for number in range(count):
        wave, words = make_utterance(seed, reader, number, seconds)
        path = folder / utterance_path(reader, number)
        write_audio(path, wave, SAMPLE_RATE, "PCM_16")
        line = f"{path.stem} {' '.join(words)}\n"
        chapters.setdefault(path.parent, []).append(line)
        samples += len(wave)
    for chapter, lines in chapters.items():
        name = f"{reader.ident}-{chapter.name}.trans.txt"
        write_text(chapter / name, "".join(lines))
    return samples / SAMPLE_RATE / 60


def _write_wham(folder, arguments):
    for split, count in enumerate(arguments["noise_files"]):
        rows = []
        for number in range(count):
            wave, row = make_noise(
                arguments["seed"], split, number, arguments["noise_seconds"]
            )
            path = folder / SPLITS[split] / row["utterance_id"]
            write_audio(path, wave, SAMPLE_RATE, "PCM_16")
            rows.append(row)
        name = f"noise_meta_{SPLITS[split]}.csv"
        write_csv(folder / "metadata" / name, rows, WHAM_COLUMNS)


def _write_dnr(folder, arguments):
    for split, count in enumerate(arguments["dnr_items"]):
        for number in range(count):
            name, stems, rows = dnr.make_item(
                arguments["seed"], split, number, arguments["dnr_seconds"]
            )
            item = folder / SPLITS[split] / name
            for stem, wave in stems.items():
                _write_float(item / f"{stem}.wav", wave, dnr.SAMPLE_RATE)
            write_csv(item / "annots.csv", rows, dnr.COLUMNS)
