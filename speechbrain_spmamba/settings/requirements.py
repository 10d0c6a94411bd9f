"""What an experiment must hold, so that it can train, test and write."""

import contextlib
import functools
import importlib
import inspect
import os
import re
from collections.abc import Iterable
from pathlib import Path

import torch
from speechbrain.utils.run_opts import RunOptions

from speechbrain_spmamba.errors import did_you_mean
from speechbrain_spmamba.models.contract import check_network
from speechbrain_spmamba.safe_yaml import WINDOWS
from speechbrain_spmamba.scoring.choice import check_metrics, read_metrics
from speechbrain_spmamba.settings.reading import FOLDERS, read_keys
from speechbrain_spmamba.settings.value_types import check_values
from speechbrain_spmamba.training.loggers import EpochLogger, check_logger
from speechbrain_spmamba.weights.build import check_header

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


REQUIRED = {
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
KEYS_READ = {
    *REQUIRED,
    *("__set_seed", "start_from", "tf32", "cuda_graph", "metrics"),
    *WINDOWS,  # of recordings, for the model folder
}


def referred_keys(text):
    """The keys that others of an experiment refer to.

    Example
    -------
    >>> referred_keys("a: 1\\nb: !ref <a>/c")
    {'a'}
    """
    return set(re.findall(r"<([A-Za-z_]\w*)", text))


def check_keys(
    path: str | Path, text: str, overrides: str = "", needed: Iterable[str] = ()
) -> dict:
    """Finds keys that nothing would read, most often misspelt ones.

    And values of another type than the file's or the toolkit's own.

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
    keys, given = read_keys(path, text), read_keys(path, overrides or "")
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
    referred = referred_keys(text)
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


def check_objects(path: str | Path, hparams: dict) -> None:
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
    for key, (expected, fits) in REQUIRED.items():
        value = hparams[key]
        if not fits(value) and not (value is None and key == "ema_decay"):
            raise ValueError(
                f"{path}: {key} is {repr(value)[:60]}; expected {expected}"
            )
        if isinstance(value, functools.partial):
            with build_errors(path, key):
                # As it would say itself when it is called, hours later.
                if value.func is EpochLogger:
                    check_logger(str(value.keywords.get("kind")))
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
    if "metrics" in hparams:
        check_metrics(read_metrics(hparams["metrics"]), hparams["sample_rate"])
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
def build_errors(path, part=None):
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
