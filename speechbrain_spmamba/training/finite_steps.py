"""Steps whose loss or gradients are not finite: left out, and named.

The toolkit has two checks. That of the gradients reads a value of each
parameter, and each reading waits for a GPU: 390 times a step for the published
model. Here one norm tells of all; on a GPU nothing is read before the toolkit
reads the loss at the end of a step, and what was noted comes with it.

From `training.brain`; to `training.interrupt` and the toolkit's step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from speechbrain_spmamba.training.interrupt import InterruptibleBrain
from speechbrain_spmamba.training.nonfinite import (
    PATIENCE,
    NonFinite,
    can_leave_out,
    fused,
    leave_out_step,
    toolkit_silenced,
    way_back,
)

if TYPE_CHECKING:
    import torch
    from speechbrain.dataio.batch import PaddedBatch


class FiniteBrain(InterruptibleBrain):
    """A ``speechbrain.Brain`` that says which items were not finite.

    Arguments are those of ``InterruptibleBrain``. With the run option
    ``skip_nonfinite_grads`` it leaves steps out.

    Example
    -------
    >>> import torch
    >>> brain = FiniteBrain(run_opts={"device": "cpu"})
    >>> str(brain.nonfinite)
    'none'
    """

    opt_class: Any

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        self.nonfinite = NonFinite()
        self.bad_gradients: torch.Tensor | None = None
        self.reads_later = self.device_type != "cpu"
        if self.reads_later:
            self.opt_class = fused(self.opt_class)

    def on_fit_batch_start(self, batch, should_step):
        """Notes which items come."""
        self.nonfinite.begin(getattr(batch, "id", []))

    def fit_batch(self, batch: PaddedBatch) -> torch.Tensor:
        """The toolkit's step; then what could be read without waiting.

        Arguments
        ---------
        batch : PaddedBatch
            See ``compute_forward``.

        Returns
        -------
        torch.Tensor
            Loss, on the CPU: the device has finished the step.
        """
        loss = super().fit_batch(batch)
        if self.reads_later:
            scale = self.scaler.get_scale() / self.grad_accumulation_factor
            self._judge_loss(loss * scale)
            if self.bad_gradients is not None and self.bad_gradients:
                self._note_gradients()
        if self.step % self.grad_accumulation_factor == 0:
            self.nonfinite.end()
        return loss

    def check_loss_isfinite(self, loss: torch.Tensor) -> None:
        """The toolkit's check, which then names the items.

        Arguments
        ---------
        loss : torch.Tensor
            Scaled loss of the batch.

        Raises
        ------
        ValueError
            Too many of an epoch were not finite.
        """
        if not self.reads_later:
            self._judge_loss(loss)

    def _judge_loss(self, loss):
        """The check itself, of a loss on the CPU."""
        self.scaled_loss = loss.detach()
        before = getattr(self, "nonfinite_count", 0)
        try:
            with toolkit_silenced():
                super().check_loss_isfinite(loss)
        except ValueError:
            self.nonfinite.note(self.step, "the loss is")
            self._diverge(self._last_loss())
        if getattr(self, "nonfinite_count", 0) > before:
            self.nonfinite.note(self.step, "the loss is")

    def check_gradients(self) -> None:
        """Leaves out a step whose gradients are not all finite.

        In place of the toolkit's check, which reads one value of each parameter
        and leaves out those alone that are not: the others' gradients come of
        the same numbers. One norm tells of all.

        Raises
        ------
        ValueError
            No finite gradients in a long row of steps.
        """
        later = self.reads_later and can_leave_out(self.optimizer)
        bad = leave_out_step(self.optimizer, self.modules, later)
        if later:
            # Behind the step on the device, before the loss on its way here.
            self.bad_gradients = bad.to("cpu", non_blocking=True)
        elif bad:
            self._note_gradients()

    def _note_gradients(self):
        """Names the items of a step that was left out."""
        self.bad_gradients = None
        self.nonfinite.note(self.step, "gradients are")
        if self.nonfinite.in_a_row >= PATIENCE:
            self._diverge(self._last_loss())

    def _last_loss(self):
        """Where a step was the last."""
        loss = float(self.scaled_loss) * self.grad_accumulation_factor
        return f"step {self.step}: loss {loss / self.scaler.get_scale():.4g}"

    def _diverge(self, where):
        """Ends a training that has nothing to go on with."""
        lr = self.optimizer.param_groups[0]["lr"]
        counter = getattr(self.hparams, "epoch_counter", None)
        raise ValueError(
            f"training diverged in epoch {counter.current if counter else 1}, "
            f"{where} at learning rate {lr:.3g}; the last steps that were "
            f"not finite: {self.nonfinite}; {way_back(self.checkpointer, lr)}"
        )
