"""YAML as it was written: nothing that it names is built.

``load`` keeps comments, tags and order, so that ``dump`` gives them back;
``plain`` makes Python's own values of it. What a stranger's file may hold is
decided by ``yaml_tree``.
"""

import io
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import TaggedScalar

from speechbrain_spmamba import present_name

MAX_NODES = 100_000  # of settings


def load(text: str) -> Any:
    """Reads YAML without building anything.

    Arguments
    ---------
    text : str
        YAML, also HyperPyYAML.

    Returns
    -------
    object
        Most often a dict; with tags, as ruamel reads them.

    Raises
    ------
    ValueError
        It is no YAML; the message is the rest of a sentence.

    Example
    -------
    >>> load("seed: 1")["seed"]
    1
    >>> load("[1")
    Traceback (most recent call last):
        ...
    ValueError: is no valid YAML: while parsing a flow sequence ...
    """
    try:
        return YAML(typ="rt").load(text)
    # Made-up tags of numbers and dates fail in many ways.
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"is no valid YAML: {reason}") from None


def dump(
    tree: dict, indent: int | None = None, width: int | None = None
) -> str:
    """The text of a tree of ``load``, or of numbers and words.

    Arguments
    ---------
    tree : dict
        The tree.
    indent : int, optional
        Blanks a level of mappings.
    width : int, optional
        Characters after which lines are broken.

    Returns
    -------
    str
        YAML.
    """
    yaml, text = YAML(typ="rt"), io.StringIO()
    yaml.map_indent, yaml.width = indent, width
    yaml.dump(tree, text)
    return text.getvalue()


def plain(tree: object) -> Any:
    """Python's own values in place of tags, anchors and aliases.

    Arguments
    ---------
    tree : object
        From ``load``.

    Returns
    -------
    object
        Dicts, lists and scalars. What a tag names, by its name of today, is
        the entry "!" of a dict; a reference is a text.

    Raises
    ------
    ValueError
        Aliases make it absurdly large.

    Example
    -------
    >>> plain(load("a: &x !new:collections.Counter\\n  b: !ref <d>\\nc: *x"))
    {'a': {'!': 'collections.Counter', 'b': '!ref <d>'}, 'c': {'!': ...}}
    """
    if _size(tree, {}) > MAX_NODES:
        raise ValueError("is absurdly large")
    return _plain(tree)


def _size(node, known):
    """Nodes of a tree; an alias counts as often as it stands there."""
    if id(node) not in known:
        known[id(node)] = MAX_NODES + 1  # as long as it contains itself
        parts = node.values() if isinstance(node, dict) else node
        parts = parts if isinstance(node, (dict, list)) else ()
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]


def _plain(node):
    """The same for one node."""
    tag = str(getattr(getattr(node, "tag", None), "value", None) or "")
    called = {"!": present_name(tag.partition(":")[2])} if ":" in tag else {}
    if isinstance(node, dict):
        return called | {str(key): _plain(part) for key, part in node.items()}
    if isinstance(node, list):
        return [_plain(part) for part in node]
    if isinstance(node, TaggedScalar):
        return called or f"{tag} {node.value}".strip()
    for scalar in (str, float, bool, int):
        if isinstance(node, scalar):
            return scalar(node)
    return node
