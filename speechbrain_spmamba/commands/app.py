"""Programs and commands made of functions, by cyclopts.

``--help``, defaults and shell completion come from their signatures and
docstrings; here stands what is ours: names of options, and one line for what is
wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cyclopts import App, CycloptsError, Parameter

if TYPE_CHECKING:
    import inspect


_OPTION = re.compile(r"^--[a-z][a-z0-9-]*")
_STANDARD = "\0"  # input or output


class _Program(App):
    """A program of which many words are files, which shells shall offer."""

    def generate_completion(self, **keys: Any) -> str:
        """The script for a shell: cyclopts' own, and files besides.

        To cyclopts, only what is of the type Path is a file: where it has
        nothing to offer, shells would offer nothing at all.
        """
        script = super().generate_completion(**keys)
        if script.startswith("#compdef"):  # zsh
            body, _, rest = script.rpartition("}")
            return f"{body}  (( compstate[nmatches] )) || _files\n}}{rest}"
        # Of bash; fish offers files by itself.
        return script.replace("complete -F ", "complete -o default -F ")


def new_app(name: str, **keys: Any) -> App:
    """A program whose options are called as the keys of experiments.

    Arguments
    ---------
    name : str
        Of the program.
    **keys : dict
        Arguments of ``cyclopts.App``.

    Returns
    -------
    cyclopts.App
        Without commands.
    """
    # A flag has no opposite.
    as_keys = Parameter(name_transform=str, negative=())
    return _Program(name=name, default_parameter=as_keys, **keys)


def run(app: App, argv: list[str]) -> Any:
    """Carries out a command line.

    Arguments
    ---------
    app, argv
        See ``understand``.

    Returns
    -------
    object
        What the command returns.

    Example
    -------
    >>> app = new_app("spmamba")
    >>> @app.command
    ... def add(one: int, *, num_others: int = 0):
    ...     return one + num_others
    >>> run(app, ["add", "1", "--num-others", "2"])
    3
    >>> run(app, ["add", "1", "--num_other", "2"])
    Traceback (most recent call last):
        ...
    ValueError: Unknown option: --num_other. Did you mean --num_others?; ...
    """
    command, given = understand(app, argv)
    return command(*given.args, **given.kwargs)


def understand(
    app: App, argv: list[str]
) -> tuple[Callable, inspect.BoundArguments]:
    """Finds the command of a command line, and what it is given.

    Arguments
    ---------
    app : cyclopts.App
        The program.
    argv : list of str
        A command and its arguments; --num-spks is --num_spks. What is none of
        its options becomes its argument ``further``, if it has that.

    Returns
    -------
    callable
        The command.
    inspect.BoundArguments
        Its arguments.

    Raises
    ------
    ValueError
        There is no such command, or it takes no such arguments.
    """
    argv = [*argv[:1], *(_OPTION.sub(_underlined, w) for w in argv[1:])]
    # cyclopts takes "-" for an option; no word can hold a zero.
    argv = [_STANDARD if word == "-" else word for word in argv]
    try:
        command, given, further, unparsed = app.parse_known_args(argv)
        if further and "further" not in unparsed:
            app.parse_args(argv, print_error=False, exit_on_error=False)
    except CycloptsError as error:
        error.verbose = False
        chain = " ".join([*app.name, *(error.command_chain or ())])
        said = " ".join(str(error).replace(_STANDARD, "-").split()).rstrip(".")
        raise ValueError(f"{said}; see `{chain} --help`") from None
    if further:
        given.arguments["further"] = further
    for key, value in given.arguments.items():
        if value == _STANDARD:
            given.arguments[key] = "-"
        elif isinstance(value, list):
            given.arguments[key] = ["-" if x == _STANDARD else x for x in value]
    return command, given


def _underlined(option):
    return "--" + option[0][2:].replace("-", "_")
