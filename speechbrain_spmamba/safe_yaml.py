"""Reads a stranger's ``hyperparams.yaml`` without running what it says.

A HyperPyYAML file is a program: its tags call any function, and so do plain
words in parentheses, which are read as tuples by a loader that knows all of
Python. What a model folder needs is little. Only that passes here: numbers and
words, a model of this package with such for arguments, and the fixed parts
around it. All else is refused, whether it does harm or not.

There are no aliases, lists, directives, documents, keys that stand twice, and
no characters that one YAML parser may take for a line break and another not.
"""

import re

import ruamel.yaml
from hyperpyyaml import load_hyperpyyaml
from ruamel.yaml import events
from ruamel.yaml.error import YAMLError
from speechbrain.utils.fetching import FetchConfig, LocalStrategy, fetch
from speechbrain.utils.run_opts import RunOptions

from speechbrain_spmamba.models import MODELS, TOOLKIT_MODELS

MAX_CHARACTERS = 20_000
MAX_DEPTH = 4
# What a value may look like; above all, it has no parenthesis, < or !.
WORD = re.compile(r"[A-Za-z0-9_.+-]{0,100}")
NUMBER = re.compile(r"[0-9]{1,9}")
KEY = re.compile(r"[a-z][A-Za-z0-9_]{0,60}")
CHARACTERS = re.compile(r"[ -~\n]*")
RUN_OPTIONS = set(RunOptions().as_dict())
REFERENCE = re.compile(r"<([a-z][A-Za-z0-9_]{0,60})>")

CLASSES = {
    f"!new:{model.__module__}.{model.__qualname__}"
    for model in (*MODELS.values(), *TOOLKIT_MODELS.values())
}
NORMALIZER = "!new:speechbrain.dataio.preprocess.AudioNormalizer"
PRETRAINER = "!new:speechbrain.utils.parameter_transfer.Pretrainer"
LOADER = "!name:speechbrain_spmamba.inference.strict_load"
# A tag and what belongs to it: the parts that are the same in every folder.
SEPARATOR = (None, {"separator": ("!ref", "<separator>")})
HOOK = (None, {"separator": (LOADER, "")})
PRETRAINERS = (
    (PRETRAINER, {"loadables": SEPARATOR, "custom_hooks": HOOK}),
    (PRETRAINER, {"loadables": SEPARATOR}),  # gets the hook all the same
)
FIXED = {"modules": (SEPARATOR,), "pretrainer": PRETRAINERS}
NEEDED = ("sample_rate", "num_spks", "separator", *FIXED)


def check(text):
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
    for key, (tag, value) in tree.items():
        node = (tag, value)
        if key in FIXED:
            if node not in FIXED[key]:
                raise ValueError(
                    f"'{key}' is not as `spmamba export` writes it"
                )
        elif key in ("sample_rate", "num_spks"):
            if tag or not isinstance(value, str) or not NUMBER.fullmatch(value):
                raise ValueError(f"'{key}' is no positive whole number")
        elif key == "separator":
            _check_arguments(key, tree, CLASSES, "a model of this package")
        elif key == "audio_normalizer":
            _check_arguments(key, tree, {NORMALIZER}, "an AudioNormalizer")
        elif key in RUN_OPTIONS:
            raise ValueError(f"the key '{key}' is an option of the user's")
        elif not _is_plain(node):
            raise ValueError(f"the key '{key}' is no number or word")


def _is_plain(node):
    """Whether a value is a number or a word."""
    tag, value = node
    return (
        tag is None and isinstance(value, str) and bool(WORD.fullmatch(value))
    )


def _check_arguments(key, tree, tags, expected):
    """A class that is known, with scalars for arguments."""
    node = tree[key]
    tag, arguments = node
    if tag not in tags:
        raise ValueError(f"'{key}' is {tag or 'none'!r}, not {expected}")
    if isinstance(arguments, str) and arguments:
        raise ValueError(f"'{key}' has {arguments[:40]!r} for arguments")
    for name, argument in (arguments or {}).items():
        if argument[0] == "!ref" and isinstance(argument[1], str):
            found = REFERENCE.fullmatch(argument[1])
            argument = tree.get(found and found.group(1), argument)
        if not _is_plain(argument):
            raise ValueError(
                f"argument '{name}' of '{key}' is no number or word"
            )


