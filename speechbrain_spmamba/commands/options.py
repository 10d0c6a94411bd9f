"""Options that several commands have, and the types of all of them."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter


def _whole(_, tokens):
    """A number as it stands there: 1.5 is none."""
    word = tokens[0].value
    try:
        return int(word)
    except ValueError:
        raise ValueError(f"{word} is no whole number") from None


Whole = Annotated[int, Parameter(converter=_whole)]

Output = Annotated[str, Parameter(alias="-o")]

Device = Annotated[
    str | None, Parameter(help="Where it runs: cpu, cuda, cuda:1, mps ...")
]

Trust = Annotated[
    bool,
    Parameter(
        help="Build whatever the YAML file says, which may run any code: for "
        "models of your own classes, see docs/own_model.md."
    ),
]

# Filled by ``commands.app`` with what no option of the command takes.
Further = Annotated[Sequence[str], Parameter(parse=False)]
