"""The grid of TF-GridNet's first version, in the names of its published code.

SPMamba's code has the same names around another sequence model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from speechbrain_spmamba.weights.published.layers import move_flat_norm

if TYPE_CHECKING:
    from speechbrain_spmamba.weights.published.renaming import PublishedWeights


# The published code's names of arguments, where they are not ours.
NAMES = {
    "n_srcs": "num_spks",
    "n_imics": "num_mics",
    "stride": "hop_length",
    "n_layers": "num_blocks",
    "attn_n_head": "num_heads",
    "attn_approx_qk_dim": "attn_qk_dim",
}


def convert_grid(
    weights: PublishedWeights, mixer: str, move_mixer: Callable
) -> None:
    """Converts TF-GridNet's first version, whatever its sequence model.

    Arguments
    ---------
    weights : PublishedWeights
        As ``convert`` takes it.
    mixer : str
        What the published code calls its sequence model.
    move_mixer : callable
        ``(weights, theirs, ours)`` moves one sequence model.
    """
    weights.move("conv.0", "input_conv")
    weights.move("conv.1", "input_norm")
    for index in range(weights.count(r"blocks\.(\d+)\.")):
        block = f"blocks.{index}"
        for path in ("intra", "inter"):
            ours, theirs = f"{block}.{path}", f"{block}.{path}_"
            move_flat_norm(weights, f"{theirs}norm", f"{ours}.norm")
            weights.move(f"{theirs}linear", f"{ours}.deconv")
            move_mixer(weights, f"{theirs}{mixer}", f"{ours}.mixer")
        _convert_attention(weights, block)
    weights.move("deconv", "output_conv")


def measure_grid(weights, given):
    """What ``measure`` gives, but for the sequence model."""
    block = "blocks.0"
    channels, inputs = weights.shape("conv.0.weight")[:2]
    bins = weights.shape(f"{block}.attn_concat_proj.2.gamma")[3]
    if f"{block}.attn_norm_Q.gamma" in weights.left:  # second version
        heads, keys = weights.shape(f"{block}.attn_norm_Q.gamma")[1:3]
    else:
        heads = weights.count(rf"{re.escape(block)}\.attn_conv_Q_(\d+)\.")
        keys = weights.shape(f"{block}.attn_conv_Q_0.0.weight")[0]
    told = {
        "num_spks": weights.shape("deconv.weight")[1] // 2,
        "num_mics": inputs // 2,
        "n_fft": 2 * (bins - 1),
        "num_blocks": weights.count(r"blocks\.(\d+)\."),
        "emb_dim": channels,
        "emb_ks": weights.shape(f"{block}.intra_linear.weight")[2],
        "num_heads": heads,
        "attn_qk_dim": _query_length(keys, bins, given.get("attn_qk_dim", 512)),
    }
    assumed = {
        "hop_length": told["n_fft"] // 4,
        "emb_hs": 1,
        # Published windows last 32 ms, at 16 kHz and at 8 kHz.
        "sample_rate": 8000 if told["n_fft"] == 256 else 16000,
    }
    return told, assumed


def _query_length(keys, bins, likely):
    """The argument of which ``keys`` = ceil(argument / bins) is left."""
    low, high = (keys - 1) * bins, keys * bins
    power = 2 ** int(math.log2(high))
    fitting = [n for n in (likely, power) if low < n <= high]
    return fitting[0] if fitting else high


def _convert_attention(weights, block):
    """Twelve convolutions, slopes and norms to one matrix and three norms."""
    heads = weights.count(rf"{re.escape(block)}\.attn_conv_Q_(\d+)\.")
    roles = (("Q", "query_norm"), ("K", "key_norm"), ("V", "value_norm"))
    out, matrices, biases = {}, [], []
    for role, norm in roles:
        names = [f"{block}.attn_conv_{role}_{head}" for head in range(heads)]
        if not names:
            weights.take(f"{block}.attn_conv_{role}_0.0.weight")
        for name in names:
            matrices.append(weights.take(f"{name}.0.weight").flatten(1))
            biases.append(weights.take(f"{name}.0.bias"))
        out.update(_head_norm(weights, norm, names))
    out["qkv.weight"] = torch.cat(matrices)
    out["qkv.bias"] = torch.cat(biases)
    name = f"{block}.attn_concat_proj"
    out["proj.weight"] = weights.take(f"{name}.0.weight").flatten(1)
    out["proj.bias"] = weights.take(f"{name}.0.bias")
    out.update(_head_norm(weights, "proj_norm", [name]))
    for name, tensor in out.items():
        weights.converted[f"{block}.attention.{name}"] = tensor


def _head_norm(weights, ours, names):
    """PReLU slopes and (channel, frequency) norms: [1, C, 1, F] to [F, C]."""

    def stack(key):
        gains = [weights.take(f"{name}.2.{key}") for name in names]
        return torch.stack([gain[0, :, 0].T for gain in gains])

    return {
        f"{ours}.slope": torch.cat(
            [weights.take(f"{name}.1.weight") for name in names]
        ),
        f"{ours}.weight": stack("gamma"),
        f"{ours}.bias": stack("beta"),
    }
