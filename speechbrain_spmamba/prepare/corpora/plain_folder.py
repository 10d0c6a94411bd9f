"""Any plain folder of audio can stand in for noise, music or effects.

    <folder>/<split>/**/*.{wav,flac,ogg,...}   or   <folder>/**/*

What one recording is shows in the names. Files that are called segments
(``rain_part2.ogg``, ``rain-seg03.wav``) belong to ``rain``. Otherwise a file
is a recording of its own, and the same name in two splits is the same
recording, except that names which end in a number say nothing: numbers start
again in every folder. Numbered files that share an original must be kept in
one split by whoever arranges the folder.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from speechbrain_spmamba.prepare.corpora.index import (
    folder_names,
    list_audio,
    split_folder,
)

if TYPE_CHECKING:
    from speechbrain_spmamba.prepare.corpora.clips import Clip


SEGMENT = re.compile(
    r"(?<=.)[-_. ](segment|seg|part|chunk|slice|excerpt|piece)[-_. ]?\d+$",
    re.IGNORECASE,
)


def folder_pool(
    folder: str | Path, split: str | None = None, **checks: Any
) -> list[Clip]:
    """Lists the recordings of a plain folder, for scenes.

    Arguments
    ---------
    folder : str or Path
        Folder of audio, or of one folder a split.
    split : str, optional
        Name of the split's folder; without it, all files are taken.
    **checks : dict
        How files are checked, see ``index.list_audio``.

    Returns
    -------
    list of Clip
        Sorted; the group is the original recording as the names tell it.

    Raises
    ------
    ValueError
        No audio, or too many bad files.

    Example
    -------
    >>> from speechbrain_spmamba.audio import write_audio
    >>> folder = getfixture("tmp_path")
    >>> for name in ("rain-part1", "rain-part2", "wind"):
    ...     write_audio(folder / "train" / f"{name}.wav", [0.0] * 9, 8000)
    >>> [one.group for one in folder_pool(folder, "train")]
    ['rain', 'rain', 'wind']
    """
    place = Path(folder) if split is None else split_folder(folder, split)
    files = list_audio(place, **checks)
    if not files:
        around = place if place.is_dir() else Path(folder)
        raise ValueError(
            f"no audio in {place}; expected .wav, .flac, .ogg or .mp3 files "
            f"there, found {folder_names(around)}; give another folder"
        )
    inside = "" if split is None else place.name
    return [file.clip(original_recording(file.name, inside)) for file in files]


def original_recording(name: str, split: str = "") -> str:
    """Names the recording that a file was cut from.

    Arguments
    ---------
    name : str
        Path of the file within its split.
    split : str
        The split, to tell numbered files apart.

    Returns
    -------
    str
        What may be in one split only.

    Example
    -------
    >>> original_recording("street/rain_seg12.wav", "train")
    'street/rain'
    >>> original_recording("street/0012.wav", "train")
    'train/street/0012'
    """
    path = PurePosixPath(name)
    stem = SEGMENT.sub("", path.stem)
    group = path.with_name(stem).as_posix()
    numbered = stem[-1].isdigit()
    return f"{split}/{group}" if split and numbered else group
