"""Runs of the toolkit's own recipes: where their weights are, what they tell.

    hyperparams.yaml     modules encoder, masknet and decoder; the masknet is
                         ``models.toolkit.RatioMasks`` of a model
    save/CKPT*           ``masknet.ckpt``, names ``model.*``; figure ``si-snr``
    save/*.csv           what it was trained and tested on; the durations in
                         them are 1.0 in every row, whatever the file's
    train_log.txt        a line an epoch, and one for the epoch tested
    test_results.csv     scores by mixture, then their mean

As of SpeechBrain 1.1: LibriMix, WSJ0Mix and WHAMandWHAMR.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from speechbrain_spmamba.files.text import read_csv, read_text
from speechbrain_spmamba.files.yaml_text import dump, load
from speechbrain_spmamba.safe_yaml import HEADER, WINDOWS
from speechbrain_spmamba.scoring.intervals import describe
from speechbrain_spmamba.weights.training_run import (
    RunFacts,
    read_set,
    read_settings,
)

if TYPE_CHECKING:
    from speechbrain.utils.checkpoints import Checkpoint


FIGURE = "si-snr"  # the negative of what its name says: the smallest is best
MASKS = ("models.toolkit.RatioMasks", "toolkit.RatioMasks")  # of today, before
PREFIX = "model."
COUNTER = "speechbrain.utils.epoch_loop.EpochCounter"
SI_SNR_LOSS = "speechbrain.nnet.losses.get_si_snr_with_pitwrapper"
# Columns of test_results.csv -> our names.
SCORES = {"si-snr": "si_snr", "si-snr_i": "si_snri", "sdr": "sdr"}
SCORES |= {"sdr_i": "sdri"}
TESTED = re.compile(r"^Epoch loaded: (\d+) - test ", re.MULTILINE)


def is_toolkit_run(settings: dict) -> bool:
    """Whether settings are those of a separation recipe of the toolkit.

    Arguments
    ---------
    settings : dict
        From ``read_settings``.

    Example
    -------
    >>> is_toolkit_run({"modules": {"separator": {}}})
    False
    """
    modules = settings.get("modules")
    return isinstance(modules, dict) and "masknet" in modules


def find_recoverable(
    settings: dict, hparams_file: str | Path
) -> tuple[str, ...]:
    """Which part of a checkpoint holds the model, and under which names.

    Arguments
    ---------
    settings : dict
        From ``read_settings``.
    hparams_file : str or Path
        Where they are from, for messages.

    Returns
    -------
    tuple of str
        Name of the file in a checkpoint, without its ending, and what the
        names of the weights begin with.

    Raises
    ------
    ValueError
        Its masknet is no model of this package, or no checkpoint has it.
    """
    masknet = settings["modules"]["masknet"]
    called = masknet.get("!") if isinstance(masknet, dict) else None
    if not _is_masks(called):
        raise ValueError(
            f"{hparams_file} is of a run of the toolkit's whose masknet is "
            f"{called}, no model of this package: only {MASKS[0]} of one is "
            "exported; load that run with the toolkit's SepformerSeparation, "
            "or train as docs/toolkit.md says"
        )
    kept = (settings.get("checkpointer") or {}).get("recoverables") or {}
    for wanted, prefix in ((masknet, PREFIX), (masknet.get("model"), "")):
        for name, part in kept.items():
            if part == wanted:
                return name, prefix
    raise ValueError(
        f"{hparams_file} keeps {', '.join(kept) or 'nothing'} in its "
        "checkpoints; expected the masknet or its model among the recoverables"
    )


def model_text(hparams_file: str | Path) -> str:
    """The settings of a run with the model of its masknet as ``separator``.

    Arguments
    ---------
    hparams_file : str or Path
        Its ``hyperparams.yaml``.

    Returns
    -------
    str
        YAML with ``sample_rate``, ``num_spks`` and ``separator``, as a run of
        this package has them; nothing of it is built.
    """
    settings = load(read_text(hparams_file))
    kept = {
        key: settings[key] for key in (*HEADER, *WINDOWS) if key in settings
    }
    return dump(kept | {"separator": settings["modules"]["masknet"]["model"]})


def read_toolkit_facts(folder: str | Path, checkpoint: Checkpoint) -> RunFacts:
    """What such a run tells, for its model card.

    Arguments
    ---------
    folder : str or Path
        Its output folder.
    checkpoint : speechbrain.utils.checkpoints.Checkpoint
        That which is exported.

    Returns
    -------
    RunFacts
        Hours of data are None: the recipes do not measure them.
    """
    folder = Path(folder)
    settings = read_settings(folder / "hyperparams.yaml")
    tables = {
        split: Path(str(settings.get(f"{split}_data")))
        for split in ("train", "valid", "test")
    }
    rate = settings.get("sample_rate")
    cut = settings.get("limit_training_signal_len")
    ours = {
        "name": settings.get("experiment_name", "unknown"),
        "splits": {split: path.name for split, path in tables.items()},
        "batch_size": (settings.get("dataloader_opts") or {}).get("batch_size"),
        "segment": settings["training_signal_len"] / rate if cut else None,
        "train_loss": settings.get("loss"),
        "start_from": settings.get("pretrained_path"),
        **{f"{key}_set": {"manifest": str(p)} for key, p in tables.items()},
    }
    epoch = _epoch(settings, checkpoint)
    return RunFacts(
        settings=settings | ours,
        data_set=tables["train"].stem.rpartition("_")[0] or None,
        sets={s: _read_set(settings | ours, s) for s in ("train", "test")},
        scores=_read_scores(folder, epoch),
        epochs=epoch,
        further=_further(settings, checkpoint.meta),
    )


def _is_masks(called):
    """Whether a name is that of ``RatioMasks``."""
    package = __name__.partition(".")[0]
    return called in [f"{package}.{name}" for name in MASKS]


def _epoch(settings, checkpoint):
    """How many epochs a checkpoint has seen; None if it does not tell."""
    kept = (settings.get("checkpointer") or {}).get("recoverables") or {}
    for name, part in kept.items():
        if isinstance(part, dict) and part.get("!") == COUNTER:
            try:
                return int(read_text(checkpoint.paramfiles[name]))
            except (KeyError, OSError, ValueError):
                return None
    return None


def _read_set(settings, split):
    """As ``read_set``, without what the recipes' tables do not mean."""
    found = read_set(settings, split)
    if found is None:
        return None
    # LibriMix's tables name noises that clean mixtures do not have.
    noise = settings.get("use_wham_noise", True) and found["noise"]
    return found | {"hours": None, "noise": noise}


