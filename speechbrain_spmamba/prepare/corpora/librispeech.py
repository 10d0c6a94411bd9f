"""Finds the utterances of a LibriSpeech-shaped tree.

    <folder>/<subset>/<reader>/<chapter>/<reader>-<chapter>-<number>.flac
    <folder>/SPEAKERS.TXT

Any subset name and any audio suffix will do, so that one's own recordings
can take LibriSpeech's place; SPEAKERS.TXT may be missing. The folder may be
LibriSpeech's own or the one it was unpacked in; several folders are several
corpora, or one that is spread over disks.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from speechbrain_spmamba.files.audio_files import is_audio
from speechbrain_spmamba.prepare.corpora.index import folder_names, list_audio
from speechbrain_spmamba.prepare.corpora.roots import folder_list
from speechbrain_spmamba.prepare.corpora.speakers import (
    TABLE,
    check_readers,
    choose_readers,
    name_reader,
    read_speakers,
)

TREE = "<subset>/<reader>/<chapter>/<reader>-<chapter>-<number>.flac"
SOURCE = "get LibriSpeech from openslr.org/12"


def speech_pool(
    folder: str | Path | list,
    subsets: list[str],
    min_seconds: float = 0.0,
    **wanted: Any,
) -> dict:
    """Lists utterances of some length, for scenes.

    Arguments
    ---------
    folder, subsets : as in ``index_speech``
        The corpora.
    min_seconds : float
        Shorter utterances are left out, and readers who have no others.
    **wanted : dict
        Further arguments of ``index_speech``.

    Returns
    -------
    dict
        As ``index_speech`` gives it.

    Raises
    ------
    ValueError
        As in ``index_speech``, or all utterances are too short.

    Example
    -------
    >>> from speechbrain_spmamba.audio import write_audio
    >>> folder = getfixture("tmp_path")
    >>> path = folder / "LibriSpeech/dev-clean/84/121/84-121-0000.flac"
    >>> write_audio(path, [0.0] * 16000, 16000, "PCM_16")
    >>> speech_pool(folder, ["dev-clean"])["84"][0].seconds
    1.0
    """
    pool = {}
    for reader, utterances in index_speech(folder, subsets, **wanted).items():
        enough = [one for one in utterances if one.seconds >= min_seconds]
        if enough:
            pool[reader] = enough
    if not pool:
        raise ValueError(
            f"{folder} has no utterance of {min_seconds:g} s or more in "
            f"{', '.join(subsets)}; lower min_seconds or add subsets"
        )
    return pool


def index_speech(
    folder: str | Path | list,
    subsets: list[str],
    readers: list | None = None,
    sex: str | None = None,
    **checks: Any,
) -> dict:
    """Lists the utterances of some subsets, reader by reader.

    Arguments
    ---------
    folder : str, Path or list
        LibriSpeech's folder, or the one above it, or several. Each subset
        must be in one of them at least.
    subsets : list of str
        Names of subset folders.
    readers : list, optional
        Only these; others need not be there.
    sex : str, optional
        Only F or M.
    **checks : dict
        How files are checked, see ``index.list_audio``.

    Returns
    -------
    dict
        reader -> list of Clip, both sorted; the reader is the group. Readers
        of a second corpus are called ``c2.<reader>``.

    Raises
    ------
    ValueError
        A subset is missing, holds no utterances or not all the readers that
        SPEAKERS.TXT promises, or not those that are wanted, or too many files
        are bad.
    """
    subsets = [subsets] if isinstance(subsets, str) else subsets
    subsets = list(dict.fromkeys(subsets))
    homes = find_speech(folder, subsets)
    tables = [read_speakers(home) for home in homes]
    sexes = {}
    for number, place in _places(homes, subsets):
        for one in sorted(filter(Path.is_dir, place.glob("[!.]*"))):
            name = name_reader(one.name, number, tables)
            sexes[name] = tables[number].get(one.name, ("",))[0]
        if readers is None:
            check_readers(place, homes, tables[number])
    where = f"{' and '.join(map(str, homes))}, {', '.join(subsets)}"
    chosen = set(choose_readers(sexes, readers, sex, where))

    speech = {}
    for number, place in _places(homes, subsets):

        def reader_of(path, number=number):
            return name_reader(path.partition("/")[0], number, tables)

        files = list_audio(
            place,
            "*/*/*",
            skip=lambda path, of=reader_of: of(path) not in chosen,
            **checks,
        )
        for file in files:
            reader = reader_of(file.name)
            clip = replace(file.clip(reader), sex=sexes[reader])
            speech.setdefault(reader, []).append(clip)
        if not files and len(chosen) == len(sexes):
            home = place.parent
            raise ValueError(
                f"{home} has no audio in {place.name}; expected {home}/{TREE}, "
                f"found {folder_names(place)}; {SOURCE}"
            )
    silent = [one for one in sorted(chosen) if one not in speech]
    if readers is not None and silent:
        raise ValueError(f"{where}: reader {silent[0]} has no audio there")
    return dict(sorted(speech.items()))


def find_speech(folder: str | Path | list, subsets: list[str]) -> list[Path]:
    """Finds the folders that hold the subsets.

    Arguments
    ---------
    folder, subsets : as in ``index_speech``
        Those folders, or the ones above them.

    Returns
    -------
    list of Path
        The folder of each corpus.

    Raises
    ------
    ValueError
        A subset is in none of them, or there is no such folder.
    """
    folders = folder_list(folder, "speech_folder")
    homes = [_home(one, subsets) for one in folders]
    missing = [
        name
        for name in subsets
        if not any((home / name).is_dir() for home in homes)
    ]
    absent = [home for home in homes if not home.is_dir()]
    if missing or absent or not subsets or not homes:
        here = (absent or homes or [Path("nowhere")])[0]
        others = f" (nor {', '.join(missing[1:])})" if missing[1:] else ""
        more = f", nor in {', '.join(map(str, homes[1:]))}" if homes[1:] else ""
        raise ValueError(
            f"no speech in {here / ''.join(missing[:1])}{others}{more}; "
            f"expected {here}/{TREE}, found {folder_names(here)}; {SOURCE}"
        )
    return homes


def _home(folder, subsets):
    """Where the subsets of a corpus are, or else its table, or nothing."""
    if any((folder / subset).is_dir() for subset in subsets):
        return folder
    below = [folder / "LibriSpeech", *sorted(folder.glob("*/"))]
    # A neighbor may have folders of the same names and other sounds.
    inside = [
        path
        for path in below
        if any(_is_speech(path / subset) for subset in subsets)
    ]
    inside += [p for p in [folder, *below] if (p / TABLE).is_file()]
    return inside[0] if inside else folder


def _places(homes, subsets):
    """Number of the corpus and folder, of each subset wherever it is."""
    return [
        (number, home / subset)
        for subset in subsets
        for number, home in enumerate(homes)
        if (home / subset).is_dir()
    ]


def _is_speech(folder):
    """Whether there is audio where LibriSpeech has it."""
    return any(map(is_audio, folder.glob("*/*/*")))
