"""Items whose files are bad: found before training, stopped at or left out.

All files of a set are read once, as the loader will read them, before anything
is trained. What was found good is remembered in the cache folder by paths,
sizes and times of change, so that the next start reads only what is new, has
changed or was bad: it may have been the disk.

A file that goes bad later is met in the middle of an epoch. There, with
``skip``, another item of the set takes the place of the bad one. Which one
follows from (seed, epoch, item), as crops do, so that neither the number of
workers nor a restart changes what is trained on.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from joblib import Parallel, delayed
from speechbrain.utils.distributed import main_process_only
from speechbrain.utils.logger import get_logger
from tqdm import tqdm

from speechbrain_spmamba.files.cache import cache_folder
from speechbrain_spmamba.files.text import read_json
from speechbrain_spmamba.files.writing import write_json

logger = get_logger(__name__)

POLICIES = ("stop", "skip")
BAD_SHARE = 0.01  # of a set that may be left out, and always one item
FORMAT = 1  # raise it when a list of old would be misread
MANY = 1000  # items to read that are worth a progress bar


def good_rows(
    rows: dict,
    keys: list[str],
    read: Callable,
    policy: str,
    manifest: str | Path,
) -> dict:
    """The rows of a manifest whose files can be read.

    Arguments
    ---------
    rows : dict
        ID -> row.
    keys : list of str
        Columns of the files that are read.
    read : callable
        Reads all files of a row; raises ValueError if one is bad.
    policy : str
        ``stop`` at a bad item, or ``skip`` it.
    manifest : str or Path
        Where the rows stand, for messages and for the name of what is kept.

    Returns
    -------
    dict
        The rows without those of bad items.

    Raises
    ------
    ValueError
        A bad item, or more than may be left out.
    """
    if policy not in POLICIES:
        raise ValueError(
            f"bad_audio is '{policy}'; expected {' or '.join(POLICIES)}"
        )
    # One process reads for all ranks, and all leave out the same.
    bad = main_process_only(find_bad)(rows, keys, read, manifest)
    if bad and policy == "stop":
        raise ValueError(
            f"manifest {manifest}: {len(bad)} of {len(rows)} items have bad "
            f"files; the first: {next(iter(bad.values()))}; or leave them out "
            "with --bad_audio skip"
        )
    left_out = LeftOut(len(rows), f"manifest {manifest}")
    for item, reason in bad.items():
        left_out.add(item, reason)
    return {item: row for item, row in rows.items() if item not in bad}


def find_bad(
    rows: dict, keys: list[str], read: Callable, manifest: str | Path
) -> dict:
    """Reads all items that are not known to be good.

    Arguments
    ---------
    rows, keys, read, manifest
        As for ``good_rows``.

    Returns
    -------
    dict
        ID -> what is wrong, of bad items.
    """
    name = os.path.abspath(manifest)
    name = hashlib.sha256(os.fsencode(name)).hexdigest()[:16]
    path = cache_folder() / f"items-{name}.json"
    known = _load(path)
    fingerprints = {}
    for item, row in rows.items():
        paths = [row[key] for key in keys if row.get(key)]
        fingerprints[item] = _fingerprint(paths)
    new = [item for item, value in fingerprints.items() if value not in known]
    good, bad = known & set(fingerprints.values()), {}
    try:
        # Threads: decoding does not hold Python's lock.
        errors = Parallel(n_jobs=-1, prefer="threads", return_as="generator")(
            delayed(_error_of)(read, rows[item]) for item in new
        )
        bar = tqdm(
            errors,
            desc=f"checking {Path(manifest).name}",
            total=len(new),
            disable=True if len(new) < MANY else None,
        )
        for item, error in zip(new, bar, strict=True):
            if error:
                bad[item] = error
            else:
                good.add(fingerprints[item])
    finally:
        # Also when stopped half-way: what was read need not be again.
        if good != known:
            _save(path, good)
    return bad


class LeftOut:
    """Counts items that are left out, names each once, and stops at too many.

    Arguments
    ---------
    total : int or float
        Items of the set; ``math.inf`` where they do not matter.
    where : str
        The set, for the message.

    Example
    -------
    >>> left_out = LeftOut(100, "the training set")
    >>> left_out.add("a", "a.wav is truncated")
    >>> left_out.add("a", "a.wav is truncated")
    >>> left_out.add("b", "b.wav does not exist")
    Traceback (most recent call last):
        ...
    ValueError: the training set: 2 of 100 items have bad files, more than...
    """

    def __init__(self, total: int | float, where: str) -> None:
        self.total = total
        self.where = where
        self.items = {}

    def add(self, item: str, reason: str) -> None:
        """Counts an item, unless it has been counted.

        Arguments
        ---------
        item : str
            Its ID.
        reason : str
            What is wrong.

        Raises
        ------
        ValueError
            They are too many, or all.
        """
        if item in self.items:
            return
        self.items[item] = reason
        count = len(self.items)
        if count > max(1, BAD_SHARE * self.total) or count == self.total:
            raise ValueError(
                f"{self.where}: {count} of {self.total} items have bad files, "
                f"more than may be left out ({BAD_SHARE:.0%}, or one); the "
                f"last: {reason}"
            )
        logger.warning(
            "%s: left out %s, %d so far: %s", self.where, item, count, reason
        )


def _error_of(read, row):
    """What is wrong with the files of a row, or nothing."""
    try:
        read(row)
    except ValueError as error:
        return str(error)
    return ""


def _fingerprint(paths):
    """What changes when one of some files does."""
    facts = []
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            return None  # never known to be good
        facts += [os.path.abspath(path), status.st_size, status.st_mtime_ns]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


def _load(path):
    """Fingerprints of items that were good; none if there is no such list."""
    try:
        content = read_json(path)
        return set(content["good"]) if content["format"] == FORMAT else set()
    except (OSError, ValueError, TypeError, KeyError):
        return set()


def _save(path, good):
    """Keeps the fingerprints, where something can be kept."""
    try:
        content = {"format": FORMAT, "good": sorted(good)}
        write_json(path, content, indent=None, end="")
    except OSError:
        pass
