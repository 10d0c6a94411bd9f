"""A file under its final name is always a whole one."""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path):
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
def replacing_all(paths):
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
    paths, temporary, renamed = [Path(path) for path in paths], [], []
    try:
        for path in paths:
            temporary.append(_temporary(path))
        yield list(temporary)
        for name, path in zip(temporary, paths, strict=True):
            name.replace(path)
            renamed.append(path)
    except BaseException as error:
        for path in renamed:
            path.unlink(missing_ok=True)
        # A write to a full disk fails without saying where.
        if isinstance(error, OSError) and not error.filename:
            error.filename = str(paths[0])
        raise
    finally:
        for name in temporary:
            name.unlink(missing_ok=True)


def _temporary(path):
    """An empty file beside ``path``, with a name that nobody looks for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Part of the name: the longest legal one has no room for more.
    handle, name = tempfile.mkstemp(
        prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent
    )
    os.close(handle)
    temporary = Path(name)
    # mkstemp makes private files; the final one follows the user's umask.
    umask = os.umask(0)
    os.umask(umask)
    temporary.chmod(0o666 & ~umask)
    return temporary