def _read_scores(folder, epoch):
    """Scores of the weights of an epoch; None if they are of others."""
    try:
        tested = TESTED.findall(read_text(folder / "train_log.txt"))
        rows = [row for _, row in read_csv(folder / "test_results.csv")[1]]
        if not tested or int(tested[-1]) != epoch:
            return None
        # The line of means comes last: without it, the test was cut off.
        if len(rows) < 2 or rows.pop()["snt_id"] != "avg":
            return None
        scores = {
            ours: describe([float(row[theirs]) for row in rows])
            for theirs, ours in SCORES.items()
        }
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return scores | {"mixtures": len(rows), "hours": None}


def _further(settings, meta):
    """Lines of the training that only these runs have."""
    lines = {"recipe": "one of SpeechBrain's own"}
    if settings.get("data_folder"):
        lines["data folder"] = Path(str(settings["data_folder"])).name
    speeds = (settings.get("speed_perturb") or {}).get("speeds")
    if settings.get("use_speedperturb") and speeds:
        lines["speed of each talker (%)"] = ", ".join(map(str, speeds))
    for key, name in (
        ("use_rand_shift", "talkers shifted in time"),
        ("use_wavedrop", "frequencies and pieces left out"),
    ):
        if settings.get(key):
            lines[name] = "yes"
    loss = (settings.get("loss") or {}).get("!")
    if loss == SI_SNR_LOSS and isinstance(meta.get(FIGURE), (int, float)):
        lines["SI-SNR in validation (dB)"] = round(-meta[FIGURE], 2)
    return lines
