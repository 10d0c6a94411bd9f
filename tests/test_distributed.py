"""Two ranks train as one process with the joined batch."""

import os
import signal
import socket

import pytest
import speechbrain as sb
import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.distributed import ddp_init_group

from speechbrain_spmamba.models import build_model
from speechbrain_spmamba.scoring.loss import pairwise_neg_snr
from speechbrain_spmamba.training.brain import SeparationBrain
from tests import train_server
from tests.small_models import SMALL

STEPS = 3


def _items(step):
    """The joined batch of a step: two items."""
    generator = torch.Generator().manual_seed(step)
    sources = torch.randn(2, 800, 2, generator=generator).double()
    return [{"mix_sig": s.sum(1), "src_sig": s} for s in sources]


def _steps(path, distributed, take):
    """Trains some steps with plain SGD and keeps the weights of each."""
    torch.manual_seed(1 + int(os.environ.get("RANK", 0)))  # ranks differ
    separator = build_model("spmamba", **SMALL["spmamba"]).double()
    if not distributed:
        separator.load_state_dict(
            torch.load(path.parent / "start", weights_only=True)
        )
    brain = SeparationBrain(
        modules={"separator": separator},
        opt_class=lambda params: torch.optim.SGD(params, lr=0.1),
        hparams={"train_loss": pairwise_neg_snr, "ema_decay": 0.0},
        run_opts={
            "device": "cpu",
            "distributed_launch": distributed,
            "distributed_backend": "gloo",
            "max_grad_norm": 1e9,
        },
    )
    brain.on_fit_start()
    if distributed and brain.rank == 0:
        torch.save(separator.state_dict(), path.parent / "start")
    kept = []
    for step in range(STEPS):
        brain.step += 1
        brain.fit_batch(PaddedBatch(_items(step)[take]))
        kept.append({k: p.clone() for k, p in separator.named_parameters()})
    torch.save(kept, path)


def _join(rank, port):
    """Becomes a rank, as torchrun would make it."""
    os.environ.update(
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        WORLD_SIZE="2",
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
    )


def _rank(folder, rank, port):
    _join(rank, port)
    ddp_init_group({"distributed_backend": "gloo"})
    _steps(folder / f"rank{rank}", True, slice(rank, rank + 1))


def _both(function, folder):
    """Runs both ranks; their exit codes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ranks = [train_server.start(function, folder, r, port) for r in range(2)]
    for process in ranks:
        process.join(120)
    return [process.exitcode for process in ranks]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights after each step: of rank 0, of rank 1, of one process."""
    folder = tmp_path_factory.mktemp("ddp")
    assert _both(_rank, folder) == [0, 0]
    assert train_server.run(_steps, folder / "one", False, slice(None)) == 0
    names = ("rank0", "rank1", "one")
    return [torch.load(folder / n, weights_only=True) for n in names]


def test_ranks_have_equal_weights_after_each_step(weights):
    for step in range(STEPS):
        for name, weight in weights[0][step].items():
            assert torch.equal(weight, weights[1][step][name]), name


def test_the_gradient_is_that_of_the_joined_batch(weights):
    start = weights[2]
    for name, weight in weights[0][0].items():
        # After a step of SGD, weights differ by a tenth of the gradients.
        torch.testing.assert_close(
            weight, start[0][name], rtol=0, atol=1e-9, msg=name
        )


def test_weights_move(weights):
    moved = [
        (weights[0][0][name] - weights[0][2][name]).abs().max()
        for name in weights[0][0]
    ]
    assert sum(m > 0 for m in moved) > 0.9 * len(moved)


def _train(folder, rank, port):
    _join(rank, port)
    train_server.train(folder, "--distributed_backend=gloo", "--max_epochs=4")


def _train_until_one_is_stopped(folder, rank, port):
    def training_only(brain, batch, stage):
        return stage == sb.Stage.TRAIN

    if rank == 1:
        train_server.kill_at(
            SeparationBrain, "compute_forward", 2, training_only, signal.SIGTERM
        )
    _train(folder, rank, port)


@pytest.mark.slow
def test_a_signal_to_one_rank_stops_both_at_one_step(tmp_path):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    for folder in (whole, stopped):
        folder.mkdir()
    assert _both(_train, whole) == [0, 0]
    codes = _both(_train_until_one_is_stopped, stopped)
    assert codes == [128 + signal.SIGTERM] * 2
    assert train_server.last_step(stopped) == 2
    assert _both(_train, stopped) == [0, 0]
    _, states = train_server.last_checkpoint(stopped)
    _, wanted = train_server.last_checkpoint(whole)
    for name in ("separator", "average"):
        for key, weight in wanted[name].items():
            assert torch.equal(states[name][key], weight), key
