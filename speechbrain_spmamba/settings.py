"""Reads an experiment: command line and YAML, with mistakes named."""

import contextlib
import io
import logging
import re
from pathlib import Path

import speechbrain as sb
import torch
from hyperpyyaml import load_hyperpyyaml, resolve_references
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from speechbrain.utils.distributed import ddp_init_group, infer_device
from speechbrain.utils.run_opts import RunOptions

from speechbrain_spmamba.device import check_device
from speechbrain_spmamba.kinds import check_values
from speechbrain_spmamba.model_folder import WEIGHTS_FILE
from speechbrain_spmamba.suggest import did_you_mean
from speechbrain_spmamba.texts import read_text

# Keys that train.py and SeparationBrain read; all others must be run options
# of the toolkit or be referred to within the YAML file.
KEYS_NEEDED = {
    "output_folder",
    "sample_rate",
    "prepare",
    "train_set",
    "valid_set",
    "test_set",
    "train_loader",
    "valid_loader",
    "test_loader",
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
KEYS_READ = KEYS_NEEDED | {"__set_seed", "start_from"}
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
    hparams_file, run_opts, overrides = _parse(argv)
    path = Path(hparams_file)
    text = read_settings(path)
    device = run_opts.device
    check_device(infer_device() if device is None else device)
    check_keys(path, text, overrides, KEYS_NEEDED)
    # Before the YAML builds anything: seeds and devices depend on the rank.
    ddp_init_group(run_opts)
    with _naming(path):
        if run_opts["debug"] or YAML(typ="rt").load(text).get("debug"):
            overrides = beside(text, overrides)
        hparams = load_hyperpyyaml(text, overrides)
    check_device(hparams.get("device"))
    if "separator" not in hparams["modules"]:
        raise ValueError(
            f"{path}: modules have no 'separator', which is what is trained"
        )
    with _naming(path, "optimizer"):
        # What it says of its settings must not come after hours of preparing.
        hparams["optimizer"]([torch.nn.Parameter(torch.zeros(1))])
    start = hparams.get("start_from")
    if start and not (Path(start) / WEIGHTS_FILE).is_file():
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


def _parse(argv):
    """The toolkit's reading of a command line, in one line where it fails."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return sb.parse_arguments(argv)
    except SystemExit as stop:
        if not stop.code:
            raise
        *_, reason = said.getvalue().strip().rpartition("error: ")
        raise ValueError(f"{reason}; see `train.py --help`") from None


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
        keys = YAML(typ="rt").load(text) or {}
        given = YAML(typ="rt").load(overrides or "") or {}
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
    missing = sorted(set(needed) - set(keys))
    if missing:
        raise ValueError(
            f"{path} has no key '{missing[0]}', which training reads; "
            "hparams/spmamba.yaml has all"
        )
    check_values(f"{path}: ", keys, run_options, whole=False)
    check_values("--", given, keys)
