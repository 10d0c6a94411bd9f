"""Names of files: made of names in data, for soundfile, in a message."""

import hashlib
import os
from pathlib import Path

LONGEST_NAME = 200  # bytes; of 255, so that suffixes have room
# No file name everywhere; the last marks names that were changed.
NO_FILE_NAME = '/\\:*?"<>|~'


def file_name(text: str) -> str:
    """A file name made of a name in data, such as an ID.

    What was written by others may hold "../", be absolute or too long: a path
    made of it as it stands leads anywhere.

    Arguments
    ---------
    text : str
        The name.

    Returns
    -------
    str
        The name itself if it can be one of a file. Otherwise its harmless
        characters and a hash of the whole, so that no two names become one.

    Example
    -------
    >>> file_name("000001_1089-134686-0000_121")
    '000001_1089-134686-0000_121'
    >>> file_name("../../home/me/.profile")
    '_.._home_me_.profile~17fe7cf0828bbb5c'
    """
    kept = "".join(
        c if c.isprintable() and c not in NO_FILE_NAME else "_" for c in text
    )
    fits = (
        kept.strip() and kept[0] != "." and len(kept.encode()) <= LONGEST_NAME
    )
    if kept == text and fits:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    short = kept.encode()[: LONGEST_NAME // 2].decode(errors="ignore")
    return f"{short.lstrip('.')}~{digest[:16]}"


def native(path: str | Path) -> bytes | str:
    """A path as soundfile takes it, also if its name is no valid text.

    Arguments
    ---------
    path : str or Path
        The path.

    Returns
    -------
    bytes or str
        Bytes where file names are bytes.
    """
    return os.fsencode(path) if os.name == "posix" else str(path)


def shown(path: object) -> str:
    """A path as it can be printed in one line.

    Arguments
    ---------
    path : object
        The path, or what has one in its message.

    Returns
    -------
    str
        Control characters and what is no valid text are escaped.

    Example
    -------
    >>> print(shown("two\\nlines.wav"))
    two\\nlines.wav
    """
    text = str(path).encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode()
        for c in text
    )
