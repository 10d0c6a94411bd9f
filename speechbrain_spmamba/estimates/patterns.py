"""Patterns of file names: which item a file is of, and which of its sources.

``{id}`` stands for the name of an item, which may hold slashes, ``{n}`` for the
number of a source and ``*`` for anything. What stands there twice is the same
twice. Without a suffix at its end, a pattern fits audio of any format.
"""

import re
from collections.abc import Iterable

from speechbrain_spmamba.files.audio_files import is_audio

FIELDS = {"id": ".+", "n": r"\d+"}
ANY_SUFFIX = r"\.[^./]+"


def read_pattern(
    text: str, needed: tuple[str, ...] = ("id", "n")
) -> re.Pattern[str]:
    """Makes a regular expression of a pattern.

    Arguments
    ---------
    text : str
        The pattern, of a path below a folder.
    needed : tuple of str
        Fields that it must have; it may have no others.

    Returns
    -------
    re.Pattern
        With a group of the name of each field.

    Raises
    ------
    ValueError
        A field is missing, or another one is there.

    Example
    -------
    >>> fits = read_pattern("s{n}/{id}").fullmatch("s2/day/a.flac")
    >>> fits["id"], fits["n"]
    ('day/a', '2')
    >>> read_pattern("*/{id}_s{n}.wav").fullmatch("x/a_s1.flac")
    """
    made, seen = "", set()
    for part in re.split(r"(\{\w*\}|\*)", text):
        field = part[1:-1] if part.startswith("{") else None
        if field is None:
            made += ".*" if part == "*" else re.escape(part)
        elif field not in needed:
            break
        else:
            expression = FIELDS[field]
            made += f"(?P={field})" if field in seen else ""
            made += "" if field in seen else f"(?P<{field}>{expression})"
            seen.add(field)
    fields = " and ".join(f"{{{field}}}" for field in needed)
    if seen != set(needed) or field not in (None, *needed):
        raise ValueError(
            f"the pattern '{text}' must have {fields}, and no other field; "
            f"for example '{example(needed)}'"
        )
    return re.compile(made + ("" if is_audio(text) else ANY_SUFFIX))


def example(needed):
    """A pattern with these fields, for a message."""
    return "{id}_s{n}.wav" if "n" in needed else "{id}.wav"


def match_files(
    text: str, names: Iterable[str], needed: tuple[str, ...] = ("id", "n")
) -> dict:
    """Sorts files by item and source.

    Arguments
    ---------
    text, needed
        See ``read_pattern``.
    names : iterable of str
        Paths below a folder, with slashes.

    Returns
    -------
    dict
        ID -> number of the source (0 without ``{n}``) -> name; what does not
        fit is left out.

    Raises
    ------
    ValueError
        Two files are the same source of the same item.

    Example
    -------
    >>> match_files("{id}_s{n}", ["a_s1.wav", "a_s2.wav", "a.wav"])
    {'a': {1: 'a_s1.wav', 2: 'a_s2.wav'}}
    """
    regex, found = read_pattern(text, needed), {}
    for name in names:
        fits = regex.fullmatch(name)
        if not fits:
            continue
        fields = fits.groupdict()
        files = found.setdefault(fields["id"], {})
        number = int(fields.get("n", 0))
        if number in files:
            raise ValueError(
                f"'{files[number]}' and '{name}' are the same source of the "
                f"same item by the pattern '{text}'; remove one of them or "
                "give another pattern"
            )
        files[number] = name
    return found
