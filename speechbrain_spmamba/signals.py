"""Signals that end a program: Ctrl-C, and SIGTERM from a cluster.

Both end it by an exception, so that temporary files and locks go with it. A
training only notes them, and ends where its state can be saved.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Launchers pass a Ctrl-C on to processes that the terminal has told already;
# what follows so soon (in s) is no second one.
ECHO = 1.0


class Stopped(KeyboardInterrupt):
    """A signal ends the program.

    Arguments
    ---------
    signum : int
        The signal.
    advice : str
        What was kept, and how to go on.

    Example
    -------
    >>> print(Stopped(signal.SIGTERM, "nothing was written"))
    stopped by SIGTERM; nothing was written
    """

    def __init__(self, signum: int, advice: str = "") -> None:
        name = signal.Signals(signum).name
        super().__init__(
            "; ".join(filter(None, [f"stopped by {name}", advice]))
        )
        self.status = 128 + signum


class Notice:
    """Notes a signal, for a loop that looks at it between its steps.

    ``signum`` is the signal, 0 if there was none. A second one does not wait.

    Example
    -------
    >>> notice = Notice()
    >>> with handled(notice.take):
    ...     signal.raise_signal(signal.SIGTERM)
    >>> notice.signum == signal.SIGTERM
    True
    """

    def __init__(self) -> None:
        self.signum = 0
        self._since = 0.0

    def take(self, signum, frame=None):
        """The handler of the signals."""
        now = time.monotonic()
        if not self.signum:
            self.signum, self._since = int(signum), now
        elif now - self._since > ECHO:
            raise Stopped(signum, "told twice, it did not save its last steps")


def stop(signum, frame=None):
    """The handler of programs that have nothing to save."""
    raise Stopped(signum)


@contextmanager
def handled(handler: Callable) -> Iterator[None]:
    """Both signals go to a handler, unless the process was told to ignore them.

    Arguments
    ---------
    handler : callable
        ``handler(signum, frame)``.
    """
    old = {}
    if threading.current_thread() is threading.main_thread():
        for signum in SIGNALS:
            if signal.getsignal(signum) != signal.SIG_IGN:
                old[signum] = signal.signal(signum, handler)
    try:
        yield
    finally:
        for signum, former in old.items():
            signal.signal(signum, former)


def leave_to_parent(*_) -> None:
    """Lets a worker live until its parent, which has to save, ends it.

    Terminals and clusters signal all processes of a program.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    # Else the worker ends at once.
    if parent is not None and hasattr(signal, "sigwaitinfo"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        args = (parent.pid,)
        threading.Thread(target=_obey, args=args, daemon=True).start()


def _obey(parent):
    """Waits for SIGTERM from a certain process."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(128 + signal.SIGTERM)
