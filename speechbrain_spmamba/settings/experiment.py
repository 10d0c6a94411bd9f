"""Reads an experiment: command line and YAML, with mistakes named."""

import contextlib
import copy
import functools
import importlib
import inspect
import logging
import os
import re
from pathlib import Path

import torch
from hyperpyyaml import load_hyperpyyaml
from hyperpyyaml.core import recursive_resolve, recursive_update
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from speechbrain.utils.distributed import ddp_init_group, infer_device
from speechbrain.utils.run_opts import RunOptions

from speechbrain_spmamba.errors import did_you_mean
from speechbrain_spmamba.files.own_code import find_own_code
from speechbrain_spmamba.files.text import read_text
from speechbrain_spmamba.models.contract import check_network
from speechbrain_spmamba.settings.command_line import check_words, parse_words
from speechbrain_spmamba.settings.device import check_device
from speechbrain_spmamba.settings.value_types import check_values
from speechbrain_spmamba.weights.build import check_header
from speechbrain_spmamba.weights.model_folder import WEIGHTS_FILE

# Keys that train.py and SeparationBrain read, and what they must be; all others
# must be run options of the toolkit or be referred to within the YAML file.
CALLED = ("what is called, such as !name: makes", callable)
FOLDER = ("a path, for example ./results", lambda value: isinstance(value, str))
MAPPING = ("a mapping", lambda value: isinstance(value, dict))
NUMBER = (
    "a number from 0",
    lambda value: isinstance(value, (int, float)) and value >= 0,
)


WHOLE = ("a whole number from 0", lambda v: isinstance(v, int) and v >= 0)


def _with(method):
    return f"an object with {method}()", lambda value: hasattr(value, method)


KINDS_NEEDED = {
    "output_folder": FOLDER,
    "sample_rate": WHOLE,
    "prepare": CALLED,
    "train_set": CALLED,
    "valid_set": CALLED,
    "test_set": CALLED,
    "train_loader": MAPPING,
    "valid_loader": MAPPING,
    "test_loader": MAPPING,
    "modules": MAPPING,
    "optimizer": CALLED,
    "train_loss": CALLED,
    "ema_decay": NUMBER,
    "lr_annealing": CALLED,
    "epoch_counter": _with("update"),
    "train_logger": (
        "an object with log_stats(), or what makes one",
        lambda value: hasattr(getattr(value, "func", value), "log_stats"),
    ),
    "history": _with("write"),
    "checkpointer": _with("save_and_keep_only"),
    "results_folder": FOLDER,
    "num_examples": WHOLE,
}
KEYS_READ = {*KINDS_NEEDED, "__set_seed", "start_from"}
# Where a run writes.
FOLDERS = ("output_folder", "save_folder", "results_folder")


def load_settings(argv):
    """Builds what an experiment's YAML file describes.

    Arguments
    ---------
    argv : list of str
        YAML file, run options of SpeechBrain, and ``--key value`` for any
        key of the file.

    Returns
    -------
    hparams_file : str
        The YAML file.
    hparams : dict
        Its objects.
    run_opts : dict
        Run options.
    overrides : str or dict
        What replaced keys of the file.

    Raises
    ------
    ValueError
        No such file, no YAML, a key that nothing reads, that is missing or
        that the file does not have, a value that is none, a device that is
        not there, or objects that cannot be built.
    """
    check_words(argv)
    # Said once at import, of figures that nothing here draws with it.
    logging.getLogger("speechbrain.utils.train_logger").addFilter(
        lambda record: "torchvision" not in record.getMessage()
    )
    hparams_file, run_opts, overrides = parse_words(argv)
    path = Path(hparams_file)
    text = read_settings(path)
    device = run_opts.device
    check_device(infer_device() if device is None else device)
    keys = check_keys(path, text, overrides, KINDS_NEEDED)
    # Before the YAML builds anything: seeds and devices depend on the rank.
    ddp_init_group(run_opts)
    find_own_code(path, text, overrides or "")
    with _naming(path):
        debug = run_opts["debug"] or keys.get("debug")
        if debug:
            overrides = beside(text, overrides)
        hparams = load_hyperpyyaml(text, overrides)
    if debug and (run_opts["test_only"] or hparams.get("test_only")):
        raise ValueError(
            "--debug begins anew beside the run, so that --test_only finds no "
            "checkpoint there; give one of them"
        )
    check_device(hparams.get("device"))
    check_kinds(path, hparams)
    with _naming(path, "optimizer"):
        # What it says of its settings must not come after hours of preparing.
        hparams["optimizer"]([torch.nn.Parameter(torch.zeros(1))])
    start = hparams.get("start_from")
    if start and not Path(str(start), WEIGHTS_FILE).is_file():
        raise ValueError(
            f"start_from: {start} is no model folder, for it has no "
            f"{WEIGHTS_FILE}; make one with `spmamba export RESULTS OUT`"
        )
    return hparams_file, hparams, run_opts, overrides


def read_settings(path):
    """The text of an experiment's YAML file.

    Arguments
    ---------
    path : str or Path
        The file.

    Returns
    -------
    str
        Its text.

    Raises
    ------
    ValueError
        There is no such file, or it is no text.
    """
    path = Path(path)
    if not path.is_file():
        found = "are a folder" if path.is_dir() else "do not exist"
        raise ValueError(
            f"settings {path} {found}; give a YAML file, for example "
            "hparams/spmamba.yaml"
        )
    return read_text(path)


@functools.lru_cache(maxsize=16)
def parse(text):
    """Reads YAML without building anything; the same text is read once.

    Arguments
    ---------
    text : str
        YAML text of an experiment.

    Returns
    -------
    dict
        Its keys, with tags, as ruamel reads them; not to be changed.

    Raises
    ------
    ruamel.yaml.error.YAMLError
        It is no YAML.

    Example
    -------
    >>> parse("seed: 1")["seed"]
    1
    """
    return YAML(typ="rt").load(text)


