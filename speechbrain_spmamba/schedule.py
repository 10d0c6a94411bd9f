"""How long to train, and what each epoch brought.

Both objects are checkpointed, so that a run that was interrupted counts and
reports as if it had not been.
"""

import csv
import json

from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.distributed import if_main_process
from speechbrain.utils.epoch_loop import EpochCounter

from speechbrain_spmamba.audio import replacing


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

    Example
    -------
    >>> counter = PatientEpochCounter(limit=10, patience=2)
    >>> for epoch in counter:
    ...     counter.update(-1.0)
    >>> epoch
    3
    """

    def __init__(self, limit, patience=0):
        super().__init__(limit)
        self.patience = int(patience)
        self.best_loss = float("inf")
        self.best_epoch = 0

    def __next__(self):
        waited = self.current - self.best_epoch
        if self.patience and self.best_epoch and waited >= self.patience:
            raise StopIteration
        return super().__next__()

    def update(self, loss):
        """Takes in the validation loss of the current epoch."""
        if loss < self.best_loss:
            self.best_loss = float(loss)
            self.best_epoch = self.current

    @mark_as_saver
    def save(self, path):
        """Writes the counts to a file."""
        state = [self.current, self.best_epoch, self.best_loss]
        with open(path, "w", encoding="utf-8") as file:
            json.dump(state, file)

    @mark_as_loader
    def load(self, path, end_of_epoch=True):
        """Takes the counts from a file."""
        with open(path, encoding="utf-8") as file:
            current, self.best_epoch, self.best_loss = json.load(file)
        # In mid-epoch, the interrupted epoch comes next once more.
        self.current = current if end_of_epoch else current - 1


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
    >>> history.add(epoch=1, valid_si_snri=3.5)
    >>> history.write()
    >>> print(path.read_text().strip())
    epoch,valid_si_snri
    1,3.5
    """

    def __init__(self, path):
        self.path = path
        self.rows = []

    def add(self, **figures):
        """Appends a row; all rows must have the same names."""
        self.rows.append(figures)

    def write(self):
        """Writes the CSV file (main process only)."""
        if not if_main_process() or not self.rows:
            return
        with (
            replacing(self.path) as temporary,
            open(temporary, "w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(
                file, list(self.rows[0]), lineterminator="\n"
            )
            writer.writeheader()
            writer.writerows(self.rows)

    @mark_as_saver
    def save(self, path):
        """Writes the rows to a checkpoint file."""
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self.rows, file)

    @mark_as_loader
    def load(self, path, end_of_epoch=True):
        """Takes the rows from a checkpoint file."""
        with open(path, encoding="utf-8") as file:
            self.rows = json.load(file)
