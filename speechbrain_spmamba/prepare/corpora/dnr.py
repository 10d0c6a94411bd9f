"""Finds music and sound effects in Divide and Remaster (DnR), v2 and v3.

    v2  <folder>/{tr,cv,tt}/<item>/{mix,speech,music,sfx}.wav, annots.csv
    v3  <folder>/{multi,eng,...}/audio/{train,val,test}/<item>/
            {speech,music,sfx,sfx_fg,sfx_bg,mixture}.flac
        <folder>/{multi,eng,...}/manifest/{train,val,test}/<item>/
            {speech,music,sfx_fg,sfx_bg}.csv

A stem lasts a minute and is silent between its events. The annotation says
where they are, and each is a recording of its own; events that overlap are
one stretch. v3 keeps foreground and background in files of their
own. In v2 they are summed, so that a stretch is background only if all events
in it are: where a background sound runs on below a foreground one, the whole
stretch is foreground. Without an annotation a stem is one stretch.
"""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from speechbrain_spmamba.files.text import read_csv
from speechbrain_spmamba.prepare.corpora.index import (
    folder_names,
    list_audio,
    split_folder,
)

logger = logging.getLogger(__name__)

SOURCE = "get DnR v2 from zenodo.org/records/6949108, v3 from its GitHub page"
TREE = (
    "<folder>/{tr,cv,tt}/<item>/{music,sfx}.wav (v2) or <folder>/<language>/"
    "audio/{train,val,test}/<item>/{music,sfx_fg,sfx_bg}.flac (v3)"
)
SHORTEST = 0.1  # seconds of an event that is worth hearing
# What v3 calls the first sample and the number of samples of an event: as
# published, and as its generator writes them.
V3_COLUMNS = (
    ("start_time_sample", "segment_duration_sample"),
    ("start_sample", "length_sample"),
)


def dnr_pools(folder: str | Path, split: str, **checks: Any) -> dict:
    """Lists the music and the effects of a split, for scenes.

    Arguments
    ---------
    folder : str or Path
        DnR's folder as downloaded, or up to two above it.
    split : str
        Name of the split: tr, cv, tt or train, val, test.
    **checks : dict
        How files are checked, see ``index.list_audio``.

    Returns
    -------
    dict
        ``music``, ``effects`` (those in the foreground) and ``background``
        -> list of Clip, sorted. The group is the item, with its split:
        items of different splits may have the same number.

    Raises
    ------
    ValueError
        No DnR, no such split, no music or effects in it, too many bad files,
        or an annotation that cannot be read.
    """
    found = find_dnr(folder)
    if not found:
        raise ValueError(
            f"no DnR in {folder}; expected {TREE}, found "
            f"{folder_names(folder)}; {SOURCE}"
        )
    version, home = found
    top = home if version == 2 else home / "audio"
    place = split_folder(top, split)
    suffix = "wav" if version == 2 else "flac"
    stems = ["music", "sfx"] if version == 2 else ["music", "sfx_fg", "sfx_bg"]
    pools = {"music": [], "effects": [], "background": []}
    for stem in stems:
        files = list_audio(place, f"*/{stem}.{suffix}", **checks)
        if not files:
            raise ValueError(
                f"{place} has no <item>/{stem}.{suffix}; expected {TREE}, "
                f"found {folder_names(place if place.is_dir() else top)}; "
                f"{SOURCE}"
            )
        for file in files:
            item = file.name.split("/")[0]
            if version == 2:
                events = _read_v2(place / item / "annots.csv", stem, file)
            else:
                table = home / "manifest" / place.name / item / f"{stem}.csv"
                events = _read_v3(table, stem, file)
            for start, stop, class_ in find_stretches(events):
                if stop - start >= SHORTEST * file.sample_rate:
                    clip = file.clip(f"{place.name}/{item}")
                    clip = replace(clip, start=start, frames=stop - start)
                    pools[class_].append(clip)
    return pools


