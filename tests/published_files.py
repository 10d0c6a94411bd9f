"""Small checkpoints in the forms that published code bases write."""

import argparse
import functools

import torch
from safetensors.torch import save_file

from tests import golden

load_case = functools.cache(golden.load_case)

# What look2hear's classes call themselves; SPMamba's first files, otherwise.
MODEL_NAMES = {
    "spmamba": "TFGridNetMamba",
    "tf_gridnet": "TFGridNet",
    "bsrnn": "BSRNN",
    "tdanet": "TDANet",
    "afrcnn": "AFRCNN",
    "sudormrf": "SuDORMRF",
    "conv_tasnet": "TasNet",
    "dprnn": "DPRNNTasNet",
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
    "dprnn": {"chunk_size": 50},
}


def plain(path, name):
    """A state dict, as sudo_rm_rf writes it."""
    torch.save(load_case(f"{name}_odd")[1], path)


def look2hear(path, name):
    """What ``serialize`` of look2hear and Asteroid writes.

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
    """The same with arguments that do describe it, as Asteroid has them."""
    config, weights, _, _ = load_case(f"{name}_odd")
    content = {
        "model_name": MODEL_NAMES[name],
        "state_dict": weights,
        "model_args": config,
    }
    torch.save(content, path)


def lightning(path, name):
    """A checkpoint of PyTorch Lightning, with flattened settings."""
    config, weights, _, _ = load_case(f"{name}_odd")
    content = {
        "epoch": 3,
        "state_dict": {
            **{f"audio_model.{key}": w for key, w in weights.items()},
            "loss_func.scale": torch.ones(1),
        },
        "hyper_parameters": {
            "optimizer_eps": 1e-3,
            **{f"audionet_audionet_config_{k}": v for k, v in config.items()},
        },
        "callbacks": {"EarlyStopping": {"best_score": torch.tensor(1.0)}},
    }
    torch.save(content, path)


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