def read(text):
    """Reads YAML to a tree without building anything.

    Arguments
    ---------
    text : str
        One mapping.

    Returns
    -------
    dict
        Key -> (tag or None, str or dict of the same form).

    Raises
    ------
    ValueError
        Too long, no YAML, or a construct that a model folder does not need.

    Example
    -------
    >>> read("a: 1\\nb: !ref <a>")
    {'a': (None, '1'), 'b': ('!ref', '<a>')}
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"it has {len(text)} characters, which is too much")
    if not CHARACTERS.fullmatch(text):
        raise ValueError("it has characters other than printable ASCII")
    stream = ruamel.yaml.YAML(typ="rt", pure=True).parse(text)
    try:
        for kind in (events.StreamStartEvent, events.DocumentStartEvent):
            event = next(stream)
            if not isinstance(event, kind):
                raise ValueError("it is empty")
        if event.version or event.tags:
            raise ValueError("a directive (%) is not allowed")
        tag, tree = _read_node(next(stream), stream)
        next(stream)  # the end of the document
        if not isinstance(next(stream), events.StreamEndEvent):
            raise ValueError("more than one document is not allowed")
    except YAMLError as error:
        reason = getattr(error, "problem", None) or "it cannot be parsed"
        raise ValueError(f"it is no YAML: {reason}") from None
    if tag or not isinstance(tree, dict):
        raise ValueError("it is no mapping of keys to values")
    return tree


def _read_node(event, stream, depth=0):
    """One value, as (tag, str or dict)."""
    where = f"line {event.start_mark.line + 1}"
    if isinstance(event, events.ScalarEvent):
        return _tag(event), event.value
    if not isinstance(event, events.MappingStartEvent):
        kind = type(event).__name__.removesuffix("Event")
        names = {"Alias": "an alias", "SequenceStart": "a list"}
        raise ValueError(f"{where}: {names.get(kind, kind)} is not allowed")
    if depth >= MAX_DEPTH:
        raise ValueError(f"{where}: mappings stand too deep in each other")
    tag, tree = _tag(event), {}
    while not isinstance(event := next(stream), events.MappingEndEvent):
        where = f"line {event.start_mark.line + 1}"
        if not isinstance(event, events.ScalarEvent) or _tag(event):
            raise ValueError(f"{where}: a key that is no word is not allowed")
        key = event.value
        if not KEY.fullmatch(key):
            raise ValueError(f"{where}: the key {key[:40]!r} is not allowed")
        if key in tree:
            raise ValueError(f"{where}: the key '{key}' stands twice")
        tree[key] = _read_node(next(stream), stream, depth + 1)
    return tag, tree


def _tag(event):
    """The tag of a value as it is written, None if it has none."""
    return None if event.tag is None else str(event.tag)


def load_checked(
    cls,
    source,
    hparams_file,
    load_weights,
    overrides=None,
    overrides_must_match=True,
    savedir=None,
    download_only=False,
    local_strategy=LocalStrategy.SYMLINK,
    fetch_config=None,
    **kwargs,
):
    """The toolkit's ``pretrained_from_hparams`` for a text that was checked.

    Arguments
    ---------
    cls : type
        Subclass of the toolkit's ``Pretrained``.
    source : str or Path
        Folder or name on the Hub.
    hparams_file : str
        Name of the YAML file in it.
    load_weights : callable
        ``load_weights(module, path)``, which must not unpickle objects.
    overrides : dict or str, optional
        The user's own changes; they are not checked.
    overrides_must_match : bool
        See the toolkit.
    savedir : str or Path, optional
        See the toolkit.
    download_only : bool
        See the toolkit.
    local_strategy : LocalStrategy
        See the toolkit.
    fetch_config : FetchConfig, optional
        See the toolkit.
    **kwargs : dict
        Arguments of ``cls``.

    Returns
    -------
    object
        An instance of ``cls``; None after a download only.

    Raises
    ------
    ValueError
        The text is more than a model.
    """
    options = {
        "local_strategy": local_strategy,
        "fetch_config": fetch_config or FetchConfig(),
    }
    path = fetch(hparams_file, str(source), savedir, **options)
    # What is checked is what is loaded: the file is read once.
    try:
        with open(path, "rb") as file:
            text = file.read(2 * MAX_CHARACTERS).decode("ascii")
        text = text.replace("\r\n", "\n")
        check(text)
    except ValueError as error:
        if isinstance(error, UnicodeDecodeError):
            error = "it is no ASCII text"
        raise ValueError(
            f"{path} was not loaded, for it is more than a model: {error}; "
            "with safe=False it may run any code, which takes trust in its "
            "author"
        ) from None
    hparams = load_hyperpyyaml(text, overrides, overrides_must_match)
    hparams["savedir"] = savedir
    pretrainer = hparams["pretrainer"]
    pretrainer.add_custom_hooks({"separator": load_weights})
    pretrainer.set_collect_in(savedir)
    pretrainer.collect_files(default_source=str(source), **options)
    if download_only:
        return None
    pretrainer.load_collected()
    return cls(modules=hparams["modules"], hparams=hparams, **kwargs)
