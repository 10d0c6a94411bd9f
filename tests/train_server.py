"""Runs small trainings in processes of their own, to be killed or joined.

Processes are forked from a server that has imported everything, so that one
costs a second instead of the ten that imports take.
"""

import multiprocessing
import os
import signal
import sys

import torch
from speechbrain.utils import logger

from tests import ROOT

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    [
        "speechbrain_spmamba.training.brain",
        "speechbrain_spmamba.inference",
        "speechbrain_spmamba.settings.experiment",
        "torch._dynamo",  # optimizers import it
        "torch.distributed.fsdp",
    ]
)

# hparams/tiny.yaml, cut down to a second: 3 epochs of 5 steps.
SETTINGS = [
    str(ROOT / "hparams" / "tiny.yaml"),
    "--device=cpu",
    "--noprogressbar",
    "--batch_size=2",
    "--segment=0.3",
    "--ema_decay=0.9",
    "--num_examples=0",
    "--ckpt_interval_minutes=0",
    "--separator={n_fft: 64, hop_length: 32, num_blocks: 1, emb_dim: 4,"
    " expand: 1, d_state: 2, num_heads: 1, attn_qk_dim: 32}",
    "--splits={train: {mixtures: 10}, valid: {mixtures: 2},"
    " test: {mixtures: 1}}",
    "--prepare={seconds: 0.5, corpora: {readers: [4, 2, 2],"
    " utterances_per_reader: [1, 1, 1], utterance_seconds: [1.0, 1.0],"
    " noise_files: [1, 1, 1], noise_seconds: [1.0, 1.0]}}",
]


def start(function, *args):
    """Starts a function of a test module in a fresh process."""
    process = _context.Process(target=_quiet, args=(function, *args))
    process.start()
    return process


def run(function, *args):
    """The same, waits for it, and returns its exit code."""
    process = start(function, *args)
    process.join(120)
    return process.exitcode


def _quiet(function, *args):
    """One thread: sums are then added in one order, and cores are few."""
    torch.set_num_threads(1)
    log = os.open("/dev/null", os.O_WRONLY)
    os.dup2(log, 1)
    function(*args)


def train(folder, *options):
    """What ``python train.py`` does, in ``folder``."""
    os.chdir(folder)
    logger.get_environment_description = str  # else a second in each process
    sys.path.insert(0, str(ROOT))
    import train as program

    program.main([*SETTINGS, *options])


def kill_at(
    owner, name, call, when=lambda *args, **kwargs: True, signum=signal.SIGKILL
):
    """Sends this process a signal, of which it dies or not, at a certain call.

    A process that leads a group, as one that a terminal or a cluster started
    does, gets it with its workers.
    """
    method, seen = getattr(owner, name), []

    def dies(*args, **kwargs):
        if when(*args, **kwargs):
            seen.append(None)
            if len(seen) == call:
                leads = os.getpgrp() == os.getpid()
                (os.killpg if leads else os.kill)(os.getpid(), signum)
        return method(*args, **kwargs)

    setattr(owner, name, dies)


def last_checkpoint(folder):
    """Meta data and all tensors of the newest checkpoint of a run."""
    from speechbrain.utils.checkpoints import Checkpointer

    found = Checkpointer(folder / "results/tiny/1234/save").find_checkpoint()
    states = {
        name: torch.load(found.paramfiles[name], weights_only=True)
        for name in ("separator", "average", "optimizer")
    }
    return found.meta, states


def last_step(folder):
    """The batch of its epoch behind which the newest checkpoint stands."""
    from speechbrain.utils.checkpoints import Checkpointer

    found = Checkpointer(folder / "results/tiny/1234/save").find_checkpoint()
    text = found.paramfiles["brain"].read_text()
    return int(text.partition("\nstep: ")[2])
