"""How long to train and how fast, and what each epoch brought.

All objects are checkpointed, so that a run that was interrupted counts and
reports as if it had not been.
"""

import time
from pathlib import Path

from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.distributed import if_main_process
from speechbrain.utils.epoch_loop import EpochCounter
from speechbrain.utils.logger import get_logger

from speechbrain_spmamba.files.text import read_json
from speechbrain_spmamba.files.writing import write_csv, write_json

logger = get_logger(__name__)


@register_checkpoint_hooks
class PatientEpochCounter(EpochCounter):
    """Counts epochs and stops when validation has not improved for a while.

    The toolkit's counter with a stopper scales its margin by the score, which
    makes a plateau of negative scores look like progress; here better simply
    means smaller.

    Arguments
    ---------
    limit : int
        Epochs at most.
    patience : int
        Epochs without a smaller loss after which to stop; 0 never stops.
    max_minutes : float
        Minutes of training after which to stop, validation not counted; 0
        never stops. The epoch ends in mid-course and is then validated.

    Raises
    ------
    ValueError
        A negative number of epochs or minutes.

    Example
    -------
    >>> counter = PatientEpochCounter(limit=10, patience=2)
    >>> for epoch in counter:
    ...     counter.update(-1.0)
    >>> epoch
    3
    """

    def __init__(
        self, limit: int, patience: int = 0, max_minutes: float = 0
    ) -> None:
        super().__init__(limit)
        if limit < 0:
            raise ValueError(f"max_epochs is {limit}; give a number from 0")
        if patience < 0:
            raise ValueError(
                f"patience is {patience}; give a number of epochs, or 0 to "
                "never stop for it"
            )
        if max_minutes < 0:
            raise ValueError(
                f"max_minutes is {max_minutes}; give minutes of training, or 0 "
                "for no limit"
            )
        self.patience = int(patience)
        self.max_minutes = float(max_minutes)
        self.best_loss = float("inf")
        self.best_epoch = 0
        self.minutes = 0.0
        self._since: float | None = None

    def __next__(self):
        if self.time_is_over:
            raise StopIteration
        waited = self.current - self.best_epoch
        if self.patience and self.best_epoch and waited >= self.patience:
            raise StopIteration
        return super().__next__()

    def update(self, loss):
        """Takes in the validation loss of the current epoch."""
        if loss < self.best_loss:
            self.best_loss = float(loss)
            self.best_epoch = self.current

    def start_clock(self) -> None:
        """Begins to count time, before the first batch of an epoch."""
        self._since = time.monotonic()

    def count_time(self) -> None:
        """Adds the time since it was last asked to ``minutes``."""
        now = time.monotonic()
        if self._since is not None:
            self.minutes += (now - self._since) / 60
        self._since = now

    @property
    def time_is_over(self):
        """Whether the minutes of training are spent."""
        return 0 < self.max_minutes <= self.minutes

    @mark_as_saver
    def save(self, path):
        """Writes the counts to a file."""
        state = [self.current, self.best_epoch, self.best_loss, self.minutes]
        write_json(path, state, indent=None, end="")

    @mark_as_loader
    def load(self, path, end_of_epoch=True):
        """Takes the counts from a file."""
        current, self.best_epoch, self.best_loss, *rest = read_json(path)
        self.minutes = rest[0] if rest else 0.0  # older files have no time
        # In mid-epoch, the interrupted epoch comes next once more.
        self.current = current if end_of_epoch else current - 1


@register_checkpoint_hooks
class LinearDecay:
    """Lowers the learning rate by the same amount after every epoch.

    Called as the toolkit's ``ReduceLROnPlateau`` is, in whose place it stands.

    Arguments
    ---------
    initial : float
        Learning rate of the first epoch.
    final : float
        Learning rate of the last one, and of any that follow.
    epochs : int
        Epochs from the first to the last.

    Example
    -------
    >>> LinearDecay(initial=4.0, final=2.0, epochs=3)([], 1, current_loss=-5.0)
    (4.0, 3.0)
    """

    def __init__(self, initial: float, final: float, epochs: int) -> None:
        self.initial, self.final, self.epochs = initial, final, epochs

    def __call__(self, optim_list, current_epoch, current_loss):
        """The rates of this epoch and of the next."""
        return self._rate(current_epoch), self._rate(current_epoch + 1)

    def _rate(self, epoch):
        """The rate of an epoch, counted from 1."""
        if epoch >= self.epochs:
            return self.final
        part = (epoch - 1) / (self.epochs - 1)
        return self.initial + part * (self.final - self.initial)

    @mark_as_saver
    def save(self, path):
        """Writes its arguments to a file, to look at: the epoch says it all."""
        values = [self.initial, self.final, self.epochs]
        write_json(path, values, indent=None, end="")

    @mark_as_loader
    def load(self, path, end_of_epoch=True):
        """Takes nothing: a run goes on with its settings."""


@register_checkpoint_hooks
class History:
    """Figures of every epoch, as a CSV file for tables and curves.

    Arguments
    ---------
    path : str or Path
        The CSV file, rewritten after each epoch.

    Example
    -------
    >>> path = getfixture("tmp_path") / "history.csv"
    >>> history = History(path)
    >>> history.log_stats({"epoch": 1}, valid_stats={"si_snri": 3.5})
    >>> history.write()
    >>> print(path.read_text().strip())
    epoch,valid_si_snri
    1,3.5
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.rows = []

    def add(self, **figures) -> None:
        """Appends a row; all rows must have the same names."""
        self.rows.append(figures)

    def log_stats(self, stats_meta, **stats):
        """Appends a row of what the toolkit's loggers take, by stage."""
        row = dict(stats_meta)
        for name, figures in stats.items():
            stage = name.removesuffix("_stats")  # such as "valid"
            row.update({f"{stage}_{key}": x for key, x in figures.items()})
        self.add(**row)

    def write(self) -> None:
        """Writes the CSV file (main process only)."""
        if if_main_process() and self.rows:
            write_csv(self.path, self.rows)

    @mark_as_saver
    def save(self, path):
        """Writes the rows to a checkpoint file."""
        write_json(path, self.rows, indent=None, end="")

    @mark_as_loader
    def load(self, path, end_of_epoch=True):
        """Takes the rows from a checkpoint file."""
        self.rows = read_json(path)


def check_accumulation(factor: int, batches: int) -> None:
    """Says no to an accumulation of gradients that no step would end.

    Arguments
    ---------
    factor : int
        Batches whose gradients are added up for one step.
    batches : int
        Those of an epoch.

    Raises
    ------
    ValueError
        The factor is more than there are.

    Example
    -------
    >>> check_accumulation(4, batches=8)
    >>> check_accumulation(4, batches=3)
    Traceback (most recent call last):
        ...
    ValueError: grad_accumulation_factor is 4, but an epoch has 3 batches: ...
    """
    if factor > batches:
        raise ValueError(
            f"grad_accumulation_factor is {factor}, but an epoch has {batches} "
            "batches: no step would be taken; lower it, or the batch_size"
        )
    # The toolkit drops gradients at the end of an epoch.
    if batches % factor:
        logger.warning(
            "the last %d of the %d batches of an epoch lead to no step, for "
            "grad_accumulation_factor is %d",
            batches % factor, batches, factor,
        )  # fmt: skip
