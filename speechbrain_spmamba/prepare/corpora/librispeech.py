"""Finds the utterances of a LibriSpeech-shaped tree.

    <folder>/<subset>/<reader>/<chapter>/<reader>-<chapter>-<number>.flac
    <folder>/SPEAKERS.TXT

Any subset name and any audio suffix will do, so that one's own recordings
can take LibriSpeech's place; SPEAKERS.TXT may be missing. The folder may be
LibriSpeech's own or the one it was unpacked in; several folders are several
corpora, or one that is spread over disks.
"""

from dataclasses import dataclass
from pathlib import Path

from speechbrain_spmamba.files.audio_files import is_audio
from speechbrain_spmamba.prepare.corpora.index import folder_names, list_audio
from speechbrain_spmamba.prepare.corpora.readers import (
    choose_readers,
    name_reader,
)
from speechbrain_spmamba.prepare.corpora.recordings import Recording
from speechbrain_spmamba.prepare.corpora.roots import folder_list
from speechbrain_spmamba.prepare.corpora.speakers_table import (
    TABLE,
    check_readers,
    read_sexes,
    read_speakers,
    read_table,
)

__all__ = [
    "Utterance",
    "find_speech",
    "index_speech",
    "read_sexes",
    "read_speakers",
    "speech_pool",
]

TREE = "<subset>/<reader>/<chapter>/<reader>-<chapter>-<number>.flac"
SOURCE = "get LibriSpeech from openslr.org/12"


@dataclass(frozen=True)
class Utterance:
    """One file of one reader.

    Arguments
    ---------
    reader : str
        Name of the reader's folder; of a second corpus, behind ``c2.``.
    sex : str
        F or M from SPEAKERS.TXT; empty where it does not tell.
    path : Path
        The audio file.
    frames : int
        Samples.
    sample_rate : int
        Rate in Hz.
    """

    reader: str
    sex: str
    path: Path
    frames: int
    sample_rate: int

    @property
    def seconds(self):
        """Duration."""
        return self.frames / self.sample_rate


def speech_pool(
    folder,
    subsets,
    min_seconds=0.0,
    check=False,
    bad_share=0.05,
    jobs=1,
    readers=None,
    sex=None,
):
    """Lists what the readers of some subsets say, for scenes.

    Arguments
    ---------
    folder : str, Path or list
        LibriSpeech's folder, or the one above it, or several.
    subsets : list of str
        Names of subset folders.
    min_seconds : float
        Shorter utterances are left out, and readers who have no others.
    check : bool
        Decode every file and leave out bad ones (see ``index``).
    bad_share : float
        Share of bad files that is still forgiven.
    jobs : int
        Threads that open files.
    readers : list, optional
        Only these.
    sex : str, optional
        Only F or M.

    Returns
    -------
    dict
        reader -> list of Recording, both sorted; the reader is the group.

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
    for reader, utterances in index_speech(
        folder, subsets, check, bad_share, jobs, readers, sex
    ).items():
        for one in utterances:
            if one.seconds >= min_seconds:
                path, frames = str(one.path), one.frames
                recording = Recording(
                    path, frames, one.sample_rate, reader, sex=one.sex
                )
                pool.setdefault(reader, []).append(recording)
    if not pool:
        raise ValueError(
            f"{folder} has no utterance of {min_seconds:g} s or more in "
            f"{', '.join(subsets)}; lower min_seconds or add subsets"
        )
    return pool


def index_speech(
    folder,
    subsets,
    check=False,
    bad_share=0.05,
    jobs=1,
    readers=None,
    sex=None,
):
    """Lists the utterances of some subsets, reader by reader.

    Arguments
    ---------
    folder : str, Path or list
        LibriSpeech's folder, or the one above it, or several. Each subset
        must be in one of them at least.
    subsets : list of str
        Names of subset folders.
    check : bool
        Decode every file and leave out bad ones (see ``index``).
    bad_share : float
        Share of bad files that is still forgiven.
    jobs : int
        Threads that open files.
    readers : list, optional
        Only these; others need not be there.
    sex : str, optional
        Only F or M.

    Returns
    -------
    dict
        reader -> list of Utterance, both sorted.

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
    tables = [read_table(home) for home in homes]
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

        def named(path, number=number):
            return name_reader(path.partition("/")[0], number, tables)

        files = list_audio(
            place,
            "*/*/*",
            skip=lambda path, named=named: named(path) not in chosen,
            check=check,
            bad_share=bad_share,
            jobs=jobs,
        )
        for file in files:
            reader = named(file.name)
            utterance = Utterance(
                reader,
                sexes[reader],
                Path(file.path),
                file.frames,
                file.sample_rate,
            )
            speech.setdefault(reader, []).append(utterance)
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


def find_speech(folder, subsets):
    """Finds the folders that hold the subsets.

    Arguments
    ---------
    folder : str, Path or list
        Those folders, or the ones above them.
    subsets : list of str
        Names of subset folders.

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
