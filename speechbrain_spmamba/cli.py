"""The program ``spmamba``: its commands stand in ``commands/``."""

import argparse
import importlib
import logging
import sys

from speechbrain_spmamba import __version__
from speechbrain_spmamba.errors import did_you_mean, one_line_errors

# In the order of the work; each is a module of `commands`.
COMMANDS = (
    "prepare",
    "evaluate",
    "export",
    "convert",
    "separate",
    "demo",
    "complexity",
    "compare",
)


@one_line_errors
def main(argv=None):
    """Runs the command line.

    Arguments
    ---------
    argv : list of str, optional
        Arguments; by default those of the process.
    """
    check_command(sys.argv[1:] if argv is None else argv)
    parser = make_parser()
    arguments, words = parser.parse_known_args(argv)
    if words and "further" not in arguments:
        parser.error(f"unrecognized arguments: {' '.join(words)}")
    if words:
        arguments.further = words
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    sys.exit(arguments.run(arguments))


def check_command(words):
    """Raises ValueError where the command is none, and names the nearest.

    Arguments
    ---------
    words : list of str
        The command line.

    Example
    -------
    >>> check_command(["separate", "talk.wav"])
    >>> check_command(["sepratte", "talk.wav"])
    Traceback (most recent call last):
        ...
    ValueError: there is no command sepratte; did you mean 'separate'? ...
    """
    if words and not words[0].startswith("-") and words[0] not in COMMANDS:
        hint = did_you_mean(words[0], COMMANDS) or "."
        raise ValueError(
            f"there is no command {words[0]}{hint} Expected one of "
            + ", ".join(COMMANDS)
        )


class Parser(argparse.ArgumentParser):
    """Its errors are as those of the commands: one line, exit status 2."""

    def error(self, message):
        """Raises ValueError in place of printing the usage."""
        raise ValueError(f"{message}; see `{self.prog} --help`")


def make_parser():
    """All commands and their options.

    Returns
    -------
    argparse.ArgumentParser
        Its result has ``run``, which carries the command out.

    Example
    -------
    >>> make_parser().parse_args(["export", "run", "model"]).results
    'run'
    """
    parser = Parser(
        prog="spmamba", description="Speech separation with SPMamba."
    )
    parser.add_argument(
        "--version", action="version", version=f"%(prog)s {__version__}"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in COMMANDS:
        module = importlib.import_module(f"speechbrain_spmamba.commands.{name}")
        command = commands.add_parser(
            name, help=module.HELP, description=module.HELP
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    main()
