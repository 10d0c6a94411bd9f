"""Scores of items that are done, so that an interrupted run goes on.

A line of ``rows.jsonl`` an item, with a digest of all that it depends on:
version of the package, options, and path, size and time of each file. What a
run finds there of other digests is dropped, as is a line that was interrupted.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import speechbrain_spmamba
from speechbrain_spmamba.files.text import read_text
from speechbrain_spmamba.files.writing import write_text

if TYPE_CHECKING:
    from speechbrain_spmamba.estimates.items import Item


ROWS_FILE = "rows.jsonl"


def digest(item: Item, options: dict) -> str:
    """A digest of what the scores of an item depend on.

    Arguments
    ---------
    item : items.Item
        The item.
    options : dict
        What else there is, as JSON can hold it.

    Returns
    -------
    str
        Hexadecimal.

    Raises
    ------
    OSError
        A file that is not there.
    """
    files = [item.references, item.estimates, [item.mixture or ""]]
    told = [[_state(path) for path in paths] for paths in files]
    parts = [speechbrain_spmamba.__version__, options, item.name, told]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _state(path):
    """What changes with a file."""
    if not path:
        return None
    status = os.stat(path)
    return [os.path.abspath(path), status.st_size, status.st_mtime_ns]


@contextmanager
def kept_rows(
    folder: str | Path, digests: Collection[str]
) -> Iterator[tuple[dict, Callable]]:
    """Opens what was kept in a folder.

    Arguments
    ---------
    folder : str or Path
        The folder.
    digests : collection of str
        Of all items that are to be scored.

    Yields
    ------
    dict
        Digest -> what was kept of it.
    callable
        Keeps: takes a digest and what JSON can hold.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> with kept_rows(folder, ["1", "2"]) as (done, keep):
    ...     keep("1", {"sdr": 9.5})
    >>> with kept_rows(folder, ["1", "3"]) as (done, keep):
    ...     print(done)
    {'1': {'sdr': 9.5}}
    """
    path = Path(folder) / ROWS_FILE
    done = {
        key: kept for key, kept in _read(path).items() if key in set(digests)
    }
    write_text(path, "".join(_line(*pair) for pair in done.items()))
    with open(path, "a", encoding="utf-8") as file:

        def keep(key, kept):
            file.write(_line(key, kept))
            file.flush()

        yield done, keep


def _line(key, kept):
    return json.dumps([key, kept]) + "\n"


def _read(path):
    """Digest -> what was kept."""
    found = {}
    for line in read_text(path).splitlines() if path.is_file() else ():
        try:
            key, kept = json.loads(line)
        except ValueError:
            continue  # a run that was killed wrote half of it
        found[key] = kept
    return found
