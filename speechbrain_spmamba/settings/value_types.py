"""Values of the type that is expected, said before they are worked with."""

import math
import re

PATH = re.compile(r"[a-zA-Z_.]/|/[a-zA-Z_.]")  # no division of numbers
MAY_BE_INFINITE = {"max_grad_norm"}  # for no limit


def check_values(
    where: str, values: dict, examples: dict, whole: bool = True
) -> None:
    """Says no to a value that is of another type than its example.

    Arguments
    ---------
    where : str
        What comes before the key in the message.
    values : dict
        Key -> value, from a command line or a file.
    examples : dict
        Key -> a value that would do, such as the default. Only numbers,
        switches, mappings with keys, lists (which a mapping would change in
        part) and paths are compared; a path is a text or reference with a
        slash that divides no numbers.
    whole : bool
        Whether only whole numbers may stand where the example is one.

    Raises
    ------
    ValueError
        A value of another type. None, which turns many things off, and what
        has a YAML tag, such as a reference, pass.

    Example
    -------
    >>> check_values("--", {"lr": 1}, {"lr": 0.001})
    >>> check_values("--", {"lr": "abc"}, {"lr": 0.001})
    Traceback (most recent call last):
        ...
    ValueError: --lr is 'abc'; expected a number, for example 0.001
    >>> check_values("--", {"hop": 128}, {"hop": "<n_fft>/2"})
    """
    for key, value in values.items():
        example = examples.get(key)
        if isinstance(example, dict) and isinstance(value, dict):
            check_values(f"{where}{key}.", value, example, whole)
            continue
        if isinstance(example, bool):
            fits, expected = isinstance(value, bool), "True or False"
        elif isinstance(example, int) and whole:
            fits = isinstance(value, int) and not isinstance(value, bool)
            expected = "a whole number"
        elif isinstance(example, (int, float)):
            fits = isinstance(value, (int, float))
            fits = fits and (math.isfinite(value) or key in MAY_BE_INFINITE)
            expected = "a number"
        elif isinstance(example, dict) and example:
            fits, expected = False, "a mapping"
        elif isinstance(example, list):
            fits, expected = not isinstance(value, dict), "a list"
        elif PATH.search(str(getattr(example, "value", example))):
            fits, expected = isinstance(value, str), "a path"
        else:
            continue
        tag = getattr(getattr(value, "tag", None), "value", None)
        if not fits and value is not None and not tag:
            shown = getattr(example, "value", example)
            shown = dict(example) if isinstance(example, dict) else shown
            raise ValueError(
                f"{where}{key} is {value!r}; expected {expected}, for example "
                f"{str(shown)[:60]}"
            )
