"""A run that was ended goes on to the same weights, bit for bit."""

import os
import signal

import pytest
import speechbrain as sb
import torch

from speechbrain_spmamba.training.brain import SeparationBrain
from speechbrain_spmamba.training.schedule import History
from tests import train_server

STEPWISE = "--ckpt_interval_steps=2"


def _in_stage(wanted):
    return lambda brain, batch, stage: stage == wanted


# Where to die: method, which call of it, condition on its arguments.
KILLS = {
    "in the first epoch": (
        (SeparationBrain, "compute_forward", 4, _in_stage(sb.Stage.TRAIN)),
        [STEPWISE],
    ),
    "in a later epoch, without checkpoints between": (
        (SeparationBrain, "compute_forward", 8, _in_stage(sb.Stage.TRAIN)),
        [],
    ),
    "with worker processes": (
        (SeparationBrain, "compute_forward", 4, _in_stage(sb.Stage.TRAIN)),
        [STEPWISE, "--num_workers=2"],
    ),
    "in validation": (
        (SeparationBrain, "compute_forward", 3, _in_stage(sb.Stage.VALID)),
        [STEPWISE],
    ),
    "while a checkpoint is being written": (
        (torch, "save", 8),
        [],
    ),
    "after a checkpoint, before the history": (
        (History, "write", 2),
        [STEPWISE],
    ),
    "within a gradient accumulation": (
        (SeparationBrain, "compute_forward", 4, _in_stage(sb.Stage.TRAIN)),
        ["--ckpt_interval_steps=1", "--grad_accumulation_factor=2"],
    ),
}


def _train_until_killed(folder, place, options):
    train_server.kill_at(*KILLS[place][0])
    train_server.train(folder, *options)


def _assert_equal(one, other, where=""):
    """Same structure, same bits."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            _assert_equal(one[key], other[key], f"{where}/{key}")
    else:
        assert one == other, where


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Folders of runs that nothing disturbed, one for each set of options."""
    folders = {}

    def get(options):
        # How often checkpoints are made and who reads must not matter.
        options = [o for o in options if "accumulation" in o]
        key = tuple(options)
        if key not in folders:
            folders[key] = tmp_path_factory.mktemp("whole")
            assert (
                train_server.run(train_server.train, folders[key], *options)
                == 0
            )
        return folders[key]

    return get


# Places whose like is tested by another; run with -m slow.
SLOW = (
    "in the first epoch",
    "in a later epoch, without checkpoints between",
    "with worker processes",
    "in validation",
    "after a checkpoint, before the history",
    "within a gradient accumulation",
)


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(place, marks=pytest.mark.slow if place in SLOW else ())
        for place in KILLS
    ],
)
def test_a_killed_run_ends_with_the_same_weights(
    place, tmp_path, uninterrupted
):
    options = KILLS[place][1]
    code = train_server.run(_train_until_killed, tmp_path, place, options)
    assert code == -signal.SIGKILL
    assert train_server.run(train_server.train, tmp_path, *options) == 0
    _assert_same(tmp_path, uninterrupted(options))


def _assert_same(folder, whole):
    """The same run, to the last bit."""
    meta, states = train_server.last_checkpoint(folder)
    whole_meta, whole_states = train_server.last_checkpoint(whole)
    assert meta["epoch"] == whole_meta["epoch"] == 3
    assert meta["loss"] == whole_meta["loss"]
    _assert_equal(states, whole_states)
    for name in ("history.csv", "test/results.csv"):
        one, other = (f / "results/tiny/1234" / name for f in (folder, whole))
        assert one.read_bytes() == other.read_bytes()


# Where a signal comes: call and condition as above; the signal, the batch of
# the epoch behind which the checkpoint stands, and options.
TRAIN, VALID = _in_stage(sb.Stage.TRAIN), _in_stage(sb.Stage.VALID)
STOPS = {
    "within a gradient accumulation": (
        3,
        TRAIN,
        signal.SIGINT,
        4,
        ["--grad_accumulation_factor=2"],
    ),
    "in validation": (3, VALID, signal.SIGTERM, 5, []),
    "in the first epoch": (4, TRAIN, signal.SIGTERM, 4, []),
    "in the last step of an epoch": (5, TRAIN, signal.SIGTERM, 5, []),
    "in the last validation": (6, VALID, signal.SIGINT, 0, []),
    "with worker processes": (7, TRAIN, signal.SIGTERM, 2, ["--num_workers=2"]),
}
SLOW_STOPS = list(STOPS)[2:]


def _train_until_stopped(folder, place, options):
    os.setsid()
    call, when, signum, *_ = STOPS[place]
    train_server.kill_at(SeparationBrain, "compute_forward", call, when, signum)
    with open(folder / "stderr", "w") as file:
        os.dup2(file.fileno(), 2)
        train_server.train(folder, *options)


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(
            place, marks=pytest.mark.slow if place in SLOW_STOPS else ()
        )
        for place in STOPS
    ],
)
def test_a_stopped_run_loses_no_step(place, tmp_path, uninterrupted):
    _, _, signum, step, options = STOPS[place]
    code = train_server.run(_train_until_stopped, tmp_path, place, options)
    assert code == 128 + signum
    text = (tmp_path / "stderr").read_text()
    assert "Traceback" not in text
    line = text.splitlines()[-1]
    assert line.startswith(
        f"stopped by {signum.name}; the same command goes on"
    )
    assert line.count("CKPT+") == 1
    assert train_server.last_step(tmp_path) == step
    assert train_server.run(train_server.train, tmp_path, *options) == 0
    _assert_same(tmp_path, uninterrupted(options))
