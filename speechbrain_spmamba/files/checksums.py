"""Checksums of a folder's files, in the form that ``sha256sum -c`` checks.

A flipped bit in a file of weights is a number like any other: only a sum that
was taken when the file was written can tell.
"""

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from speechbrain_spmamba.files.writing import write_text

SUMS_FILE = "SHA256SUMS"
LINE = re.compile(r"([0-9a-f]{64})  ([\w+.-]+)\n", re.ASCII)


def sums_text(paths: dict) -> str:
    """The sums of files, a line each.

    Arguments
    ---------
    paths : dict
        Name in the folder -> where the file is now.

    Returns
    -------
    str
        ``<sum>  <name>`` in each line, sorted by name.
    """
    return "".join(
        f"{file_sum(path)}  {name}\n" for name, path in sorted(paths.items())
    )


def write_sums(folder: str | Path, names: Iterable[str]) -> None:
    """Writes the sums of files of a folder into it.

    Arguments
    ---------
    folder : str or Path
        The folder.
    names : iterable of str
        Its files that are summed.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "weights").write_bytes(b"0123")
    >>> write_sums(folder, ["weights"])
    >>> check_sums(folder)
    >>> _ = (folder / "weights").write_bytes(b"0122")
    >>> check_sums(folder)
    Traceback (most recent call last):
        ...
    ValueError: .../weights is damaged: it is not what SHA256SUMS says of it
    """
    folder = Path(folder)
    text = sums_text({name: folder / name for name in names})
    write_text(folder / SUMS_FILE, text)


def check_sums(
    folder: str | Path,
    names: Iterable[str] | None = None,
    needed: Iterable[str] = (),
) -> None:
    """Compares the files of a folder with its sums.

    Arguments
    ---------
    folder : str or Path
        The folder; one without sums, made by other programs, passes.
    names : iterable of str, optional
        Those of its files that count; by default all that have a sum.
    needed : iterable of str
        Files that must have one.

    Raises
    ------
    ValueError
        A file differs from its sum, has none or is gone, or the sums cannot
        be read.
    """
    folder = Path(folder)
    path = folder / SUMS_FILE
    if not path.exists():
        return
    text = path.read_bytes().decode("ascii", errors="replace")
    wanted = LINE.findall(text)
    if "".join(f"{value}  {name}\n" for value, name in wanted) != text:
        raise ValueError(f"{path} is damaged: it is no list of sums and names")
    sums = {name: value for value, name in wanted}
    names = sums if names is None else names
    for name in sorted({*names, *needed} - {*sums}):
        raise ValueError(f"{folder / name} has no sum; {path} lacks it")
    for name in names:
        if not (folder / name).is_file():
            raise ValueError(f"{folder / name} is missing; {path} lists it")
        if file_sum(folder / name) != sums[name]:
            raise ValueError(
                f"{folder / name} is damaged: it is not what {SUMS_FILE} says "
                "of it"
            )


def file_sum(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal digits.

    Arguments
    ---------
    path : str or Path
        The file.

    Returns
    -------
    str
        64 digits.
    """
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
