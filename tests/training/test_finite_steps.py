"""Loops of any brain end as they should."""

import multiprocessing

import pytest
import speechbrain as sb
import torch

from speechbrain_spmamba.training.finite_steps import FiniteBrain


class _Line(FiniteBrain):
    """A brain of one number, whose stages end as its run options say."""

    def compute_forward(self, batch, stage):
        return self.modules.line(batch)

    def compute_objectives(self, found, batch, stage):
        return found.mean()


@pytest.mark.parametrize("lasting", [False, True])
def test_an_epoch_that_is_cut_short_leaves_no_workers(lasting):
    brain = _Line(
        modules={"line": torch.nn.Linear(1, 1)},
        opt_class=lambda p: torch.optim.SGD(p, lr=1e-3),
        hparams={},
        run_opts={"device": "cpu", "optimizer_step_limit": 1, "debug": True},
    )
    options = {"num_workers": 2, "persistent_workers": lasting}
    items = list(torch.ones(9, 1))
    others = set(multiprocessing.active_children())  # of tests before
    for _ in range(2):
        brain.fit(
            range(1),
            items,
            items,
            train_loader_kwargs=options,
            valid_loader_kwargs=options,
        )
        assert set(multiprocessing.active_children()) <= others
    test = brain.make_dataloader(
        items, sb.Stage.TEST, ckpt_prefix=None, **options
    )
    for _ in range(2):
        brain.evaluate(test)
        assert set(multiprocessing.active_children()) <= others
