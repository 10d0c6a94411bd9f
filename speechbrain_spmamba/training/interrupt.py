"""A Brain that a signal ends without loss.

Ctrl-C and SIGTERM are looked at where a state can be saved that training goes
on from as if nothing had been: behind a step of the optimizer, and while
validating. All processes of a job stop there together.
"""

from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from typing import Any

import speechbrain as sb
import torch
from speechbrain.utils.distributed import (
    ddp_all_reduce,
    is_distributed_initialized,
)

from speechbrain_spmamba import signals
from speechbrain_spmamba.upstream.private import OpenBrain, end_workers


class InterruptibleBrain(OpenBrain):
    """Saves and raises ``signals.Stopped`` when it is told to end.

    Arguments
    ---------
    *args, **kwargs
        Those of ``speechbrain.Brain``.
    before_training : callable, optional
        Called once, when everything has been built and the last checkpoint
        has been loaded into it, if there is something left to train.
    """

    def __init__(
        self, *args: Any, before_training: Callable | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.before_training = before_training
        self._training = False
        self._notice = signals.Notice()
        self._while_fitting = ExitStack()
        self._loaders = []

    def make_dataloader(self, dataset, stage, *args, **kwargs):
        """Makes loaders whose workers leave signals to this process.

        Raises
        ------
        ValueError
            An option of loaders that there is not, or no value for it.
        """
        kwargs.setdefault("worker_init_fn", signals.leave_to_parent)
        try:
            loader = super().make_dataloader(dataset, stage, *args, **kwargs)
        except (TypeError, ValueError) as error:
            key = f"{stage.name.lower()}_loader"
            raise ValueError(
                f"the loader cannot be built ({error}); see {key} in the "
                "settings"
            ) from error
        self._loaders.append(loader)
        return loader

    def fit(self, *args, **kwargs) -> None:
        """Trains; arguments are those of ``speechbrain.Brain.fit``."""
        with self._while_fitting, self._workers_ended():
            super().fit(*args, **kwargs)
            # Told so at the very end, when all that was to save is saved.
            if signum := self._told_to_end():
                self._stop(signum)

    def evaluate(self, *args, **kwargs):
        """Tests; arguments are those of ``speechbrain.Brain.evaluate``."""

        def stop(signum, frame=None):
            raise signals.Stopped(signum, "the same command tests again")

        with signals.handled(stop), self._workers_ended():
            return super().evaluate(*args, **kwargs)

    @contextmanager
    def _workers_ended(self):
        """Leaves no workers of loaders behind, however an epoch ends."""
        try:
            yield
        finally:
            for loader in self._loaders:
                end_workers(loader)

    def on_stage_start(self, stage, epoch=None):
        """From the first epoch on, signals are noted."""
        if stage != sb.Stage.TRAIN or self._training:
            return
        self._training = True
        if self.before_training is not None:
            self.before_training()
        self._while_fitting.enter_context(signals.handled(self._notice.take))

    def on_stage_end(self, stage, stage_loss, epoch=None):
        """Remembers where training stood, for a stop while validating."""
        if stage == sb.Stage.TRAIN:
            self._trained = self.step, self.avg_train_loss

    def evaluate_batch(self, batch, stage):
        """As in the toolkit; a stop while validating repeats the validation."""
        if stage == sb.Stage.VALID and (signum := self._told_to_end()):
            self.step, self.avg_train_loss = self._trained
            self._stop(signum, save=not self.is_out_of_steps)
        return super().evaluate_batch(batch, stage)

    def may_save_now(self):
        """Waits for the end of an accumulation: gradients are not saved.

        Nor is a state saved that is about to be validated, because time is
        over: a run that went on from it would take one more step.
        """
        if self.step % self.grad_accumulation_factor:
            return False
        if self.is_out_of_steps:
            return False
        if signum := self._told_to_end():
            self._stop(signum, save=True)
        return True

    def _told_to_end(self):
        """The signal that came to any process of the job, 0 if none did."""
        if not is_distributed_initialized():
            return self._notice.signum
        # They wait for each other once a step, as they do for its gradients.
        signum = torch.tensor(self._notice.signum, device=self.device)
        return int(ddp_all_reduce(signum, torch.distributed.ReduceOp.MAX))

    def _stop(self, signum, save=False):
        """Ends training, with a checkpoint of this very step if wanted."""
        advice = "nothing was kept"
        if self.checkpointer is not None:
            if save:
                self.save_now()
            last = self.checkpointer.find_checkpoint()
            if last is not None and not self.debug:
                advice = f"the same command goes on from {last.path}"
        raise signals.Stopped(signum, advice)
