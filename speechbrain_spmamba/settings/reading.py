"""The YAML file of an experiment: its text, its keys, where it writes."""

import copy
import functools
import os
from pathlib import Path

from hyperpyyaml import resolve_references
from hyperpyyaml.core import recursive_resolve, recursive_update

from speechbrain_spmamba.files.text import read_text
from speechbrain_spmamba.files.yaml_text import load

# Where a run writes.
FOLDERS = ("output_folder", "save_folder", "results_folder")


def read_experiment(path):
    """The text of an experiment's YAML file; ValueError where it is none."""
    path = Path(path)
    if not path.is_file():
        found = "are a folder" if path.is_dir() else "do not exist"
        raise ValueError(
            f"settings {path} {found}; give a YAML file, for example "
            "hparams/spmamba.yaml"
        )
    return read_text(path)


def read_keys(path: str | Path, text: str) -> dict:
    """The keys of an experiment; of the same text, they are read once.

    Arguments
    ---------
    path : str or Path
        The YAML file, for the message.
    text : str
        Its content, or the keys that the command line sets.

    Returns
    -------
    dict
        Its keys, with tags; not to be changed.

    """
    try:
        keys = _load(text) or {}
    except ValueError as error:
        raise ValueError(f"{path} {error}") from None
    if not isinstance(keys, dict):
        raise ValueError(f"{path} is no YAML of `key: value` lines")
    return keys


_load = functools.lru_cache(maxsize=16)(load)


def resolved(text):
    """The keys of an experiment, given as text, with references resolved.

    Example
    -------
    >>> resolved("a: 1\\nb: !ref <a>")["b"]
    1
    """
    return load(resolve_references(text).read())


def debug_folders(text: str, overrides: str = "") -> dict:
    """Sends what a run writes to folders beside its own.

    Arguments
    ---------
    text : str
        YAML text of the experiment.
    overrides : str
        YAML text of the keys set on the command line.

    Returns
    -------
    dict
        The overrides, with folders that end in "-debug".

    Example
    -------
    >>> text = "output_folder: run\\nsave_folder: !ref <output_folder>/save"
    >>> dict(debug_folders(text, "save_folder: saved"))
    {'save_folder': 'saved-debug', 'output_folder': 'run-debug'}
    """

    def folders():
        keys, found = copy.deepcopy(_load(text)), {}
        recursive_update(keys, given)
        for name in (name for name in FOLDERS if name in keys):
            reference = getattr(keys[name], "value", keys[name])
            found[name] = str(recursive_resolve(reference, [], keys))
        return found

    def moved(folder):
        # Also "." has a name, and a folder in the run's must leave it.
        inner = os.path.relpath(folder, own["output_folder"])
        if inner == "." or inner.startswith(".."):
            return f"{_named(folder)}-debug"
        return os.path.join(f"{_named(own['output_folder'])}-debug", inner)

    given = load(overrides or "") or {}
    own = now = folders()
    for name, folder in own.items():
        # One that hangs on another has moved with it.
        if now[name] == folder:
            given[name] = moved(folder)
            now = folders()
    return given


def _named(folder):
    """The same folder, by a path that ends in its name."""
    path = Path(folder)
    return path if path.name not in ("", "..") else os.path.abspath(path)