def find_dnr(folder: str | Path) -> tuple | None:
    """Finds DnR in a folder.

    Arguments
    ---------
    folder : str or Path
        DnR's folder, or up to two above it.

    Returns
    -------
    tuple or None
        The version, 2 or 3, and the folder that holds the splits of v2, or
        ``audio`` and ``manifest`` of v3. None if there is no DnR.

    Raises
    ------
    ValueError
        There is more than one.
    """
    folder = Path(folder)
    for homes in ([folder], folder.glob("*/"), folder.glob("*/*/")):
        found = [
            (version, home)
            for home in sorted(homes)
            if home.is_dir() and (version := _version(home))
        ]
        if len(found) > 1:
            names = ", ".join(path.name for _, path in found)
            raise ValueError(
                f"{folder} holds DnR more than once ({names}); give the "
                "folder of one of them"
            )
        if found:
            return found[0]
    return None


def find_stretches(events: list[tuple]) -> list[tuple]:
    """Joins events that overlap.

    Arguments
    ---------
    events : list of tuple
        (first sample, sample behind the last, class) of each.

    Returns
    -------
    list of tuple
        The same of each stretch, in order. One class stays what it is; of
        several, the stretch is ``effects``: they are in the foreground.

    Example
    -------
    >>> find_stretches([(0, 9, "background"), (20, 30, "background")])
    [(0, 9, 'background'), (20, 30, 'background')]
    >>> find_stretches([(5, 12, "effects"), (0, 9, "background")])
    [(0, 12, 'effects')]
    """
    stretches = []
    for start, stop, class_ in sorted(events):
        if stretches and start < stretches[-1][1]:
            before, until, other = stretches.pop()
            class_ = class_ if class_ == other else "effects"
            start, stop = before, max(until, stop)
        stretches.append((start, stop, class_))
    return stretches


def _version(folder):
    """2 or 3 where a folder is shaped like DnR, else 0."""
    for version, patterns in (
        (2, ("tr/*/sfx.wav", "cv/*/sfx.wav", "tt/*/sfx.wav")),
        (3, ("audio/*/*/sfx_fg.flac",)),
    ):
        if any(next(folder.glob(one), None) for one in patterns):
            return version
    return 0


def _read_v2(path, stem, file):
    """Events of a stem of v2, in samples."""
    own = "music" if stem == "music" else "effects"
    if not path.is_file():
        return [(0, file.frames, own)]
    events = []
    for _, row in read_csv(path)[1]:
        try:
            start, stop = (
                round(float(row[f"mix {end} time"]) * file.sample_rate)
                for end in ("start", "end")
            )
            class_ = row["class"].strip()
        except (KeyError, ArithmeticError, ValueError):
            raise ValueError(
                f"{path} has no 'class', 'mix start time' and 'mix end "
                f"time' in the row {row}; unpack it again, or remove it "
                "to take the stem as a whole"
            ) from None
        if (stem == "music") == (class_ == "music") and class_ != "speech":
            class_ = "background" if class_ == "background" else own
            events.append((start, stop, class_))
    return _within(events, file.frames)


def _read_v3(path, stem, file):
    """Events of a stem of v3, in samples."""
    classes = {"sfx_fg": "effects", "sfx_bg": "background"}
    class_ = classes.get(stem, "music")
    whole = [(0, file.frames, class_)]
    if not path.is_file():
        return whole
    events = []
    columns, rows = read_csv(path)
    pairs = [pair for pair in V3_COLUMNS if set(pair) <= set(columns)]
    if columns and not pairs:
        logger.warning("%s is of no known form and not used", path)
        return whole
    for _, row in rows:
        try:
            start, length = (round(float(row[key])) for key in pairs[0])
        except (ArithmeticError, ValueError):
            raise ValueError(
                f"{path} has no numbers in the row {row}; unpack it again, "
                "or remove it to take the stem as a whole"
            ) from None
        events.append((start, start + length, class_))
    return _within(events, file.frames)


def _within(events, frames):
    """The events, as far as the file goes."""
    cut = [(max(a, 0), min(b, frames), class_) for a, b, class_ in events]
    return [event for event in cut if event[0] < event[1]]