def beside(text, overrides=""):
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
    >>> dict(beside(text, "save_folder: saved"))
    {'save_folder': 'saved-debug', 'output_folder': 'run-debug'}
    """

    def folders():
        keys, found = copy.deepcopy(parse(text)), {}
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

    given = YAML(typ="rt").load(overrides or "") or {}
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


def check_kinds(path, hparams):
    """Says no to what an experiment could not train with, or write to.

    Before it trains: some of it is asked for after hours.

    Arguments
    ---------
    path : str or Path
        The YAML file, for the message.
    hparams : dict
        What it builds.

    Raises
    ------
    ValueError
        An object of another kind than training needs, or a folder that is
        none.
    """
    for key, (kind, fits) in KINDS_NEEDED.items():
        value = hparams[key]
        if not fits(value) and not (value is None and key == "ema_decay"):
            raise ValueError(
                f"{path}: {key} is {repr(value)[:60]}; expected {kind}"
            )
        if isinstance(value, functools.partial):
            with _naming(path, key):
                # As it would say itself when it is called, hours later.
                if getattr(value.func, "__name__", "") == "TensorboardLogger":
                    importlib.import_module("torch.utils.tensorboard")
                known = inspect.signature(value.func)
                known.bind_partial(*value.args, **value.keywords)
    if not isinstance(hparams["modules"].get("separator"), torch.nn.Module):
        raise ValueError(
            f"{path}: modules have no 'separator', which is what is trained"
        )
    try:
        check_network(hparams["modules"]["separator"])
        check_header(hparams, hparams["modules"]["separator"])
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    saved = hparams["checkpointer"].recoverables
    for key in ("separator", "lr_annealing", "epoch_counter", "history"):
        # A run that went on without it would begin anew in part.
        if saved.get(key) is not {**hparams, **hparams["modules"]}[key]:
            raise ValueError(
                f"{path}: the checkpointer's recoverables lack {key}; write "
                f"`{key}: !ref <{key}>` there"
            )
    for key in FOLDERS:
        folder = Path(hparams.get(key) or ".").absolute()
        there = next(p for p in (folder, *folder.parents) if p.exists())
        if not there.is_dir():
            raise ValueError(f"{key}: {there} is no folder; give another path")
        if not os.access(there, os.W_OK | os.X_OK):
            raise ValueError(
                f"{key}: {there} cannot be written to; change its permissions, "
                "or give another path"
            )


@contextlib.contextmanager
def _naming(path, part=None):
    """Says of an error in what settings build where the settings stand.

    Whatever it is: the classes of torch do not check what they are given, and
    fail with errors of all types.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        if getattr(error, "name", None) == "tensorboard":
            reason += "; pip install 'speechbrain_spmamba[tensorboard]'"
        part = f" ({part})" if part else ""
        raise ValueError(
            f"settings {path} cannot be built{part}: {reason}"
        ) from error


def check_keys(path, text, overrides="", needed=()):
    """Finds keys that nothing would read, most often misspelt ones.

    And values of another kind than the file's or the toolkit's own.

    Arguments
    ---------
    path : str or Path
        The YAML file, for the message.
    text : str
        Its content.
    overrides : str
        YAML text of the keys set on the command line.
    needed : iterable of str
        Keys that must be there.

    Returns
    -------
    dict
        The keys of the file and their values, as they stand there.

    Raises
    ------
    ValueError
        Such a key, one that is missing, a placeholder without a value, a
        value that is no number where one is expected, or text that is no
        YAML.

    Example
    -------
    >>> check_keys("a.yaml", "sede: 1")
    Traceback (most recent call last):
        ...
    ValueError: a.yaml: nothing reads the key 'sede'
    """
    try:
        keys, given = parse(text) or {}, parse(overrides or "") or {}
    except YAMLError as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"{path} is no valid YAML: {reason}") from None
    if not isinstance(keys, dict) or not isinstance(given, dict):
        raise ValueError(f"{path} is no YAML of `key: value` lines")
    run_options = RunOptions().as_dict()
    for key in given:
        if key not in keys:
            raise ValueError(
                f"--{key}: {path} has no such key{did_you_mean(key, keys)}"
            )
        tag = getattr(getattr(given[key], "tag", None), "value", None)
        if tag and isinstance(given[key], dict):
            raise ValueError(
                f"--{key}: {tag} would get the arguments of the file's, too; "
                f"write it into {path}, or its arguments as a list"
            )
    referred = set(re.findall(r"<([A-Za-z_]\w*)", text))
    known = KEYS_READ | set(run_options)
    for key, value in keys.items():
        if key not in known and key not in referred:
            raise ValueError(
                f"{path}: nothing reads the key '{key}'"
                f"{did_you_mean(key, known | referred)}"
            )
        tag = getattr(getattr(value, "tag", None), "value", None)
        if tag == "!PLACEHOLDER" and key not in given:
            raise ValueError(f"{path} needs --{key}: give it a value")
    for key, value in {**keys, **given}.items():
        # What paths begin with; None would become a folder of this name.
        if f"<{key}>/" in text and isinstance(value, (dict, list, type(None))):
            where = "--" if key in given else f"{path}: "
            raise ValueError(f"{where}{key} is {value}; expected a path")
    missing = sorted(set(needed) - set(keys))
    if missing:
        raise ValueError(
            f"{path} has no key '{missing[0]}', which training reads; "
            "hparams/spmamba.yaml has all"
        )
    check_values(f"{path}: ", keys, run_options, whole=False)
    check_values("--", given, keys)
    return keys
