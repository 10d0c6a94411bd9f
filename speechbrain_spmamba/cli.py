"""The program ``spmamba``: its commands stand in ``commands/``."""

from __future__ import annotations

import atexit
import gc
import importlib
import logging
import sys
from typing import TYPE_CHECKING

from speechbrain_spmamba import __version__
from speechbrain_spmamba.commands.app import new_app, run
from speechbrain_spmamba.errors import one_line_errors

if TYPE_CHECKING:
    from cyclopts import App


# In the order of the work; each is a function of a module of its name.
COMMANDS = (
    "prepare",
    "new",
    "train",
    "evaluate",
    "score",
    "export",
    "convert",
    "models",
    "separate",
    "listen",
    "demo",
    "complexity",
    "compare",
)


def make_app() -> App:
    """All commands and their options.

    Returns
    -------
    cyclopts.App
        See ``commands.app.run``.

    Example
    -------
    >>> _, given, *_ = make_app().parse_known_args(["export", "run", "model"])
    >>> given.args
    ('run', 'model')
    """
    app = new_app(
        "spmamba",
        help="Speech separation with SPMamba.",
        version=f"spmamba {__version__}",
    )
    for place, name in enumerate(COMMANDS):
        module = importlib.import_module(f"{__package__}.commands.{name}")
        # What `prepare` takes depends on the set, which answers --help.
        keys = {"help_flags": ()} if name == "prepare" else {}
        app.command(getattr(module, name), name=name, sort_key=place, **keys)
    app.register_install_completion_command()
    return app


@one_line_errors
def main(argv: list[str] | None = None) -> None:
    """Runs the command line.

    Arguments
    ---------
    argv : list of str, optional
        Arguments; by default those of the process.
    """
    _collect_less_garbage()
    argv = sys.argv[1:] if argv is None else argv
    if not argv:
        raise ValueError(
            f"a command is missing; give one of {', '.join(COMMANDS)}; see "
            "`spmamba --help`"
        )
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    sys.exit(run(make_app(), argv) or 0)


def _collect_less_garbage():
    """Spares a short command a tenth of its time or more.

    What it imports stays to its end. By default all of that is searched for
    garbage again and again while it is imported, and once more at the end.
    """
    gc.set_threshold(10_000)
    atexit.register(gc.freeze)


if __name__ == "__main__":
    main()
