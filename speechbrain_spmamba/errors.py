"""What a command says where it stops: one line for a mistake, all for a fault.

A mistake of the user's, or a limit of the machine, ends in one line and exit
status 2. Anything else is a fault of ours: the whole traceback, and below it
what to do with it.
"""

import difflib
import errno
import functools
import logging
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Iterable

from speechbrain_spmamba import signals
from speechbrain_spmamba.files.names import shown

logger = logging.getLogger(__name__)

REPORT = (
    "This is a fault of speechbrain_spmamba, or of code of your own that it "
    "ran, and no mistake in the command. Please report it to those you have "
    "the program from, with the lines above and `spmamba --version`."
)
# Of a full disk, wherever it was found to be full.
FULL = "free some, or choose another folder; what is finished is kept"
# What to do about an error of the system, where its own words do not say.
ADVICE = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EFBIG: "raise `ulimit -f`, or choose another disk",
    errno.EACCES: "change its permissions, or choose another path",
    errno.EPERM: "change its permissions, or choose another path",
    errno.EROFS: "choose another path",
    errno.EEXIST: "a folder was expected; choose another path",
    errno.ENOTDIR: "a folder was expected; choose another path",
    errno.EISDIR: "a file was expected; choose another path",
    errno.ENOENT: "check the path",
    errno.ENAMETOOLONG: "choose a shorter one",
    errno.EMFILE: "raise `ulimit -n`, or lower num_workers",
    errno.EIO: "the disk or its connection fails: copy what is on it",
}
# Type or words of an error that is no ValueError or OSError, and no fault of
# ours either: those of torch and joblib where the machine is at its end.
LIMITS = (
    (
        r"no GPUs found",
        "there is no GPU for `torchrun`; give --distributed_backend gloo",
    ),
    (
        r"^DistBackendError|connection (closed|reset) by peer",
        "another process of the job has ended; see what it said",
    ),
    (
        r"DataLoader worker .*(killed by signal|exited unexpectedly)",
        "a worker process of the loader was killed, most often because memory "
        "was full; lower num_workers or batch_size, or give the job more "
        "memory (shared memory, /dev/shm, after a bus error)",
    ),
    (
        r"^(TerminatedWorkerError|BrokenProcessPool)",
        "a worker process was killed, most often because memory was full; "
        "lower the number of jobs",
    ),
    (
        r"InvalidCxxCompiler|failed to find C compiler",
        "--compile needs a C++ compiler and found none; install g++ or clang, "
        "or leave --compile out",
    ),
    (
        r"^Unsupported: ",
        "the model is more than one graph to --compile; leave out "
        "--compile_using_fullgraph",
    ),
    (
        r"</torch_|shared memory object|received 0 items of ancdata",
        "the shared memory of the loader's workers is full; lower num_workers "
        "or batch_size, or enlarge /dev/shm",
    ),
    (
        r"^(\w*MemoryError|OutOfMemoryError)|out of memory|ALLOC_FAILED"
        r"|can't allocate memory|not enough memory",
        "memory is full; in training lower batch_size or segment, or set "
        "--memory low or --precision bf16; in separation lower --window, "
        "--batch or --jobs",
    ),
    (
        r"PytorchStreamWriter|^LibsndfileError|No space left on device",
        f"a file could not be written, most often because no space is left; "
        f"{FULL}",
    ),
)


def one_line_errors(main: Callable) -> Callable:
    """Turns what a user can mend into one line and exit status 2.

    Ctrl-C and SIGTERM become one line and status 130 and 143. The whole
    traceback goes to the log of the run, where there is one. Of faults that a
    user cannot mend, it goes to standard error, and the exit status is 1.

    Arguments
    ---------
    main : callable
        Program; an error in it ends the process.

    Returns
    -------
    callable
        The program with its errors caught.

    Example
    -------
    >>> def main():
    ...     raise ValueError("x.wav does not exist")
    >>> one_line_errors(main)()
    Traceback (most recent call last):
        ...
    SystemExit: 2
    """

    @functools.wraps(main)
    def wrapper(*args, **kwargs):
        try:
            with signals.handled(signals.stop):
                return main(*args, **kwargs)
        except KeyboardInterrupt as error:
            logger.debug("stopped by a signal", exc_info=True)
            stopped = error
            if not isinstance(error, signals.Stopped):  # a library's own
                stopped = signals.Stopped(signal.SIGINT)
            if os.environ.get("RANK", "0") == "0":  # one for all of a job
                print(stopped, file=sys.stderr)
            sys.exit(stopped.status)
        except SystemExit as stop:
            # The toolkit's way to refuse settings.
            if not isinstance(stop.code, str):
                raise
            line = last_line(stop.code)
        except Exception as error:
            logger.debug("stopped by an error", exc_info=True)
            line = explain(error)
            if line is None:
                traceback.print_exc()
                print(f"\n{REPORT}", file=sys.stderr)
                sys.exit(1)
        print(f"error: {line}", file=sys.stderr)
        sys.exit(2)

    return wrapper


def explain(error: Exception) -> str | None:
    """What a user needs to know of an error.

    Arguments
    ---------
    error : Exception
        What was raised.

    Returns
    -------
    str
        One line; None if it is a fault of ours.

    Example
    -------
    >>> explain(FileExistsError(17, "File exists", "results"))
    'results: File exists; a folder was expected; choose another path'
    >>> explain(KeyError("s1_wav")) is None
    True
    """
    if isinstance(error, OSError) and error.errno:
        what = f"{shown(error.filename)}: " if error.filename else ""
        advice = ADVICE.get(error.errno)
        return f"{what}{error.strerror}" + (f"; {advice}" if advice else "")
    if isinstance(error, UnicodeDecodeError):
        return f"text was expected and something else was found ({error})"
    text = f"{type(error).__name__}: {error}"
    for pattern, line in LIMITS:
        if re.search(pattern, text, re.IGNORECASE | re.DOTALL):
            return f"{line} ({last_line(error)})"
    if isinstance(error, (ValueError, OSError)):
        return last_line(error)
    return None


def last_line(error: Exception | str) -> str:
    """The message of an error; of one from a loader's worker, its own.

    Arguments
    ---------
    error : Exception or str
        What was raised, or its message.

    Returns
    -------
    str
        One line.

    Example
    -------
    >>> last_line(RuntimeError("Traceback ...\\nValueError: x.wav is empty"))
    'x.wav is empty'
    """
    lines = [line for line in str(error).splitlines() if line.strip()]
    # How to trace the compiler, below what it has to say.
    lines = [line for line in lines if "TORCHDYNAMO_VERBOSE" not in line]
    message = lines[-1].strip() if lines else type(error).__name__
    return re.sub(r"^(\w+\.)*\w*Error: ", "", message)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The nearest of the known words, as the end of a message.

    Arguments
    ---------
    word : str
        What was given.
    known : iterable of str
        What there is.

    Returns
    -------
    str
        Empty if nothing is near.

    Example
    -------
    >>> did_you_mean("sede", ["seed", "lr"])
    "; did you mean 'seed'?"
    >>> did_you_mean("sede", ["lr"])
    ''
    """
    near = difflib.get_close_matches(word, [str(k) for k in known], n=1)
    return f"; did you mean '{near[0]}'?" if near else ""
