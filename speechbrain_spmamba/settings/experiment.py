"""Builds an experiment: command line and YAML, with mistakes named."""

import logging
from pathlib import Path

import torch
from hyperpyyaml import load_hyperpyyaml
from speechbrain.utils.distributed import (
    ddp_init_group,
    if_main_process,
    infer_device,
)

from speechbrain_spmamba.builtin.models import builtin_models
from speechbrain_spmamba.files.own_code import find_own_code
from speechbrain_spmamba.settings.command_line import read_command_line
from speechbrain_spmamba.settings.device import check_device
from speechbrain_spmamba.settings.reading import (
    debug_folders,
    read_experiment,
)
from speechbrain_spmamba.settings.requirements import (
    REQUIRED,
    build_errors,
    check_keys,
    check_objects,
)
from speechbrain_spmamba.settings.run_options import (
    as_keys,
    set_up_logging,
    settle,
    with_keys,
)
from speechbrain_spmamba.training.run_options import check_run_options
from speechbrain_spmamba.weights.model_folder import (
    WEIGHTS_FILES,
    find_weights,
)


def load_settings(argv: list[str]) -> tuple[str, dict, dict, str | dict]:
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
    run_opts : RunOptions
        Run options of the command line and the file.
    overrides : str or dict
        What replaced keys of the file.

    Raises
    ------
    ValueError
        No such file, no YAML, a key that nothing reads, that is missing or
        that the file does not have, a value that is none, a device that is
        not there, run options that cannot be had, or objects that cannot be
        built.
    """
    # Said once at import, of figures that nothing here draws with it.
    logger = logging.getLogger("speechbrain.utils.train_logger")
    logger.addFilter(_is_worth_saying)
    hparams_file, run_opts, overrides = read_command_line(argv)
    path = Path(hparams_file)
    text = read_experiment(path)
    device = run_opts.device
    check_device(infer_device() if device is None else device)
    keys = check_keys(path, text, overrides, REQUIRED)
    run_opts = settle(run_opts, keys)
    overrides = f"{overrides}\n{as_keys(run_opts, keys)}".strip()
    # Before the YAML builds anything: seeds and devices depend on the rank.
    ddp_init_group(run_opts)
    find_own_code(path, text, overrides or "")
    with build_errors(path):
        if run_opts["debug"]:
            overrides = debug_folders(text, overrides)
        hparams = load_hyperpyyaml(text, overrides)
    run_opts = with_keys(run_opts, hparams)
    if run_opts["debug"] and run_opts["test_only"]:
        raise ValueError(
            "--debug begins anew beside the run, so that --test_only finds no "
            "checkpoint there; give one of them"
        )
    check_device(hparams.get("device"))
    check_objects(path, hparams)
    check_run_options(run_opts, hparams["modules"])
    with build_errors(path, "optimizer"):
        # What it says of its settings must not come after hours of preparing.
        hparams["optimizer"]([torch.nn.Parameter(torch.zeros(1))])
    start = hparams.get("start_from")
    if start and not find_weights(str(start)):
        raise ValueError(
            f"start_from: {start} is no model folder, for it has no "
            f"{' or '.join(WEIGHTS_FILES)}; make one with `spmamba export "
            "RESULTS OUT`, or give a model of the package: "
            + ", ".join(builtin_models())
        )
    if run_opts["log_config"] and if_main_process():
        set_up_logging(run_opts["log_config"])
    return hparams_file, hparams, run_opts, overrides


def _is_worth_saying(record):
    return "torchvision" not in record.getMessage()
