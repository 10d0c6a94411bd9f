"""What a finished training run tells of itself, for its model card."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechbrain_spmamba.files.text import read_csv, read_json, read_text
from speechbrain_spmamba.files.yaml_text import load, plain
from speechbrain_spmamba.manifest import source_keys
from speechbrain_spmamba.training.checkpoint import identity

if TYPE_CHECKING:
    from speechbrain.utils.checkpoints import Checkpoint


@dataclass(frozen=True)
class RunFacts:
    """What a run tells; None for what it does not.

    Arguments
    ---------
    settings : dict
        By the keys of ``hparams/``, see ``read_settings``.
    data_set : str or None
        Its name.
    sets : dict
        Split -> see ``read_set``.
    scores : dict or None
        See ``read_scores``.
    epochs : int or None
        Trained until the checkpoint that is exported.
    minutes : float or None
        The same.
    further : dict
        More of the training, name -> value.
    """

    settings: dict
    data_set: str | None
    sets: dict
    scores: dict | None
    epochs: int | None
    minutes: float | None = None
    further: dict = field(default_factory=dict)


def read_facts(folder: str | Path, checkpoint: Checkpoint) -> RunFacts:
    """What a run of this package tells.

    Arguments
    ---------
    folder : str or Path
        Output folder of ``train.py``.
    checkpoint : speechbrain.utils.checkpoints.Checkpoint
        That which is exported.

    Returns
    -------
    RunFacts
        See there.
    """
    folder = Path(folder)
    settings = read_settings(folder / "hyperparams.yaml")
    scores = folder / "test" / "summary.json"
    # The data set is named after the module that prepares it.
    parts = (settings.get("prepare") or {}).get("!", "").split(".")
    return RunFacts(
        settings=settings,
        data_set=parts[-2] if len(parts) > 1 else None,
        sets={split: read_set(settings, split) for split in ("train", "test")},
        scores=read_scores(scores, identity(checkpoint)),
        epochs=checkpoint.meta.get("epoch"),
        minutes=checkpoint.meta.get("minutes"),
    )


def read_settings(path: str | Path) -> dict:
    """Settings, ours or those of a published run, of which nothing is built.

    Arguments
    ---------
    path : str or Path
        The YAML file.

    Returns
    -------
    dict
        See ``yaml_text.plain``.

    Raises
    ------
    ValueError
        It is no YAML, or aliases make it absurdly large.
    """
    text = read_text(path)
    try:
        settings = plain(load(text))
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise ValueError(f"{path} is no file of settings")
    return settings


def check_no_run(folder: str | Path) -> None:
    """Says no to writing what is no run into the folder of one.

    Arguments
    ---------
    folder : str or Path
        The folder to be written to; it need not be there.

    Raises
    ------
    ValueError
        It holds checkpoints.
    """
    if any(Path(folder).glob("save/CKPT*")):
        raise ValueError(
            f"{folder} is the folder of a training run; choose another one, "
            "or one within it"
        )


def read_set(settings: dict, split: str) -> dict | None:
    """What a manifest says of a data set.

    Arguments
    ---------
    settings : dict
        From ``read_settings``.
    split : str
        "train" or "test".

    Returns
    -------
    dict or None
        ``mixtures``, ``hours``, ``sources`` (the least and the most in a
        mixture that are not silent) and ``noise``; None if there is no such
        manifest any more.
    """
    path: Any = (settings.get(f"{split}_set") or {}).get("manifest")
    try:
        if not Path(path).is_file():  # nor what never ends
            return None
        rows = [row for _, row in read_csv(path)[1]]
        keys = source_keys(rows[0])
        counts = [sum(bool(row[key]) for key in keys) for row in rows]
        return {
            "mixtures": len(rows),
            "hours": sum(float(row["duration"]) for row in rows) / 3600,
            "sources": [min(counts), max(counts)],
            "noise": any(row.get("noise_wav") for row in rows),
        }
    except (OSError, TypeError, ValueError, KeyError, IndexError):
        return None


def read_scores(path: Path, checkpoint: dict) -> dict | None:
    """The test scores of the weights that are exported.

    Arguments
    ---------
    path : Path
        ``summary.json``.
    checkpoint : dict
        What is exported, see ``training.checkpoint.identity``.

    Returns
    -------
    dict or None
        The summary; None if there is none, or if it is of other weights.
    """
    try:
        summary = read_json(path)
        measured = summary["mixtures"] > 0
        theirs = summary["checkpoint"] == checkpoint
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return summary if measured and theirs else None
