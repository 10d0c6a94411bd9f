"""A program as users write it; `test_hints.py` has mypy look at it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from typing_extensions import assert_type

from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.loading.loader import make_dataset, read_example
from speechbrain_spmamba.models import build_model
from speechbrain_spmamba.ops import selective_scan
from speechbrain_spmamba.recordings.activity import Activity, activity
from speechbrain_spmamba.recordings.options import SeparationOptions
from speechbrain_spmamba.recordings.separation import Separated
from speechbrain_spmamba.scoring.loss import pairwise_neg_si_snr, pit


def separate(source: str, recording: Path, folder: Path) -> list[Activity]:
    """With a model folder."""
    model = WaveformSeparation.from_hparams(source=source)
    assert_type(model, WaveformSeparation)
    voices = model.separate_file(recording, output_folder=folder)
    assert_type(voices, torch.Tensor)
    found = model.separate_to_files(str(recording), folder, window=10.0)
    assert_type(found, Separated)
    assert_type(found.paths, list[Path])
    blocks = (np.zeros(100, "float32") for _ in range(3))
    assert_type(model.separate_stream(blocks, 8000), Iterator[np.ndarray])
    options = SeparationOptions(window=10.0).for_model(model.hparams)
    assert_type(options, SeparationOptions)
    return activity(voices.numpy(), 8000)


def train_step(mix: torch.Tensor, src: torch.Tensor) -> torch.Tensor:
    """With a network of the package."""
    network = build_model("spmamba", num_spks=2)
    assert_type(network, torch.nn.Module)
    loss, order = pit(pairwise_neg_si_snr, network(mix), src)
    assert_type(loss, torch.Tensor)
    assert_type(order, torch.Tensor)
    return loss.mean()


def read(paths: list[Path]) -> torch.Tensor:
    """Items of a manifest, and of no manifest."""
    mix, src = read_example(paths[0], paths[1:], sample_rate=8000)
    assert_type(src, torch.Tensor)
    make: Callable[..., Any] = make_dataset
    assert make is make_dataset
    return selective_scan(mix, mix, mix, mix, mix) + src
