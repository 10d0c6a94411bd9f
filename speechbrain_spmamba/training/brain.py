"""Training of separation models in SpeechBrain's loop.

Only the hooks that say what to compute are overridden. The optimisation step
is the toolkit's, so that gradient accumulation, mixed precision, clipping,
skipping of non-finite gradients, DDP, --compile and --debug work as they do
in any SpeechBrain recipe.
"""

from __future__ import annotations

import inspect
import logging
import math
import sys
from functools import partial
from typing import TYPE_CHECKING

import speechbrain as sb
import torch
from speechbrain.nnet.schedulers import update_learning_rate
from speechbrain.utils.distributed import ddp_broadcast, if_main_process

from speechbrain_spmamba.loading.bad_audio import LeftOut
from speechbrain_spmamba.scoring.choice import DEFAULT, read_metrics
from speechbrain_spmamba.scoring.evaluate import Evaluation, each_item
from speechbrain_spmamba.scoring.loss import pit
from speechbrain_spmamba.scoring.metrics import score
from speechbrain_spmamba.scoring.silence import pairwise_neg_si_snr_or_level
from speechbrain_spmamba.training.checkpoint import (
    RandomState,
    identity,
    moving_average,
)
from speechbrain_spmamba.training.cuda_graph import (
    GraphedForward,
    check_cuda_graph,
)
from speechbrain_spmamba.training.finite_steps import FiniteBrain
from speechbrain_spmamba.training.run_options import check_run_options
from speechbrain_spmamba.training.schedule import check_accumulation

if TYPE_CHECKING:
    from speechbrain.dataio.batch import PaddedBatch


logger = logging.getLogger(__name__)

# Of keys that older experiments do not have.
DEFAULTS = {"tf32": True, "cuda_graph": False}


