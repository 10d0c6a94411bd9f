"""Where is kept what can be made again but takes its time.

Nothing in it is needed: whoever empties the folder waits once more.
"""

import os
import tempfile
from pathlib import Path

VARIABLE = "SPMAMBA_CACHE"


def cache_folder() -> Path:
    """The folder that this package may write to, whatever is worked on.

    Returns
    -------
    Path
        ``SPMAMBA_CACHE`` where it is set; else ``speechbrain_spmamba`` in
        ``XDG_CACHE_HOME`` or ``~/.cache``, or, of a user without a home, in
        the folder of temporary files. It need not exist.

    Example
    -------
    >>> getfixture("monkeypatch").setenv("SPMAMBA_CACHE", "kept")
    >>> cache_folder().as_posix()
    'kept'
    """
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE])
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not base.is_absolute():  # the XDG's own rule
        try:
            base = Path.home() / ".cache"
        except RuntimeError:
            base = Path(tempfile.gettempdir())
    return base / "speechbrain_spmamba"
