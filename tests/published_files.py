"""Small checkpoints in the forms that published code bases write."""

import argparse
import functools

import numpy as np
import torch
from safetensors.torch import save_file

from speechbrain_spmamba.models import MODELS
from tests import golden

load_case = functools.cache(golden.load_case)

# Stored cases, and the system that each is of.
CASES = {
    **{name: name for name in MODELS},
    "conv_tasnet_asteroid": "conv_tasnet",
    "conv_tasnet_asteroidsigmoid": "conv_tasnet",
    "conv_tasnet_sonicsim": "conv_tasnet",
    "dprnn_asteroid": "dprnn",
    "dprnn_sonicsim": "dprnn",
    "sudormrf_asteroid": "sudormrf",
    "sudormrf_asteroidimproved": "sudormrf",
    "tdanet_best": "tdanet",
    "tdanet_original": "tdanet",
}
# What look2hear's classes call themselves; SPMamba's first files, otherwise.
MODEL_NAMES = {
    "spmamba": "TFGridNetMamba",
    "tf_gridnet": "TFGridNet",
    "bsrnn": "BSRNN",
    "tdanet": "TDANet",
    "afrcnn": "AFRCNN",
    "sudormrf": "SuDORMRF",
    "conv_tasnet": "TasNet",
    "conv_tasnet_asteroid": "ConvTasNet",
    "conv_tasnet_asteroidsigmoid": "ConvTasNet",
    "conv_tasnet_sonicsim": "ConvTasNet",
    "dprnn": "DPRNNTasNet",
    "dprnn_asteroid": "DPRNNTasNet",
    "dprnn_sonicsim": "DPRNNTasNet",
    "sudormrf_asteroid": "SuDORMRFNet",
    "sudormrf_asteroidimproved": "SuDORMRFImprovedNet",
    "tdanet_best": "TDANetBest",
    "tdanet_original": "TDANet",
}
# What no shape tells: it must be given, in the file or on the command line.
UNTOLD = {
    "spmamba": {"emb_hs": 2},
    "tf_gridnet": {"emb_hs": 2},
    "bsrnn": {},
    "tdanet": {"num_blocks": 3},
    "afrcnn": {"num_blocks": 3},
    "sudormrf": {},
    "conv_tasnet": {"n_layers": 4},
    "conv_tasnet_asteroid": {"n_layers": 4, "sample_rate": 16000},
    "conv_tasnet_asteroidsigmoid": {"n_layers": 3, "mask_act": "sigmoid"},
    "conv_tasnet_sonicsim": {},
    "dprnn": {"chunk_size": 50},
    "dprnn_asteroid": {"chunk_size": 50},
    "dprnn_sonicsim": {"chunk_size": 50},
    "sudormrf_asteroid": {},
    "sudormrf_asteroidimproved": {},
    "tdanet_best": {"num_blocks": 3},
    "tdanet_original": {"num_blocks": 3},
}


def plain(path, name):
    """A state dict, as sudo_rm_rf writes it."""
    torch.save(load_case(f"{name}_odd")[1], path)


def look2hear(path, name):
    """What ``serialize`` of look2hear writes.

    Its "model_args" do not describe the network: look2hear writes the same
    for every size.
    """
    content = {
        "model_name": MODEL_NAMES[name],
        "state_dict": load_case(f"{name}_odd")[1],
        "model_args": {"n_sample_rate": 2},
        "infos": {"software_versions": {"torch_version": torch.__version__}},
    }
    torch.save(content, path)


def with_arguments(path, name):
    """What ``serialize`` of Asteroid writes, and its upload adds.

    Its "model_args" do describe the network.
    """
    config, weights, _, _ = load_case(f"{name}_odd")
    content = {
        "model_name": MODEL_NAMES[name],
        "state_dict": weights,
        "model_args": config,
        "dataset": "Libri2Mix",
        "infos": {
            "software_versions": {"torch_version": torch.__version__},
            "final_metrics": {"si_sdr_imp": np.float64(15.24)},
        },
    }
    torch.save(content, path)


def lightning(path, name):
    """A checkpoint of PyTorch Lightning, with flattened settings."""
    config, weights, _, _ = load_case(f"{name}_odd")
    network = "audio_model"
    settings = {f"audionet_audionet_config_{k}": v for k, v in config.items()}
    if "asteroid" in name:
        network, settings = "model", _asteroid_settings(config)
    content = {
        "epoch": 3,
        "state_dict": {
            **{f"{network}.{key}": w for key, w in weights.items()},
            "loss_func.scale": torch.ones(1),
        },
        "hyper_parameters": {"optimizer_eps": 1e-3, **settings},
        "callbacks": {"EarlyStopping": {"best_score": torch.tensor(1.0)}},
    }
    torch.save(content, path)


def _asteroid_settings(config):
    """The settings of a recipe of Asteroid, as its ``System`` keeps them."""
    settings = {}
    for key, value in config.items():
        part = "masknet"
        if key in ("n_filters", "kernel_size", "stride"):
            part = "filterbank"
        elif key == "sample_rate":
            part = "data"
        settings[f"{part}_{key}"] = "None" if value is None else value
    return settings


def with_objects(path, name):
    """One whose settings are an object that is no weight."""
    weights = load_case(f"{name}_odd")[1]
    content = {
        "state_dict": weights,
        "hyper_parameters": {"args": argparse.Namespace(lr=0.1)},
    }
    torch.save(content, path)


def distributed(path, name):
    """A state dict of a wrapped model."""
    weights = load_case(f"{name}_odd")[1]
    torch.save({f"module.{key}": w for key, w in weights.items()}, path)


def espnet(path, name):
    """A model of ESPnet, of which the network is the separator."""
    weights = load_case(f"{name}_odd")[1]
    content = {f"separator.{key}": w for key, w in weights.items()}
    torch.save({"encoder.window": torch.ones(4), **content}, path)


def safetensors(path, name):
    """A .safetensors file."""
    save_file(load_case(f"{name}_odd")[1], path)
