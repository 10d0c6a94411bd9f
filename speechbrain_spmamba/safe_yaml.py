"""Reads a stranger's ``hyperparams.yaml`` without running what it says.

A HyperPyYAML file is a program: its tags call any function, and so do plain
words in parentheses, which are read as tuples by a loader that knows all of
Python. What a model folder needs is little. Only that passes here: numbers and
words, a model of this package with such for arguments, and the fixed parts
around it. All else is refused, whether it does harm or not.

The same file of a training run is the whole experiment, and is one program
from end to end. ``model_part`` takes out of it what builds the model, as text
that has nothing else in it, and looks at the rest only to find its end.
"""

import re

from speechbrain.dataio.preprocess import AudioNormalizer
from speechbrain.utils.run_opts import RunOptions

from speechbrain_spmamba.files.yaml_tree import QUOTED, read, read_part
from speechbrain_spmamba.models.arguments import (
    check_argument,
    check_arguments,
    read_value,
)
from speechbrain_spmamba.models.systems import SYSTEMS

# What a value may look like; above all, it has no parenthesis, < or !.
WORD = re.compile(r"[A-Za-z0-9_.+-]{0,100}")
RUN_OPTIONS = set(RunOptions().as_dict())
REFERENCE = re.compile(r"<([a-z][A-Za-z0-9_]{0,60})>")

NORMALIZERS = {
    "!new:speechbrain.dataio.preprocess.AudioNormalizer": AudioNormalizer
}
PRETRAINER = "!new:speechbrain.utils.parameter_transfer.Pretrainer"
LOADER = "!name:speechbrain_spmamba.inference.strict_load"
# A tag and what belongs to it: the parts that are the same in every folder.
SEPARATOR = (None, {"separator": ("!ref", "<separator>")})
HOOK = (None, {"separator": (LOADER, "")})
PRETRAINERS = (
    # Two of earlier versions, and that of today.
    (PRETRAINER, {"loadables": SEPARATOR, "custom_hooks": HOOK}),
    (PRETRAINER, {"loadables": SEPARATOR}),  # gets the hook all the same
    (
        "!new:speechbrain_spmamba.weights.pretrainer.SeparatorPretrainer",
        {
            "separator": ("!ref", "<separator>"),
            "pretrained_path": ("!ref", "<pretrained_path>"),
        },
    ),
)
# The model as the parts of the toolkit's classes, of ``--layout toolkit``.
TOOLKIT = "!new:speechbrain_spmamba.models.toolkit"
PARTS = {
    "encoder": (f"{TOOLKIT}.SpectrumEncoder", ""),
    "masknet": (f"{TOOLKIT}.RatioMasks", {"model": ("!ref", "<separator>")}),
    "decoder": (f"{TOOLKIT}.SpectrumDecoder", ""),
}
ALL_PARTS = (
    None,
    {key: ("!ref", f"<{key}>") for key in ("separator", *PARTS)},
)
FIXED = {
    "modules": (SEPARATOR, ALL_PARTS),
    "pretrainer": PRETRAINERS,
    "pretrained_path": ((None, "null"),),
    **{key: (part,) for key, part in PARTS.items()},
}
HEADER = ("sample_rate", "num_spks")
WINDOWS = ("window", "overlap")  # whole seconds, if a model asks for some
NEEDED = (*HEADER, "separator", "modules", "pretrainer")


def check(text: str) -> None:
    """Refuses the text of a ``hyperparams.yaml`` that is more than a model.

    Arguments
    ---------
    text : str
        What would be loaded.

    Raises
    ------
    ValueError
        It has something that no model folder of this package needs.

    Example
    -------
    >>> check("separator: !apply:os.system [reboot]")
    Traceback (most recent call last):
        ...
    ValueError: line 1: a list is not allowed
    """
    tree = read(text)
    for key in NEEDED:
        if key not in tree:
            raise ValueError(f"there is no key '{key}'")
    for key, node in tree.items():
        if key in FIXED:
            if node not in FIXED[key]:
                raise ValueError(
                    f"'{key}' is not as `spmamba export` writes it"
                )
        elif key == "separator":
            _check_call(key, tree, _classes(), "a model of this package")
        elif key == "audio_normalizer":
            _check_call(key, tree, NORMALIZERS, "an AudioNormalizer")
        elif key in RUN_OPTIONS:
            raise ValueError(f"the key '{key}' is an option of the user's")
        elif not _is_plain(node):
            raise ValueError(f"the key '{key}' is no number or word")


