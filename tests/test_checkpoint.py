"""A checkpoint is whole or it is none."""

import random

import numpy as np
import pytest
import torch

from speechbrain_spmamba.checkpoint import (
    AtomicCheckpointer,
    RandomState,
    moving_average,
)


class _Stop(Exception):
    pass


def _stop(*args):
    raise _Stop


def test_a_save_that_is_cut_off_leaves_no_checkpoint(tmp_path):
    layer, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    checkpointer = AtomicCheckpointer(tmp_path, {"layer": layer})
    checkpointer.save_checkpoint(meta={"epoch": 1})
    # dies between the first file and the second
    checkpointer.add_recoverable("other", other, custom_save_hook=_stop)
    with pytest.raises(_Stop):
        checkpointer.save_checkpoint(meta={"epoch": 2})
    assert len(list(tmp_path.iterdir())) == 2  # what a SIGKILL would leave

    again = AtomicCheckpointer(tmp_path, {"layer": layer})
    assert again.recover_if_possible().meta["epoch"] == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_a_deletion_that_is_cut_off_leaves_the_best_and_the_last(
    tmp_path, monkeypatch
):
    layer = torch.nn.Linear(2, 2)
    checkpointer = AtomicCheckpointer(tmp_path, {"layer": layer})
    for loss in (1.0, 2.0):
        checkpointer.save_and_keep_only(meta={"loss": loss}, min_keys=["loss"])

    def half(path):
        (path / "layer.ckpt").unlink()
        raise _Stop

    monkeypatch.setattr("shutil.rmtree", half)
    with pytest.raises(_Stop):
        checkpointer.save_and_keep_only(meta={"loss": 3.0}, min_keys=["loss"])
    assert checkpointer.recover_if_possible().meta["loss"] == 3.0
    best = checkpointer.recover_if_possible(min_key="loss")
    assert best.meta["loss"] == 1.0


def test_best_and_last_are_kept(tmp_path):
    checkpointer = AtomicCheckpointer(tmp_path, {"l": torch.nn.Linear(1, 1)})
    for epoch, loss in enumerate([3.0, 1.0, 2.0, 4.0], start=1):
        checkpointer.save_and_keep_only(
            meta={"epoch": epoch, "loss": loss}, min_keys=["loss"]
        )
    kept = {c.meta["epoch"] for c in checkpointer.list_checkpoints()}
    assert kept == {2, 4}
    assert checkpointer.find_checkpoint(min_key="loss").meta["epoch"] == 2


def test_saved_files_are_where_the_checkpoint_says(tmp_path):
    layer = torch.nn.Linear(2, 2)
    saved = AtomicCheckpointer(tmp_path, {"l": layer}).save_checkpoint()
    state = torch.load(saved.paramfiles["l"], weights_only=True)
    assert torch.equal(state["weight"], layer.weight)


def test_all_random_generators_come_back(tmp_path):
    def draw():
        return torch.rand(1).item(), np.random.rand(), random.random()

    state = RandomState()
    state.save(tmp_path / "r")
    first = draw()
    assert draw() != first
    state.load(tmp_path / "r", end_of_epoch=False)
    assert draw() == first


def test_the_average_follows_its_formula():
    layer = torch.nn.Linear(1, 1)
    average = moving_average(layer, 0.9)
    expected = None
    for value in (1.0, 2.0, 5.0):
        torch.nn.init.constant_(layer.weight, value)
        average.update_parameters(layer)
        expected = value if expected is None else 0.9 * expected + 0.1 * value
    assert average.module.weight.item() == pytest.approx(expected)
    assert not average.module.weight.requires_grad


@pytest.mark.parametrize("decay", [-0.1, 1.0, 2.0])
def test_a_decay_outside_its_range_is_refused(decay):
    with pytest.raises(ValueError, match="ema_decay"):
        moving_average(torch.nn.Linear(1, 1), decay)
