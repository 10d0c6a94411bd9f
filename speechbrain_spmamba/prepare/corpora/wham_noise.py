"""Finds the recordings of WHAM! noise, in either of its two forms.

    wham_noise/{tr,cv,tt}/*.wav                cut, 16 kHz
    wham_noise/metadata/noise_meta_{tr,cv,tt}.csv
    high_res_wham/audio/file<F>_<offset>_loc<L>_day<D>.wav    whole, 48 kHz
    high_res_wham/high_res_metadata.csv

Any other <folder>/<split>/* will do as well. Files have two channels, of
which readers take the first. LibriMix adds sped-up copies (``*sp08.wav``,
``*sp12.wav``) beside the originals; those are left out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechbrain_spmamba.files.audio_files import is_audio
from speechbrain_spmamba.files.text import read_csv
from speechbrain_spmamba.prepare.corpora.index import (
    folder_names,
    list_audio,
    split_folder,
    split_names,
)
from speechbrain_spmamba.prepare.corpora.roots import folders_with

if TYPE_CHECKING:
    from speechbrain_spmamba.prepare.corpora.clips import Clip


SPED_UP = ("sp08", "sp12")
HIGH_RES = "high_res_metadata.csv"
ORIGINAL = re.compile(r"(file\d+)_")  # begins a high_res_wham name
SOURCE = "get WHAM! noise from wham.whisper.ai or set noise_folder"


def noise_pool(folder: str | Path, split: str, **checks: Any) -> list[Clip]:
    """Lists the noise recordings of a split, for scenes.

    Arguments
    ---------
    folder : str or Path
        ``wham_noise``, ``high_res_wham``, or the folder above.
    split : str
        Name of the split: tr, cv or tt; train, valid and test will do.
    **checks : dict
        How files are checked, see ``index.list_audio``.

    Returns
    -------
    list of Clip
        Sorted; the group is the recording that the file was cut from, as far
        as metadata or name tell, else the file.

    Raises
    ------
    ValueError
        The split is missing or empty, files of the metadata are missing, or
        too many files are bad.

    Example
    -------
    >>> from speechbrain_spmamba.audio import write_audio
    >>> folder = getfixture("tmp_path")
    >>> write_audio(folder / "wham_noise/tr/street.wav", [0.0] * 9, 16000)
    >>> [one.group for one in noise_pool(folder, "train")]
    ['street']
    """
    home = _home(folder, split)
    if (home / HIGH_RES).is_file():
        return _high_res_pool(home, split, checks)
    place = split_folder(home, split)
    files = list_audio(place, "*", skip=_is_sped_up, **checks)
    if not files:
        raise ValueError(_missing(place))
    groups = _read_groups(home / "metadata" / f"noise_meta_{place.name}.csv")
    _check_complete(place, groups)
    return [
        file.clip(groups.get(file.name) or Path(file.name).stem)
        for file in files
    ]


def index_noise(folder: str | Path | list, split: str) -> list[Path]:
    """Lists the noise files of a split.

    Arguments
    ---------
    folder : str, Path or list
        Folder that holds the splits, or the one above it, or several.
    split : str
        Name of the split's folder: tr, cv or tt in WHAM!.

    Returns
    -------
    list of Path
        Audio files, sorted, folder by folder.

    Raises
    ------
    ValueError
        The folder is missing or holds no audio.
    """
    paths = []

    def place_of(folder):
        return split_folder(_home(folder, split), split)

    for _, one in folders_with(
        split, folder, lambda one: place_of(one).is_dir(), "noise_folder"
    ):
        place = place_of(one)
        found = [
            path
            for path in sorted(place.glob("[!.]*"))
            if is_audio(path) and not _is_sped_up(path.name)
        ]
        if not found:
            raise ValueError(_missing(place))
        paths += found
    return paths


def find_wham(folder: str | Path) -> Path | None:
    """Finds WHAM! noise in a folder.

    Arguments
    ---------
    folder : str or Path
        The folder itself, or the one above.

    Returns
    -------
    Path or None
        The folder that holds the splits or the table of high_res_wham; None
        if it looks like neither.
    """
    folder = Path(folder)
    for home in (folder, folder / "wham_noise", folder / "high_res_wham"):
        if (home / HIGH_RES).is_file():
            return home
        # DnR has splits of these names as well, and folders in them.
        for split in ("tr", "cv", "tt"):
            files = (home / split).glob("*.*")
            if any(map(is_audio, files)):
                return home
    return None


def _home(folder, split):
    """The folder that holds a split, or should."""
    if (Path(folder) / split).is_dir():
        return Path(folder)
    return find_wham(folder) or Path(folder)


def _high_res_pool(home, split, checks):
    """Recordings of high_res_wham that its table gives to a split."""
    rows = _read_table(home / HIGH_RES, "Filename", "WHAM! Split")
    names = split_names(split)
    wanted = {
        Path(name).name for name, of in rows.items() if of.lower() in names
    }
    if not wanted:
        splits = ", ".join(sorted(set(rows.values()))) or "no rows"
        raise ValueError(
            f"{home / HIGH_RES} has no recordings of split {split}; it has "
            f"{splits}; name one of these"
        )
    files = list_audio(
        home / "audio", "*", skip=lambda name: name not in wanted, **checks
    )
    if not files:
        raise ValueError(
            f"{home / 'audio'} has none of the {len(wanted)} recordings of "
            f"split {split}; expected file<F>_<offset>_loc<L>_day<D>.wav, "
            f"found {folder_names(home / 'audio')}; {SOURCE}"
        )
    _check_complete(home / "audio", wanted)
    pool = []
    for file in files:
        found = ORIGINAL.match(file.name)
        pool.append(file.clip(found[1] if found else Path(file.name).stem))
    return pool


def _read_groups(path):
    """File name -> original recording; empty without the table."""
    if not path.is_file():
        return {}
    return _read_table(path, "utterance_id", "File ID")


def _read_table(path, key, value):
    """Two columns of a CSV file, one by the other."""
    columns, rows = read_csv(path)
    for column in (key, value):
        if column not in columns:
            raise ValueError(
                f"{path} has no column '{column}'; it has "
                f"{', '.join(columns) or 'none'}; {SOURCE}"
            )
    return {row[key]: row[value].strip() for _, row in rows}


def _check_complete(place, names):
    """Says no where files of the metadata are not on disk."""
    missing = [name for name in sorted(names) if not (place / name).is_file()]
    if missing:
        raise ValueError(
            f"{place} is incomplete: {len(missing)} of the {len(names)} files "
            f"in its metadata are missing, first {missing[0]}; unpack it "
            "again, or take them out of the metadata to go without"
        )


def _is_sped_up(name):
    """Whether LibriMix made the file out of another."""
    return Path(name).stem.endswith(SPED_UP)


def _missing(place):
    """What to say where there is no noise."""
    state = "holds no audio" if place.is_dir() else "does not exist"
    return (
        f"noise folder {place} {state}; expected <noise_folder>/<split>/"
        f"*.wav, found {folder_names(place.parent)}; {SOURCE}"
    )
