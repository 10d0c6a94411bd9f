"""A file under its final name is always a whole one."""

import csv
import io
import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Gives a temporary name that becomes ``path`` if all goes well.

    Arguments
    ---------
    path : str or Path
        The final name. Its folder is made.

    Yields
    ------
    Path
        A name in the same folder, so that the renaming is atomic.

    Example
    -------
    >>> path = getfixture("tmp_path") / "note.txt"
    >>> with replacing(path) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> path.read_text()
    'whole'
    """
    with replacing_all([path]) as (temporary,):
        yield temporary


@contextmanager
def replacing_all(paths: Sequence[str | Path]) -> Iterator[list[Path]]:
    """Gives temporary names that become ``paths`` together or not at all.

    Arguments
    ---------
    paths : list of (str or Path)
        The final names. Their folders are made.

    Yields
    ------
    list of Path
        A name each, in the same folder as the final one.

    Example
    -------
    >>> paths = [getfixture("tmp_path") / name for name in ("a", "b")]
    >>> with replacing_all(paths) as temporary:
    ...     _ = [name.write_text("whole") for name in temporary]
    >>> [path.read_text() for path in paths]
    ['whole', 'whole']
    """
    finals, temporary, renamed = [Path(path) for path in paths], [], []
    try:
        for path in finals:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Noted before it is there: a signal may come in between.
            temporary.append(_temporary(path))
            temporary[-1].touch(exist_ok=False)
        yield list(temporary)
        for name, path in zip(temporary, finals, strict=True):
            name.replace(path)
            renamed.append(path)
    except BaseException as error:
        for path in renamed:
            path.unlink(missing_ok=True)
        # A write to a full disk fails without saying where.
        # One without a number is its words, which a name would replace.
        if isinstance(error, OSError) and error.errno and not error.filename:
            error.filename = str(paths[0])
        raise
    finally:
        for name in temporary:
            name.unlink(missing_ok=True)


def write_bytes(path, content):
    """Writes a file as a whole or not at all, and makes its folder.

    Of an error of the system, ``errors.explain`` says what to do.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path, text):
    """Writes UTF-8 text, see ``write_bytes``; its lines end as they do."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path, content, indent=2, end="\n"):
    """Writes JSON, see ``write_bytes``; in one line without ``indent``."""
    write_text(path, json.dumps(content, indent=indent) + end)


def write_csv(
    path: str | Path,
    rows: Iterable[dict],
    columns: list[str] | None = None,
    undefined: str = "nan",
) -> None:
    """Writes a table, see ``write_bytes``.

    Arguments
    ---------
    path : str or Path
        The file.
    rows : iterable of dict
        Column -> value; a cell is empty where a row has none.
    columns : list of str, optional
        In their order; by default those of the first row.
    undefined : str
        What stands for NaN.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.csv"
    >>> write_csv(path, [{"ID": "a,b", "dB": 1.5}, {"ID": "c"}])
    >>> path.read_bytes()
    b'ID,dB\\n"a,b",1.5\\nc,\\n'
    """
    rows, text = list(rows), io.StringIO()
    writer = csv.DictWriter(text, columns or list(rows[0]), lineterminator="\n")
    writer.writeheader()
    for row in rows:
        # NaN differs from itself.
        writer.writerow({k: v if v == v else undefined for k, v in row.items()})
    write_text(path, text.getvalue())


def _temporary(path):
    """A name beside ``path`` that nobody has or looks for."""
    # Part of the name: the longest legal one has no room for more.
    return path.parent / f".{path.name[:40]}.{secrets.token_hex(8)}.part"
