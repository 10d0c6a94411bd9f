"""Text, JSON and tables that people and other programs wrote.

One place decides what a mark at the start, another encoding, another
delimiter or no text at all means.
"""

import csv
import io
import json
import logging
from collections.abc import Callable
from pathlib import Path

from speechbrain_spmamba.files.names import shown

logger = logging.getLogger(__name__)

UTF16 = (b"\xff\xfe", b"\xfe\xff")
MARK = "\ufeff"  # some programs put it before text, some twice
HEAD = 1 << 16  # bytes that show whether a file is text
DELIMITERS = (";", "\t", "|")  # what tables have in place of a comma


def read_text(path: str | Path, errors: str = "strict") -> str:
    """Reads a file of UTF-8 text, with or without the mark at its start.

    Arguments
    ---------
    path : str or Path
        The file.
    errors : str
        What becomes of bytes that are no UTF-8, as in ``bytes.decode``.

    Returns
    -------
    str
        The text without the mark, its lines ending as Python's.

    Raises
    ------
    ValueError
        Another encoding, or no text.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.csv"
    >>> _ = path.write_bytes(b"\\xef\\xbb\\xbfID,mix")
    >>> read_text(path)
    'ID,mix'
    """
    with open(path, "rb") as file:
        content = file.read(HEAD)
        if content.startswith(UTF16):
            raise ValueError(
                f"{shown(path)} is UTF-16 text, UTF-8 was expected; save it "
                "as UTF-8"
            )
        if b"\0" in content:
            raise ValueError(
                f"{shown(path)} is no text but binary data, as audio is; "
                "UTF-8 text was expected"
            )
        content += file.read()
    try:
        text = content.decode("utf-8", errors).lstrip(MARK)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{shown(path)} is no UTF-8 text (byte {content[error.start]:#x} "
            f"in line {line}); save it as UTF-8"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_json(path):
    """What a JSON file holds; raises ValueError where it is none."""
    return json.loads(read_text(path))


def read_columns(path: str | Path) -> list[str]:
    """Reads the first line of a table.

    Arguments
    ---------
    path : str or Path
        The CSV file.

    Returns
    -------
    list of str
        Names of the columns, without blanks around them; none of an empty
        file.

    Raises
    ------
    ValueError
        No text, no table, or a column that stands there twice.
    """
    return _parse(path)[0]


def read_csv(
    path: str | Path, known: Callable | None = None
) -> tuple[list[str], list[tuple]]:
    """Reads a CSV file with names of columns in its first line.

    Arguments
    ---------
    path : str or Path
        The file.
    known : callable, optional
        Takes the columns and returns those that are read; others are named
        in a warning.

    Returns
    -------
    columns : list of str
        Names of the columns, without blanks around them.
    rows : list of tuple
        The number of the line and a dict, column -> text, of each row. Empty
        lines are none.

    Raises
    ------
    ValueError
        No text, no table, a column that stands there twice, or a row that
        is longer than the first line.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.csv"
    >>> _ = path.write_bytes(b"\\xef\\xbb\\xbfID, mix\\r\\n1, a.wav\\r\\n")
    >>> read_csv(path)
    (['ID', 'mix'], [(2, {'ID': '1', 'mix': 'a.wav'})])
    """
    columns, lines = _parse(path)
    read = set(known(columns)) if known else set(columns)
    unread = [shown(name) for name in columns if name not in read]
    if unread:
        logger.warning(
            "%s: columns that are not read: %s (read are %s)",
            shown(path),
            ", ".join(unread),
            ", ".join(name for name in columns if name in read) or "none",
        )
    rows = []
    for number, fields in lines:
        if len(fields) > len(columns):
            raise ValueError(
                f"{shown(path)} line {number} has {len(fields)} fields, its "
                f"first line {len(columns)}; put fields that hold a comma "
                "into quotes"
            )
        # Programs leave out what is empty at the end.
        row = dict.fromkeys(columns, "")
        fields = [field.strip() for field in fields]
        row.update(zip(columns, fields, strict=False))
        rows.append((number, row))
    return columns, rows


def _parse(path):
    """Columns, and (number, fields) of each line below that is not empty."""
    text = read_text(path)
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    try:
        lines = [(reader.line_num, fields) for fields in reader if fields]
    except csv.Error as error:
        raise ValueError(
            f"{shown(path)} line {reader.line_num} is no line of a CSV file "
            f"({error})"
        ) from None
    if not lines:
        return [], []
    columns = [name.strip() for name in lines[0][1]]
    other = [mark for mark in DELIMITERS if mark in "".join(columns)]
    if len(columns) == 1 and other:
        raise ValueError(
            f"{shown(path)} has {other[0]!r} between its columns, expected a "
            "comma; save it as comma-separated values"
        )
    twice = [name for name in columns if name and columns.count(name) > 1]
    if twice:
        raise ValueError(
            f"{shown(path)} has the column '{shown(twice[0])}' twice; keep one"
        )
    return columns, lines[1:]
