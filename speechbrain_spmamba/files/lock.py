"""One process a folder.

The lock is the kernel's: it ends with the process, however that ends. Beside
it stands who has it, for the message to those who come second.
"""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from speechbrain_spmamba.files.writing import write_text

LOCK_FILE = ".lock"
HOLDER_FILE = ".lock_holder"


@contextmanager
def locked(folder: str | Path) -> Iterator[None]:
    """Keeps a folder to this process; leaves no trace of itself.

    Arguments
    ---------
    folder : str or Path
        Made if needed, and removed in the end if it is still empty.

    Raises
    ------
    ValueError
        Another process has it, or it is no folder.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> with locked(folder), locked(folder):
    ...     pass
    Traceback (most recent call last):
        ...
    ValueError: .../... is in use by process ... on ... since ...
    """
    folder = Path(folder)
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ValueError(
            f"{folder} is no folder, or lies in what is none; give another one"
        ) from None
    holder = folder / HOLDER_FILE
    lock = FileLock(folder / LOCK_FILE, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ValueError(
            f"{folder} is in use by {_read(holder)}; wait for it, or stop it"
        ) from None
    try:
        write_text(holder, this_process())
        yield
    finally:
        # Removed while they are held: nobody else can have taken them.
        holder.unlink(missing_ok=True)
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
        with suppress(OSError):  # not empty
            for path in made:
                path.rmdir()


def this_process() -> str:
    """How others are told of this process.

    Returns
    -------
    str
        Its number, its machine, and the time.
    """
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    return f"process {os.getpid()} on {socket.gethostname()} since {now}"


def _read(path):
    """Who has the lock; it may have been taken a moment ago."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return "another process"