class SeparationBrain(FiniteBrain):
    """Trains ``modules.separator`` on batches of ``mix_sig`` and ``src_sig``.

    Arguments are those of ``speechbrain.Brain``. From ``hparams`` it reads

    * ``train_loss``: a pairwise loss, see ``scoring/loss.py``; validation uses
      negative SI-SNR, which for silent sources is the level of the output;
    * ``lr_annealing``, ``epoch_counter``, ``train_logger``, ``history``;
    * ``ema_decay``: above 0, validation and test use a moving average of the
      weights;
    * ``tf32`` and ``cuda_graph``, if they are there, see ``docs/faq.md``;
    * ``sample_rate``, ``num_examples``, ``results_folder`` for the test.

    Example
    -------
    >>> import torch
    >>> from types import SimpleNamespace
    >>> from speechbrain.dataio.batch import PaddedBatch
    >>> from speechbrain_spmamba.scoring.loss import pairwise_neg_snr
    >>> from speechbrain_spmamba.models import build_model
    >>> separator = build_model(
    ...     "spmamba", n_fft=64, hop_length=32, num_blocks=1, emb_dim=4
    ... )
    >>> brain = SeparationBrain(
    ...     modules={"separator": separator},
    ...     opt_class=torch.optim.Adam,
    ...     hparams={"train_loss": pairwise_neg_snr, "ema_decay": 0.0},
    ...     run_opts={"device": "cpu"},
    ... )
    >>> brain.init_optimizers()
    >>> src = torch.randn(400, 2)
    >>> batch = PaddedBatch([{"mix_sig": src.sum(1), "src_sig": src}])
    >>> bool(brain.fit_batch(batch).isfinite())
    True
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        check_run_options(vars(self), self.modules)
        # A log in a file is read, not watched.
        self.noprogressbar |= not sys.stderr.isatty()
        # Asked before it is wrapped for several GPUs.
        call = inspect.signature(self.modules.separator.forward)
        self.takes_lengths = "lengths" in call.parameters
        if not self.takes_lengths and if_main_process():
            logger.warning(
                "%s takes no lengths: where the mixtures of a batch are not "
                "equally long it hears padding, which the loss does not score",
                type(self.modules.separator).__name__,
            )
        self.average = None
        self.graphed = None
        self.left_out = LeftOut(math.inf, "the training set")
        # The toolkit allows it when it is imported; here it is a setting.
        settings = {**DEFAULTS, **vars(self.hparams)}
        torch.backends.cuda.matmul.allow_tf32 = bool(settings["tf32"])
        torch.backends.cudnn.allow_tf32 = bool(settings["tf32"])
        if settings["cuda_graph"]:
            check_cuda_graph(
                self.device_type,
                self.distributed_launch,
                self.grad_accumulation_factor,
                self.compile or self.jit,
            )
            self.graphed = GraphedForward(self.modules.separator)
        if self.hparams.ema_decay:
            self.average = moving_average(
                self.modules.separator, self.hparams.ema_decay
            )
        if self.checkpointer is not None:
            self.checkpointer.add_recoverable("random", RandomState())
            if self.average is not None:
                self.checkpointer.add_recoverable("average", self.average)

    def compute_forward(
        self, batch: PaddedBatch, stage: sb.Stage
    ) -> torch.Tensor:
        """Separates the mixtures of a batch.

        Arguments
        ---------
        batch : PaddedBatch
            With ``mix_sig`` ``[B, T]``.
        stage : sb.Stage
            In training the trained weights, else their average if there is.

        Returns
        -------
        torch.Tensor
            Estimates, shape ``[B, T, S]``.
        """
        mix, lengths = batch.mix_sig
        # Asked before the copy to the device: it would have to wait for it.
        padded = bool((lengths < 1).any())
        mix, lengths = batch.to(self.device, non_blocking=True).mix_sig
        separator = self.modules.separator
        if stage == sb.Stage.TRAIN and self.graphed is not None and not padded:
            return self.graphed(mix)
        if stage != sb.Stage.TRAIN and self.average is not None:
            separator = self.average.module
        if not self.takes_lengths:
            return separator(mix)
        return separator(mix, lengths if padded else None)

    def compute_objectives(
        self, est: torch.Tensor, batch: PaddedBatch, stage: sb.Stage
    ) -> torch.Tensor:
        """Loss under the best assignment; keeps what the stage reports.

        Arguments
        ---------
        est : torch.Tensor
            From ``compute_forward``.
        batch : PaddedBatch
            With ``src_sig`` ``[B, T, S]``.
        stage : sb.Stage
            Training uses ``train_loss``, validation and test
            ``pairwise_neg_si_snr_or_level``.

        Returns
        -------
        torch.Tensor
            Mean loss of the batch, in dB.

        Raises
        ------
        ValueError
            An estimate that is not finite, in validation and test.
        """
        src, lengths = batch.src_sig
        mix, _ = batch.mix_sig
        if stage == sb.Stage.TRAIN:
            pairwise = self.hparams.train_loss
            if "mix" in inspect.signature(pairwise).parameters:
                pairwise = partial(pairwise, mix=mix)
            loss, _ = pit(pairwise, est, src, lengths)
            return loss.mean()
        pairwise = partial(pairwise_neg_si_snr_or_level, mix=mix)
        loss, order = pit(pairwise, est, src, lengths)
        if stage == sb.Stage.VALID:
            ids = getattr(batch, "id", [str(n) for n in range(len(mix))])
            try:
                for _, *item in each_item(ids, mix, est, src, order, lengths):
                    scores = score(item[0], item[1], item[2], ["si_snr"])
                    self.si_snri.append(scores["si_snri"])
            except ValueError as error:
                if est.isfinite().all():
                    raise
                # In validation there is a training to say more of.
                what = str(error).partition(";")[0]
                self._diverge(f"validation: {what}")
        elif if_main_process():
            self.evaluation.add(batch.id, mix, est, src, order, lengths)
        return loss.mean()

    def on_stage_start(self, stage, epoch=None):
        """Opens the books of a stage."""
        super().on_stage_start(stage, epoch)
        if stage == sb.Stage.TRAIN:
            if isinstance(self.hparams.train_logger, partial):
                # One that writes to its folder as soon as it is made, and may
                # have nobody to write to: not said after hours.
                self.hparams.train_logger = self.hparams.train_logger()
            self.hparams.epoch_counter.start_clock()
        elif stage == sb.Stage.VALID:
            self.si_snri = []
        elif stage == sb.Stage.TEST:
            self.evaluation = Evaluation(
                self.hparams.results_folder,
                self.hparams.sample_rate,
                self.hparams.num_examples,
                metrics=read_metrics(getattr(self.hparams, "metrics", DEFAULT)),
            )

    def on_stage_end(
        self, stage: sb.Stage, stage_loss: float, epoch: int | None = None
    ) -> None:
        """Closes the books: learning rate, log, checkpoint, test results.

        Arguments
        ---------
        stage : sb.Stage
            The stage that ends.
        stage_loss : float
            Its mean loss in dB.
        epoch : int, optional
            The epoch, none in testing.
        """
        super().on_stage_end(stage, stage_loss, epoch)
        if stage == sb.Stage.TRAIN:
            self.train_snr = -float(stage_loss)
        elif stage == sb.Stage.VALID:
            # One rank decides: ranks that differ in the last digit would
            # stop after different epochs and wait for each other for ever.
            si_snri = torch.tensor(self.si_snri).nanmean().item()
            loss, si_snri = ddp_broadcast((float(stage_loss), si_snri))
            self._end_epoch(epoch, loss, si_snri)
        elif if_main_process():
            self.summary = self.evaluation.finish(self.tested)

    def on_evaluate_start(
        self, max_key: str | None = None, min_key: str | None = None
    ) -> None:
        """Loads the best checkpoint, which the scores will name.

        Arguments
        ---------
        max_key : str, optional
            Figure of which the largest is best.
        min_key : str, optional
            Figure of which the smallest is best.

        Raises
        ------
        ValueError
            There is none.
        """
        found = self.checkpointer.recover_if_possible(
            max_key=max_key, min_key=min_key
        )
        if found is None:
            raise ValueError(
                f"{self.checkpointer.checkpoints_dir} has no checkpoint to "
                "test; train for at least one epoch"
            )
        # What --debug scores, a few items, are no scores of these weights.
        name = "separator" if self.average is None else "average"
        self.tested = None if self.debug else identity(found, name)

    def make_dataloader(self, dataset, stage, *args, **kwargs):
        """Makes a loader as the toolkit does; training must lead to steps."""
        # From pinned memory, a copy to the device is not waited for.
        kwargs.setdefault("pin_memory", self.device_type == "cuda")
        loader = super().make_dataloader(dataset, stage, *args, **kwargs)
        if stage == sb.Stage.TRAIN:
            self.left_out = LeftOut(len(dataset), "the training set")
            check_accumulation(self.grad_accumulation_factor, len(loader))
        return loader

    def on_fit_start(self) -> None:
        """Loads the last checkpoint; what has been trained to its end stays.

        The toolkit would add an epoch without steps each time, and in
        debugging miss the epoch at which it stops.
        """
        super().on_fit_start()
        counter = getattr(self.hparams, "epoch_counter", None)
        if counter is None:
            return
        if self.is_out_of_steps:
            counter.limit = counter.current
        elif self.debug and self.debug_epochs > 0:
            counter.limit = min(counter.limit, self.debug_epochs)

    def on_fit_batch_start(self, batch, should_step):
        """Notes which items come, and which were left out for them."""
        super().on_fit_batch_start(batch, should_step)
        for text in getattr(batch, "left_out", []):
            for line in text.splitlines():
                self.left_out.add(*line.split("\t", 1))

    def optimizers_step(self) -> None:
        """The toolkit's step, which clips the first group of weights alone.

        There are two with ``remove_vector_weight_decay``. Gradients that are
        scaled, those of float16, are not clipped before the toolkit does.
        """
        groups = self.optimizer.param_groups
        if len(groups) > 1 and not self.scaler.is_enabled():
            torch.nn.utils.clip_grad_norm_(
                [p for group in groups for p in group["params"]],
                self.max_grad_norm,
            )
        super().optimizers_step()

    def on_fit_batch_end(self, batch, outputs, loss, should_step):
        """Lets the average of the weights follow a step, and counts time."""
        if not should_step:
            return
        if self.average is not None:
            self.average.update_parameters(self.modules.separator)
        # A batch may be fitted without a loop around it, and so no counter.
        counter = getattr(self.hparams, "epoch_counter", None)
        if counter is None:
            return
        counter.count_time()
        # One rank decides, as below.
        if counter.max_minutes and ddp_broadcast(counter.time_is_over):
            # The toolkit's own way out: the epoch ends here, is validated and
            # saved as usual, and is the last.
            self.optimizer_step_limit = self.optimizer_step

    def _end_epoch(self, epoch, valid_loss, si_snri):
        """What a validation leads to."""
        lr, next_lr = self.hparams.lr_annealing(
            [self.optimizer], epoch, valid_loss
        )
        update_learning_rate(self.optimizer, next_lr)
        self.hparams.epoch_counter.update(valid_loss)
        stats = {
            "stats_meta": {"epoch": epoch, "lr": lr},
            "train_stats": {"snr": self.train_snr},
            "valid_stats": {"si_snr": -valid_loss, "si_snri": si_snri},
        }
        self.hparams.train_logger.log_stats(**stats)
        self.hparams.history.log_stats(**stats)
        self.checkpointer.save_and_keep_only(
            meta={
                "loss": valid_loss,
                "epoch": epoch,
                "si_snri": si_snri,
                "minutes": self.hparams.epoch_counter.minutes,
            },
            min_keys=["loss"],
            num_to_keep=2,  # should one turn out to be damaged
        )
        self.hparams.history.write()