def check_values(text: str) -> None:
    """Refuses numbers and words that no model is built of.

    Arguments
    ---------
    text : str
        What ``check`` or ``model_part`` let pass.

    Raises
    ------
    ValueError
        The message names the key.

    Example
    -------
    >>> model = "!new:speechbrain_spmamba.models.dprnn.DPRNN"
    >>> check_values(f"separator: {model}\\n    hidden: -4")
    Traceback (most recent call last):
        ...
    ValueError: 'hidden' is -4, expected a whole number from 1 to 100000
    """
    tree = read(text)
    for key in (*HEADER, *WINDOWS):
        if key in tree:
            check_argument(key, _value(tree[key]), 1)
    for key, known in (
        ("separator", _classes()),
        ("audio_normalizer", NORMALIZERS),
    ):
        if key in tree:
            tag, arguments = tree[key]
            values = {
                name: _value(_referred(node, tree))
                for name, node in (arguments or {}).items()
            }
            check_arguments(known[tag], values)


def model_part(text: str) -> str:
    """What builds the model of an experiment, or of a training run.

    Arguments
    ---------
    text : str
        Its YAML file, of which nothing is built.

    Returns
    -------
    str
        YAML text with the keys ``separator``, ``sample_rate``, ``num_spks``,
        ``window`` and ``overlap``, as far as they are there, and those that
        ``separator`` refers to.

    Raises
    ------
    ValueError
        There is no separator, or it is more than a model of this package.

    Example
    -------
    >>> model = "!new:speechbrain_spmamba.models.dprnn.DPRNN"
    >>> print(model_part(f"x: !apply:os.abort []\\nseparator: {model}"))
    separator: !new:speechbrain_spmamba.models.dprnn.DPRNN
    """
    tree = read_part(text, "separator")
    if "separator" not in tree:
        raise ValueError("there is no key 'separator'")
    _check_call("separator", tree, _classes(), "a model of this package")
    tag, arguments = tree["separator"]
    arguments = arguments or {}
    kept = {key: tree[key] for key in (*HEADER, *WINDOWS) if key in tree}
    for node in arguments.values():
        found = node[0] == "!ref" and REFERENCE.fullmatch(node[1])
        if found:
            name = found.group(1)
            kept[name] = tree[name]
    for key, node in kept.items():
        if not _is_plain(node):
            raise ValueError(f"the key '{key}' is no number or word")
    lines = [f"{key}: {_written(node)}" for key, node in kept.items()]
    lines.append(f"separator: {tag}")
    lines += [f"    {key}: {_written(n)}" for key, n in arguments.items()]
    return "\n".join(lines)


def _classes():
    """The models of this package by their tags."""
    models = [row.model for row in SYSTEMS.values()]
    return {f"!new:{m.__module__}.{m.__qualname__}": m for m in models}


def _is_plain(node):
    """Whether a value is a number or a word."""
    tag, value = node
    plain = tag in (None, QUOTED) and isinstance(value, str)
    return plain and bool(WORD.fullmatch(value))


def _value(node):
    """A plain value as Python has it."""
    tag, value = node
    return value if tag == QUOTED else read_value(value)


def _written(node):
    """A plain value, or a reference to one, as YAML has it."""
    tag, value = node
    if tag == QUOTED:
        return f'"{value}"'
    return f"{tag} {value}" if tag else value


def _referred(node, tree):
    """The node that a reference stands for; any other, as it is."""
    tag, value = node
    if tag != "!ref" or not isinstance(value, str):
        return node
    found = REFERENCE.fullmatch(value)
    return tree.get(found and found.group(1), node)


def _check_call(key, tree, known, expected):
    """A class that is known, with scalars for arguments."""
    tag, arguments = tree[key]
    if tag not in known:
        raise ValueError(f"'{key}' is {tag or 'none'!r}, not {expected}")
    if isinstance(arguments, str) and arguments:
        raise ValueError(f"'{key}' has {arguments[:40]!r} for arguments")
    for name, argument in (arguments or {}).items():
        if not _is_plain(_referred(argument, tree)):
            raise ValueError(
                f"argument '{name}' of '{key}' is no number or word"
            )
