"""Shared by tests of live sound: causal models in folders, samples as bytes."""

import numpy as np
import torch

from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.models import build_model
from speechbrain_spmamba.weights.export import write_model
from speechbrain_spmamba.weights.folder_yaml import model_yaml
from tests.small_models import SMALL

SMALLEST = {**SMALL["spmamba"], "causal": True}
# The size of the model that comes with the package: a hop is 12 ms.
PUBLISHED = {
    "causal": True,
    "n_fft": 256,
    "hop_length": 96,
    "synthesis_length": 128,
    "num_blocks": 2,
    "emb_dim": 96,
    "emb_ks": 1,
    "emb_hs": 1,
    "d_state": 8,
    "expand": 1,
    "num_heads": 4,
    "attn_qk_dim": 256,
    "masks": True,
    "band": 8,
    "attn_context": 64,
    "sample_rate": 8000,
}


def live_folder(folder, sizes=SMALLEST):
    """A model folder of a causal model with random weights."""
    torch.manual_seed(0)
    separator = build_model("spmamba", **sizes)
    write_model(folder, separator, model_yaml(separator, sizes))
    return folder


def live_model(folder):
    """The model of such a folder, on a CPU."""
    return WaveformSeparation.from_hparams(
        str(folder), run_opts={"device": "cpu"}
    )


def as_pcm(wave):
    """Samples as bytes: 16 bits, the lower byte first."""
    return np.rint(wave * 32767).astype("<i2").tobytes()
