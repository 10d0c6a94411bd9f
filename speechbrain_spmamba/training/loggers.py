"""Where the figures of every epoch go to be looked at: a file, or a board.

The figures are in ``history.csv`` whatever is chosen. A run that goes on goes
on here, too; the toolkit's logger for TensorBoard would count from 1 again.

From the YAML files, by ``training.brain``; to the packages, if they are there.
"""

import importlib
import os
from pathlib import Path
from typing import Any

from speechbrain.utils.distributed import if_main_process, main_process_only

from speechbrain_spmamba.files.text import read_text
from speechbrain_spmamba.files.writing import write_text
from speechbrain_spmamba.files.yaml_text import load, plain


class EpochLogger:
    """Writes the figures of each epoch to a place that a word names.

    Arguments
    ---------
    kind : str
        ``file``: a line an epoch in ``train_log.txt``; ``tensorboard``: event
        files in ``tensorboard/``; ``wandb``: a run of Weights & Biases, whose
        own files are in ``wandb/``.
    folder : str or Path
        That of the run, where these are.

    Raises
    ------
    ValueError
        See ``check_logger``; or Weights & Biases begins no run.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> log = EpochLogger("file", folder)
    >>> log.log_stats({"epoch": 1}, valid_stats={"si_snri": 3.5})
    >>> print((folder / "train_log.txt").read_text().strip())
    epoch: 1 - valid si_snri: 3.50
    """

    def __init__(self, kind: str, folder: str | Path) -> None:
        check_logger(kind)
        self.place: Any = (
            PLACES[kind](Path(folder)) if if_main_process() else None
        )

    @main_process_only
    def log_stats(self, stats_meta: dict, **stats: Any) -> None:
        """Writes an epoch.

        Arguments
        ---------
        stats_meta : dict
            ``epoch``, and figures that are of no stage.
        **stats : dict
            Figures of a stage: ``train_stats``, ``valid_stats``.
        """
        self.place.log_stats(stats_meta, **stats)


def text_lines(folder):
    """The toolkit's logger, of a line an epoch."""
    # not with the package: it looks for torchvision, and says so
    from speechbrain.utils.train_logger import FileTrainLogger

    return FileTrainLogger(folder / "train_log.txt")


class EventFiles:
    """TensorBoard's files, in a folder that runs may share.

    Arguments
    ---------
    folder : Path
        That of the run.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.writer = folder / "tensorboard", None

    def log_stats(self, stats_meta, **stats):
        """Writes an epoch."""
        from torch.utils.tensorboard import SummaryWriter

        epoch = stats_meta["epoch"]
        if self.writer is None:
            # What a killed run had written of this epoch does not count.
            self.writer = SummaryWriter(self.folder, purge_step=epoch)
        for name, figure in by_name(stats_meta, stats).items():
            self.writer.add_scalar(name, figure, epoch)
        self.writer.flush()


class BoardRun:
    """A run of Weights & Biases, which goes on when the training does.

    Project, team and mode are those of its environment variables; the project
    is by default ``speechbrain_spmamba``. The settings of the run are sent.

    Arguments
    ---------
    folder : Path
        That of the run.
    """

    def __init__(self, folder: Path) -> None:
        import wandb

        settings, number = folder / "hyperparams.yaml", folder / "wandb_run.txt"
        config = plain(load(read_text(settings))) if settings.exists() else {}
        try:
            self.run = wandb.init(
                project=os.environ.get("WANDB_PROJECT", "speechbrain_spmamba"),
                name=os.environ.get("WANDB_NAME", str(folder)),
                id=read_text(number).strip() if number.exists() else None,
                resume="allow",
                dir=folder.absolute(),  # a process elsewhere writes it
                config=config,
            )
        except wandb.Error as error:
            reason = " ".join(str(error).split())
            raise ValueError(
                f"logger: wandb begins no run ({reason}); log in with `wandb "
                "login`, or set WANDB_MODE=offline"
            ) from error
        write_text(number, f"{self.run.id}\n")

    def log_stats(self, stats_meta, **stats):
        """Sends an epoch."""
        figures = by_name(stats_meta, stats)
        self.run.log(figures, step=stats_meta["epoch"])


PLACES = {
    "file": text_lines,
    "tensorboard": EventFiles,
    "wandb": BoardRun,
}
PACKAGES = {"tensorboard": "torch.utils.tensorboard", "wandb": "wandb"}


def check_logger(kind: str) -> None:
    """Says no to a logger that there is not.

    Arguments
    ---------
    kind : str
        See ``EpochLogger``.

    Raises
    ------
    ValueError
        No such kind, or its package is missing.

    Example
    -------
    >>> check_logger("file")
    >>> check_logger("paper")
    Traceback (most recent call last):
        ...
    ValueError: logger is 'paper'; give file, tensorboard or wandb
    """
    if kind not in PLACES:
        raise ValueError(f"logger is {kind!r}; give file, tensorboard or wandb")
    try:
        importlib.import_module(PACKAGES.get(kind, "logging"))
    except ImportError as error:
        raise ValueError(
            f"logger: {kind} needs a package ({error}); pip install "
            f"'speechbrain_spmamba[{kind}]'"
        ) from error


def by_name(stats_meta: dict, stats: dict) -> dict:
    """Figures of an epoch by one name each.

    Arguments
    ---------
    stats_meta : dict
        Of no stage; its ``epoch`` is no figure.
    stats : dict
        ``valid_stats`` and the like -> figures.

    Returns
    -------
    dict
        Name -> number.

    Example
    -------
    >>> by_name({"epoch": 1, "lr": 0.1}, {"valid_stats": {"si_snri": 3.5}})
    {'lr': 0.1, 'valid/si_snri': 3.5}
    """
    found = {key: x for key, x in stats_meta.items() if key != "epoch"}
    for name, figures in stats.items():
        stage = name.removesuffix("_stats")
        found.update({f"{stage}/{key}": x for key, x in figures.items()})
    return found
