"""Finds the utterances of a LibriSpeech-shaped tree.

    <folder>/<subset>/<reader>/<chapter>/<reader>-<chapter>-<number>.flac

Any subset name and any audio suffix will do, so that one's own recordings
can take LibriSpeech's place.
"""

from dataclasses import dataclass
from pathlib import Path

from speechbrain_spmamba.audio import AUDIO_SUFFIXES, open_audio

TREE = "<subset>/<reader>/<chapter>/<reader>-<chapter>-<number>.flac"


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


def index_speech(folder, subsets):
    """Lists the utterances of some subsets, reader by reader.

    Arguments
    ---------
    folder : str or Path
        Folder that holds the subsets.
    subsets : list of str
        Names of subset folders.

    Returns
    -------
    dict
        reader -> list of Utterance, both sorted.

    Raises
    ------
    ValueError
        A folder is missing or holds no utterances, or a file is unreadable.
    """
    folder = Path(folder)
    readers, sexes = {}, read_sexes(folder)
    for subset in subsets:
        if not (folder / subset).is_dir():
            found = _folders(folder) if folder.is_dir() else "no such folder"
            raise ValueError(
                f"no speech in {folder / subset}; expected {folder}/{TREE}, "
                f"found {found}; get LibriSpeech from openslr.org/12"
            )
        for path in sorted((folder / subset).glob("*/*/*")):
            if path.suffix.lower() in AUDIO_SUFFIXES:
                with open_audio(path) as file:
                    reader = path.parts[-3]
                    utterance = Utterance(
                        reader,
                        sexes.get(reader, ""),
                        path,
                        file.frames,
                        file.samplerate,
                    )
                if utterance.frames:
                    readers.setdefault(reader, []).append(utterance)
    if not readers:
        raise ValueError(
            f"{folder} has no audio in {', '.join(subsets)}; expected {TREE}"
        )
    return dict(sorted(readers.items()))


def read_sexes(folder):
    """Reads who is a woman and who a man.

    Arguments
    ---------
    folder : str or Path
        Folder with ``SPEAKERS.TXT``: lines ``ID | SEX | SUBSET | MINUTES |
        NAME``, and comments that begin with ``;``.

    Returns
    -------
    dict
        reader -> F or M; empty without that file.
    """
    path = Path(folder) / "SPEAKERS.TXT"
    sexes = {}
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            # Reader 60 is named `|CBW|Simon`: the bars behind the fourth
            # belong to the name.
            fields = [field.strip() for field in line.split("|", 4)]
            if not line.startswith(";") and len(fields) == 5:
                sexes[fields[0]] = fields[1]
    return sexes


def _folders(folder):
    """What stands in a folder, for an error message."""
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    return ", ".join(names[:8]) or "no folders"
