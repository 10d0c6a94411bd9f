"""What the files of corpora are, wherever they lie: names, sizes, a sample.

The size of every file counts, and so do some bytes from the middle of up to a
thousand of them: corpora that were processed differ in all their files, often
at the same sizes.
"""

import os
import zlib
from collections.abc import Iterable
from pathlib import Path

from speechbrain_spmamba.prepare.corpora.roots import to_name, to_path

SAMPLED = 1000  # files that are looked into
BYTES = 4096  # that are read of each


def describe_files(paths: Iterable[str | Path], roots: dict) -> dict:
    """Describes the files of corpora.

    Arguments
    ---------
    paths : iterable of (str or Path)
        The files, or their names.
    roots : dict
        Where the corpora lie, see ``roots.find_roots``.

    Returns
    -------
    dict
        Name -> [size in bytes, checksum of a sample or None].

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "a.wav").write_bytes(b"...")
    >>> describe_files([folder / "a.wav"], {"speech": folder})
    {'$speech/a.wav': [3, 440645147]}
    """
    names = sorted({to_name(path, roots) for path in paths})
    step = -(-len(names) // SAMPLED)
    return {
        name: _describe(to_path(name, roots), not number % step)
        for number, name in enumerate(names)
    }


def find_missing(files: dict, roots: dict, owner: Path) -> list[str]:
    """Compares files with what they were.

    Arguments
    ---------
    files : dict
        From ``describe_files``.
    roots : dict
        Where the corpora lie now.
    owner : Path
        What is made of them, for the message.

    Returns
    -------
    list of str
        Names of those that are not there.

    Raises
    ------
    ValueError
        A file is another one.
    """
    missing = []
    for name, was in files.items():
        try:
            now = _describe(to_path(name, roots), was[1] is not None)
        except (OSError, ValueError):
            missing.append(name)
            continue
        if now != was:
            sizes = f"{was[0]} bytes then, {now[0]} now"
            raise ValueError(
                f"{owner} is made of another {name} "
                f"({sizes if now[0] != was[0] else 'of the same size'}); give "
                "the corpora that it was made of, choose another folder or "
                "remove it"
            )
    return missing


def are_gone(names: Iterable[str], roots: dict) -> bool:
    """Whether files are missing together with all of their corpora.

    Arguments
    ---------
    names : iterable of str
        The files.
    roots : dict
        Where the corpora should be.

    Returns
    -------
    bool
        True if nothing is left of any: no folder, or an empty one, as where
        a disk is not mounted.
    """
    tops = {name[1:].partition("/")[0] for name in names if name[0] == "$"}
    return all(
        top in roots
        and not (roots[top].is_dir() and next(roots[top].iterdir(), None))
        for top in tops
    )


def _describe(path, inside):
    """Size, and a checksum of what is in the middle."""
    size = os.stat(path).st_size
    if not inside:
        return [size, None]
    with open(path, "rb") as file:
        file.seek(max(0, (size - BYTES) // 2))
        return [size, zlib.crc32(file.read(BYTES))]
