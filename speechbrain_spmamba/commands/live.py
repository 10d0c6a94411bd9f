"""What the commands for live sound, `stream` and `listen`, share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

from speechbrain_spmamba.builtin.models import LIVE
from speechbrain_spmamba.commands.model import load_model
from speechbrain_spmamba.files.names import shown
from speechbrain_spmamba.recordings.live import is_causal

if TYPE_CHECKING:
    from speechbrain_spmamba.inference import WaveformSeparation


def load_live_model(
    source: str, device: str | None = None, trust: bool = False
) -> WaveformSeparation:
    """Loads a model that separates sound as it comes.

    Arguments
    ---------
    source, device, trust
        See ``commands.model.load_model``.

    Returns
    -------
    speechbrain_spmamba.inference.WaveformSeparation
        The model.

    Raises
    ------
    ValueError
        It is not causal.
    """
    model = load_model(source, device, trust)
    if not is_causal(model.mods.separator):
        raise ValueError(
            f"{shown(source)} is not causal, it hears the end of a recording "
            f"before it gives the beginning; give one that is, --model {LIVE}"
        )
    # A hop is too little work to be shared: threads that wait for each other
    # take ten times as long as one wherever something else runs.
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
    return model


def hop_of(model, sample_rate):
    """Samples at a rate in Hz that a hop of a causal model takes, at least."""
    hop = model.mods.separator.stft.hop_length
    return -(-hop * sample_rate // model.hparams.sample_rate)


def warm_up(separator):
    """Lets a causal model separate a little silence.

    What it does for the first time takes long, and its first blocks would
    wait.
    """
    stream = separator.stream()
    for hops in (1, 1, 2, 4):
        stream.feed(torch.zeros(hops * separator.stft.hop_length))
