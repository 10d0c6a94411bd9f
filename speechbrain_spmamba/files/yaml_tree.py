"""YAML as a tree of text: nothing is built, no number is read.

There are no aliases, lists, directives, documents, keys that stand twice, and
no characters that one YAML parser may take for a line break and another not.
"""

import re

import ruamel.yaml
from ruamel.yaml import events
from ruamel.yaml.error import YAMLError

MAX_CHARACTERS = 20_000  # of what is read as a whole
MAX_EXPERIMENT = 200_000  # of what is read in part
MAX_DEPTH = 4
KEY = re.compile(r"[a-z][A-Za-z0-9_]{0,60}")
CHARACTERS = re.compile(r"[ -~\n]*")
QUOTED = "in quotes"  # in place of a tag: no number, whatever it looks like


def read(text: str) -> dict:
    """Reads YAML to a tree without building anything.

    Arguments
    ---------
    text : str
        One mapping.

    Returns
    -------
    dict
        Key -> (tag, str or dict of the same form); the tag is None if there
        is none, or ``QUOTED``.

    Raises
    ------
    ValueError
        Too long, no YAML, or a construct that a model folder does not need.

    Example
    -------
    >>> read("a: 1\\nb: !ref <a>")
    {'a': (None, '1'), 'b': ('!ref', '<a>')}
    """
    if not CHARACTERS.fullmatch(text):
        raise ValueError("it has characters other than printable ASCII")
    return _read(text, MAX_CHARACTERS)


def read_part(text: str, key: str) -> dict:
    """Reads one key of many, and the words and numbers beside it.

    Arguments
    ---------
    text : str
        One mapping, of any length and any other content.
    key : str
        The key that is wanted.

    Returns
    -------
    dict
        As ``read`` gives it; without the lists, mappings and aliases of other
        keys, and without keys that ``read`` would refuse.

    Raises
    ------
    ValueError
        As ``read``, of the part that is wanted.

    Example
    -------
    >>> read_part("a: 1\\nb: [!x {}, *c]\\nd: {e: f}", "d")
    {'a': (None, '1'), 'd': (None, {'e': (None, 'f')})}
    """
    return _read(text, MAX_EXPERIMENT, key)


def _read(text, longest, wanted=None):
    """Reads all, or a part."""
    if len(text) > longest:
        raise ValueError(f"it has {len(text)} characters, which is too much")
    stream = ruamel.yaml.YAML(typ="rt", pure=True).parse(text)
    try:
        for start in (events.StreamStartEvent, events.DocumentStartEvent):
            event = next(stream)
            if not isinstance(event, start):
                raise ValueError("it is empty")
        if event.version or event.tags:
            raise ValueError("a directive (%) is not allowed")
        event = next(stream)
        if not isinstance(event, events.MappingStartEvent) or event.tag:
            raise ValueError("it is no mapping of keys to values")
        tree = _read_mapping(event, stream, 0, wanted)
        next(stream)  # the end of the document
        if not isinstance(next(stream), events.StreamEndEvent):
            raise ValueError("more than one document is not allowed")
    except YAMLError as error:
        reason = getattr(error, "problem", None) or "it cannot be parsed"
        raise ValueError(f"it is no YAML: {reason}") from None
    return tree


def _read_mapping(event, stream, depth, wanted=None):
    """A mapping, or of it what is plain and one key."""
    if depth >= MAX_DEPTH:
        raise ValueError(f"{_where(event)}: mappings stand too deep")
    tree = {}
    while not isinstance(event := next(stream), events.MappingEndEvent):
        where, key = _where(event), getattr(event, "value", None)
        if not isinstance(event, events.ScalarEvent) or event.tag:
            raise ValueError(f"{where}: a key that is no word is not allowed")
        if key in tree:
            raise ValueError(f"{where}: the key '{key}' stands twice")
        event = next(stream)
        plain = isinstance(event, events.ScalarEvent) and KEY.fullmatch(key)
        if wanted and not (plain or key == wanted):
            _skip(event, stream)
        elif not KEY.fullmatch(key):
            raise ValueError(f"{where}: the key {key[:40]!r} is not allowed")
        else:
            tree[key] = _read_node(event, stream, depth + 1)
    return tree


def _skip(event, stream):
    """Goes to the end of a value."""
    depth = 0
    while True:
        depth += isinstance(event, events.CollectionStartEvent)
        depth -= isinstance(event, events.CollectionEndEvent)
        if depth == 0:
            return
        event = next(stream)


def _read_node(event, stream, depth):
    """One value, as (tag, str or dict)."""
    if isinstance(event, events.ScalarEvent):
        return _tag(event), event.value
    if isinstance(event, events.MappingStartEvent):
        return _tag(event), _read_mapping(event, stream, depth)
    name = type(event).__name__.removesuffix("Event")
    names = {"Alias": "an alias", "SequenceStart": "a list"}
    raise ValueError(f"{_where(event)}: {names.get(name, name)} is not allowed")


def _where(event):
    """Where something stands, for messages."""
    return f"line {event.start_mark.line + 1}"


def _tag(event):
    """The tag of a value as it is written, None if it has none."""
    if event.tag is not None:
        return str(event.tag)
    quoted = isinstance(event, events.ScalarEvent) and event.style
    return QUOTED if quoted else None
