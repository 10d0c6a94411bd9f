"""What every index of a corpus shares: find files, describe, remember, judge.

A file is opened once. What its header tells is kept as JSON in the cache
folder (``files/cache.py``), never in the corpus, under the file's relative
path, size and time of change: the next search opens only what is new, has
changed or was bad. Where nothing can be written, nothing is kept and nothing
fails.

Bad files are left out and named (see ``integrity.py``): by their headers
always, by their samples with ``check=True``, which decodes everything. What
only the samples tell is not used without it, though the cache may know it: the
same call must give the same files on any machine.
"""

import hashlib
import logging
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from joblib import Parallel, delayed
from tqdm import tqdm

from speechbrain_spmamba.files.audio_files import audio_files
from speechbrain_spmamba.files.cache import cache_folder
from speechbrain_spmamba.files.text import read_json
from speechbrain_spmamba.files.writing import write_json
from speechbrain_spmamba.prepare.corpora.clips import Clip
from speechbrain_spmamba.prepare.corpora.integrity import (
    check_samples,
    read_header,
)

logger = logging.getLogger(__name__)

FORMAT = 2  # raise it when an index of old would be misread
MANY = 1000  # files to open that are worth a progress bar
SHOWN = 5  # bad files that are named in a warning
SPLIT_NAMES = (
    ("train", "tr", "training"),
    ("valid", "cv", "val", "dev", "validation"),
    ("test", "tt", "eval"),
)


class AudioFile(NamedTuple):
    """A good file: where it is, its name in the folder, length and rate."""

    path: str
    name: str
    frames: int
    sample_rate: int

    def clip(self, group):
        """The whole file as a Clip of a group."""
        return Clip(self.path, self.frames, self.sample_rate, group)


class _Facts(NamedTuple):
    """What an index remembers of a file."""

    size: int
    mtime_ns: int
    frames: int
    sample_rate: int
    header_defect: str  # empty: none
    sample_defect: str | None  # None: not looked at


def list_audio(
    folder: str | Path,
    pattern: str = "**/*",
    skip: Callable | None = None,
    sample_rate: int | None = None,
    check: bool = False,
    bad_share: float = 0.05,
    jobs: int = 1,
) -> list[AudioFile]:
    """Lists the good audio files of a folder.

    Arguments
    ---------
    folder : str or Path
        Where to look. Links are followed, hidden files are not seen.
    pattern : str
        Glob below the folder; ``**`` is any number of folders.
    skip : callable, optional
        Says of a relative path whether to leave it out without a word.
    sample_rate : int, optional
        Rate in Hz that every file must have.
    check : bool
        Decode every file as well, and leave out those with bad samples.
    bad_share : float
        Bad files are skipped with a warning up to this share of all.
    jobs : int
        Threads that open files.

    Returns
    -------
    list of AudioFile
        Sorted by their relative paths; empty if there is no audio.

    Raises
    ------
    ValueError
        More bad files than ``bad_share``.

    Example
    -------
    >>> from speechbrain_spmamba.audio import write_audio
    >>> folder = getfixture("tmp_path")
    >>> write_audio(folder / "a" / "b.wav", [0.0] * 100, 8000)
    >>> [(file.name, file.frames) for file in list_audio(folder)]
    [('a/b.wav', 100)]
    """
    folder = Path(folder)
    keys = _find(folder, pattern)
    wanted = [name for name in keys if not (skip and skip(name))]
    cache = _cache_path(folder, pattern)
    known = _load(cache)
    # What is still the same is known, wanted or not.
    facts = {n: entry for n, entry in known.items() if entry[:2] == keys.get(n)}
    new = [n for n in wanted if not _is_enough(facts.get(n), check)]
    try:
        looked = Parallel(n_jobs=jobs, prefer="threads", return_as="generator")(
            delayed(_look)(folder / name, *keys[name], check) for name in new
        )
        bar = tqdm(
            looked,
            desc=f"indexing {folder.name}",
            total=len(new),
            disable=True if len(new) < MANY else None,
        )
        for name, entry in zip(new, bar, strict=True):
            facts[name] = entry
    finally:
        # Also when stopped half-way: what was opened need not be again.
        if facts != known:
            _save(cache, facts)

    files, defects = [], {}
    for name in wanted:
        entry = facts[name]
        defect = entry.header_defect or (check and entry.sample_defect)
        if not defect and sample_rate not in (None, entry.sample_rate):
            defect = f"is at {entry.sample_rate} Hz, expected {sample_rate} Hz"
        if defect:
            defects[name] = defect
        else:
            path = str(folder / name)
            files.append(AudioFile(path, name, entry.frames, entry.sample_rate))
    _report(folder, defects, len(wanted), bad_share)
    return files


