"""Finds the utterances of a LibriSpeech-shaped tree.

    <folder>/<subset>/<reader>/<chapter>/<reader>-<chapter>-<number>.flac
    <folder>/SPEAKERS.TXT

Any subset name and any audio suffix will do, so that one's own recordings
can take LibriSpeech's place; SPEAKERS.TXT may be missing. The folder may be
LibriSpeech's own or the one it was unpacked in.
"""

from dataclasses import dataclass
from pathlib import Path

from speechbrain_spmamba.audio_folders import is_audio
from speechbrain_spmamba.prepare.index import folder_names, list_audio
from speechbrain_spmamba.prepare.recordings import Recording
from speechbrain_spmamba.texts import read_text

TREE = "<subset>/<reader>/<chapter>/<reader>-<chapter>-<number>.flac"
SOURCE = "get LibriSpeech from openslr.org/12"


@dataclass(frozen=True)
class Utterance:
    """One file of one reader.

    Arguments
    ---------
    reader : str
        Name of the reader's folder.
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


def speech_pool(
    folder, subsets, min_seconds=0.0, check=False, bad_share=0.05, jobs=1
):
    """Lists what the readers of some subsets say, for scenes.

    Arguments
    ---------
    folder : str or Path
        LibriSpeech's folder, or the one above it.
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
        folder, subsets, check, bad_share, jobs
    ).items():
        for one in utterances:
            path, frames = str(one.path), one.frames
            recording = Recording(
                path, frames, one.sample_rate, reader, sex=one.sex
            )
            if recording.seconds >= min_seconds:
                pool.setdefault(reader, []).append(recording)
    if not pool:
        raise ValueError(
            f"{folder} has no utterance of {min_seconds:g} s or more in "
            f"{', '.join(subsets)}; lower min_seconds or add subsets"
        )
    return pool


def index_speech(folder, subsets, check=False, bad_share=0.05, jobs=1):
    """Lists the utterances of some subsets, reader by reader.

    Arguments
    ---------
    folder : str or Path
        LibriSpeech's folder, or the one above it.
    subsets : list of str
        Names of subset folders.
    check : bool
        Decode every file and leave out bad ones (see ``index``).
    bad_share : float
        Share of bad files that is still forgiven.
    jobs : int
        Threads that open files.

    Returns
    -------
    dict
        reader -> list of Utterance, both sorted.

    Raises
    ------
    ValueError
        A subset is missing, holds no utterances or not all the readers that
        SPEAKERS.TXT promises, or too many files are bad.
    """
    subsets = [subsets] if isinstance(subsets, str) else list(subsets)
    folder = find_speech(folder, subsets)
    speakers = read_speakers(folder)
    readers = {}
    for subset in subsets:
        files = list_audio(
            folder / subset,
            "*/*/*",
            check=check,
            bad_share=bad_share,
            jobs=jobs,
        )
        if not files:
            raise ValueError(
                f"{folder} has no audio in {subset}; expected {folder}/{TREE}, "
                f"found {folder_names(folder / subset)}; {SOURCE}"
            )
        _check_readers(folder / subset, speakers)
        for file in files:
            reader = file.name.split("/")[0]
            sex = speakers.get(reader, ("",))[0]
            utterance = Utterance(
                reader, sex, Path(file.path), file.frames, file.sample_rate
            )
            readers.setdefault(reader, []).append(utterance)
    return dict(sorted(readers.items()))


def find_speech(folder, subsets):
    """Finds the folder that holds the subsets.

    Arguments
    ---------
    folder : str or Path
        That folder, or the one above it.
    subsets : list of str
        Names of subset folders.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        A subset is missing.
    """
    folder = Path(folder)
    home = folder
    if not any((folder / subset).is_dir() for subset in subsets):
        # A neighbor may have folders of the same names and other sounds.
        inside = [
            path
            for path in (folder / "LibriSpeech", *sorted(folder.glob("*/")))
            if any(_is_speech(path / subset) for subset in subsets)
        ]
        home = inside[0] if inside else folder
    missing = [name for name in subsets if not (home / name).is_dir()]
    if missing or not subsets:
        others = f" (nor {', '.join(missing[1:])})" if missing[1:] else ""
        raise ValueError(
            f"no speech in {home / ''.join(missing[:1])}{others}; expected "
            f"{home}/{TREE}, found {folder_names(home)}; {SOURCE}"
        )
    return home


def read_sexes(folder):
    """Reads who is a woman and who a man.

    Arguments
    ---------
    folder : str or Path
        Folder with ``SPEAKERS.TXT``.

    Returns
    -------
    dict
        reader -> F or M; empty without that file.
    """
    return {reader: row[0] for reader, row in read_speakers(folder).items()}


def read_speakers(folder):
    """Reads who reads what.

    Arguments
    ---------
    folder : str or Path
        Folder with ``SPEAKERS.TXT``: lines ``ID | SEX | SUBSET | MINUTES |
        NAME``, and comments that begin with ``;``.

    Returns
    -------
    dict
        reader -> (F or M, subset); empty without that file.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> line = "60   | M | train-clean-100  | 20.18 | |CBW|Simon"
    >>> (folder / "SPEAKERS.TXT").write_text(line)
    48
    >>> read_speakers(folder)
    {'60': ('M', 'train-clean-100')}
    """
    path = Path(folder) / "SPEAKERS.TXT"
    speakers = {}
    if path.is_file():
        # Names may be in any encoding; they are not read.
        for line in read_text(path, errors="replace").splitlines():
            # Reader 60 is named `|CBW|Simon`: the bars behind the fourth
            # belong to the name.
            fields = [field.strip() for field in line.split("|", 4)]
            if not line.startswith(";") and len(fields) == 5:
                speakers[fields[0]] = fields[1], fields[2]
    return speakers


def _check_readers(folder, speakers):
    """Says no to a subset that was unpacked in part."""
    promised = [
        reader for reader, row in speakers.items() if row[1] == folder.name
    ]
    missing = [name for name in promised if not (folder / name).is_dir()]
    if missing:
        raise ValueError(
            f"{folder} is incomplete: {len(missing)} of the {len(promised)} "
            f"readers in SPEAKERS.TXT are missing, first {missing[0]}; unpack "
            "it again, or take their lines out of SPEAKERS.TXT to go without"
        )


def _is_speech(folder):
    """Whether there is audio where LibriSpeech has it."""
    return any(map(is_audio, folder.glob("*/*/*")))
