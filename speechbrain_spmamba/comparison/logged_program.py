"""Runs programs one by one: output to a log, and never two in one folder."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from speechbrain_spmamba.files.lock import this_process


@contextlib.contextmanager
def locked_with_children(folder: str | Path) -> Iterator[IO]:
    """Keeps a folder to this process and the programs that it starts.

    The lock lives as long as any of them. So a program that outlives a killed
    comparison is not joined by another one in its folder.

    Arguments
    ---------
    folder : str or Path
        Made if needed.

    Yields
    ------
    file
        To be handed to ``run_logged``.

    Raises
    ------
    ValueError
        Another process has it.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "a+", encoding="utf-8") as file:
        with contextlib.suppress(ImportError):  # no such locks on Windows
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.seek(0)
                raise ValueError(
                    f"{folder} is in use by {file.read()}, or by a program "
                    "that it started; wait for it, or stop it"
                ) from None
        file.truncate(0)
        file.write(this_process())
        file.flush()
        yield file


def run_logged(
    command: list[str], log: str | Path, lock: IO | None = None
) -> None:
    """Runs a program to its end; stops it if this process is interrupted.

    Arguments
    ---------
    command : list of str
        Program and arguments.
    log : str or Path
        Gets what the program prints, behind what is there.
    lock : file, optional
        From ``locked_with_children``.

    Raises
    ------
    ValueError
        It failed; the message is the last line that it printed.

    Example
    -------
    >>> import sys
    >>> log = getfixture("tmp_path") / "log.txt"
    >>> run_logged([sys.executable, "-c", "print(1); raise SystemExit(3)"], log)
    Traceback (most recent call last):
        ...
    ValueError: exit status 3: 1
    """
    # Without buffers, so that a log tells where a killed program stood.
    options: dict = {"env": {**os.environ, "PYTHONUNBUFFERED": "1"}}
    if lock is not None and os.name == "posix":
        options["pass_fds"] = (lock.fileno(),)
    with open(log, "ab") as output:
        program = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            **options,
        )
        try:
            status = program.wait()
        finally:
            if program.poll() is None:
                program.terminate()
                program.wait()
    if status:
        raise ValueError(f"exit status {status}: {_last_line(log)}")


def _last_line(path):
    """The last line of a log that is not empty."""
    text = Path(path).read_text(encoding="utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("error: ") if lines else "it printed nothing"
