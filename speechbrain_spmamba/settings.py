"""Reads an experiment: command line and YAML, with mistakes named."""

import logging
import re
from pathlib import Path

import speechbrain as sb
from hyperpyyaml import load_hyperpyyaml, resolve_references
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from speechbrain.utils.distributed import ddp_init_group
from speechbrain.utils.run_opts import RunOptions

from speechbrain_spmamba.suggest import did_you_mean
from speechbrain_spmamba.texts import read_text

# Keys that train.py and SeparationBrain read; all others must be run options
# of the toolkit or be referred to within the YAML file.
KEYS_READ = {
    "__set_seed",
    "output_folder",
    "prepare",
    "train_set",
    "valid_set",
    "test_set",
    "train_loader",
    "valid_loader",
    "test_loader",
    "start_from",
    "modules",
    "optimizer",
    "train_loss",
    "ema_decay",
    "lr_annealing",
    "epoch_counter",
    "train_logger",
    "history",
    "checkpointer",
    "results_folder",
    "num_examples",
}
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
        No such file, no YAML, a key that nothing reads, or a key on the
        command line that the file does not have.
    """
    check_words(argv)
    # Said once at import, of figures that nothing here draws with it.
    logging.getLogger("speechbrain.utils.train_logger").addFilter(
        lambda record: "torchvision" not in record.getMessage()
    )
    hparams_file, run_opts, overrides = sb.parse_arguments(argv)
    path = Path(hparams_file)
    if not path.is_file():
        raise ValueError(
            f"settings {path} do not exist; give a YAML file, for example "
            "hparams/spmamba.yaml"
        )
    text = read_text(path)
    check_keys(path, text, overrides)
    # Before the YAML builds anything: seeds and devices depend on the rank.
    ddp_init_group(run_opts)
    try:
        if run_opts["debug"] or YAML(typ="rt").load(text).get("debug"):
            overrides = beside(text, overrides)
        hparams = load_hyperpyyaml(text, overrides)
    except (TypeError, YAMLError, ImportError) as error:
        reason = " ".join(str(error).split())[:300]
        if getattr(error, "name", None) == "tensorboard":
            reason += "; pip install 'speechbrain_spmamba[tensorboard]'"
        raise ValueError(f"settings {path} cannot be built: {reason}") from None
    return hparams_file, hparams, run_opts, overrides


def check_words(words):
    """Finds options without a value, given twice, or with a dot.

    Arguments
    ---------
    words : list of str
        The command line behind the program.

    Raises
    ------
    ValueError
        Such an option.

    Example
    -------
    >>> check_words(["a.yaml", "--lr", "0.1", "--debug"])
    >>> check_words(["a.yaml", "--lr", "--debug"])
    Traceback (most recent call last):
        ...
    ValueError: --lr has no value; expected --lr VALUE
    """
    run_options, seen = RunOptions().as_dict(), set()
    for place, word in enumerate(words):
        if not word.startswith("--"):
            continue
        key, equals, _ = word[2:].partition("=")
        if key in seen:
            raise ValueError(f"--{key} is given twice; give it once")
        seen.add(key)
        if key in run_options:  # some of them are switches
            continue
        following = words[place + 1 : place + 2]
        if not equals and (not following or following[0].startswith("--")):
            raise ValueError(f"--{key} has no value; expected --{key} VALUE")
        if "." in key:
            top, _, inner = key.partition(".")
            value = word.partition("=")[2] or following[0]
            raise ValueError(
                f"--{key}: keys within a key are set together; write "
                f'--{top} "{{{inner}: {value}}}"'
            )


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
        found = YAML(typ="rt").load(resolve_references(text, given))
        return {name: str(found[name]) for name in FOLDERS if name in found}

    given = YAML(typ="rt").load(overrides or "") or {}
    own = folders()
    for name, folder in own.items():
        # One that hangs on another has moved with it.
        if folders()[name] == folder:
            given[name] = f"{Path(folder)}-debug"
    return given


def check_keys(path, text, overrides=""):
    """Finds keys that nothing would read, most often misspelt ones.

    Arguments
    ---------
    path : str or Path
        The YAML file, for the message.
    text : str
        Its content.
    overrides : str
        YAML text of the keys set on the command line.

    Raises
    ------
    ValueError
        Such a key, a placeholder without a value, or text that is no YAML.

    Example
    -------
    >>> check_keys("a.yaml", "sede: 1")
    Traceback (most recent call last):
        ...
    ValueError: a.yaml: nothing reads the key 'sede'
    """
    try:
        keys = YAML(typ="rt").load(text) or {}
        given = YAML(typ="rt").load(overrides or "") or {}
    except YAMLError as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"{path} is no valid YAML: {reason}") from None
    run_options = RunOptions().as_dict()
    for key in given:
        if key not in keys:
            raise ValueError(
                f"--{key}: {path} has no such key{did_you_mean(key, keys)}"
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