def split_folder(folder: str | Path, split: str) -> Path:
    """Finds a split's folder under the names that corpora give it.

    Arguments
    ---------
    folder : str or Path
        Holds the splits.
    split : str
        Any name; ``train``, ``valid`` and ``test`` also find ``tr``, ``cv``
        or ``val``, and ``tt``, and the other way round.

    Returns
    -------
    Path
        The folder; ``<folder>/<split>``, which does not exist, if none does.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> (folder / "cv").mkdir()
    >>> split_folder(folder, "valid").name
    'cv'
    """
    for name in split_names(split):
        if (Path(folder) / name).is_dir():
            return Path(folder) / name
    return Path(folder) / split


def split_names(split: str) -> tuple[str, ...]:
    """The names of a split, the given one first.

    Arguments
    ---------
    split : str
        Any name.

    Returns
    -------
    tuple of str
        Itself, and what it is called elsewhere.

    Example
    -------
    >>> split_names("tt"), split_names("dogs")
    (('tt', 'test', 'eval'), ('dogs',))
    """
    for names in SPLIT_NAMES:
        if split in names:
            return (split, *(name for name in names if name != split))
    return (split,)


def folder_names(folder: str | Path) -> str:
    """What stands in a folder, in a few words for an error message.

    Arguments
    ---------
    folder : str or Path
        Any path.

    Returns
    -------
    str
        Names, or that there is no such folder.

    Example
    -------
    >>> folder_names("nowhere")
    'no such folder'
    """
    folder = Path(folder)
    if not folder.is_dir():
        return "no such folder"
    names = sorted(path.name for path in folder.glob("[!.]*"))
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return (", ".join(names[:8]) or "an empty folder") + more


def _find(folder, pattern):
    """Relative path -> (size, time of change) of the audio, sorted."""
    paths, broken = audio_files(folder, pattern)
    if broken:
        logger.warning(
            "%s: passed over %s%s",
            folder,
            "; ".join(broken[:SHOWN]),
            f"; and {len(broken) - SHOWN} more" if broken[SHOWN:] else "",
        )
    keys = {}
    for path in paths:
        status = path.stat()
        name = path.relative_to(folder).as_posix()
        keys[name] = (status.st_size, status.st_mtime_ns)
    return keys


def _is_enough(entry, check):
    """Whether a file need not be looked at again.

    A bad one is: it may have been the disk, or a missing permission.
    """
    if entry is None or entry.header_defect:
        return False
    return not check or entry.sample_defect == ""


def _look(path, size, mtime_ns, check):
    """Opens a file, and listens to it if asked."""
    frames, sample_rate, defect = read_header(path)
    inside = check_samples(path) if check and not defect else None
    return _Facts(size, mtime_ns, frames, sample_rate, defect, inside)


def _report(folder, defects, total, bad_share):
    """Names the bad files; says no if they are too many."""
    if not defects:
        return
    named = [f"{name} {defect}" for name, defect in defects.items()]
    if len(defects) > bad_share * total:
        raise ValueError(
            f"{folder}: {len(defects)} of {total} audio files are bad, more "
            f"than bad_share={bad_share:g} allows; the first: {named[0]}; "
            "replace or remove them, or raise bad_share"
        )
    logger.warning(
        "%s: skipped %d of %d audio files: %s%s",
        folder,
        len(defects),
        total,
        "; ".join(named[:SHOWN]),
        "; ..." if len(named) > SHOWN else "",
    )


def _cache_path(folder, pattern):
    """Where the index of a folder is kept."""
    crc = f"{zlib.crc32(pattern.encode()):08x}"
    whole = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    return cache_folder() / f"index-{whole}-{crc}.json"


def _load(path):
    """The facts of an index; none if it is missing, foreign or broken."""
    try:
        content = read_json(path)
        if content["format"] == FORMAT:
            files = content["files"].items()
            return {name: _Facts(*entry) for name, entry in files}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass
    return {}


def _save(path, facts):
    """Keeps an index, if it can be written."""
    content = {"format": FORMAT, "files": facts}
    try:
        if facts or path.is_file():
            write_json(path, content, indent=None, end="")
    except OSError as error:
        logger.info("no index is kept: %s", error)
