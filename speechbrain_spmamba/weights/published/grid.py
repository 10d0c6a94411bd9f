"""The grid of TF-GridNet's first version, in the names of its published code.

SPMamba's code has the same names around another sequence model.
"""

import math
import re

import torch

# The published code's names of arguments, where they are not ours.
NAMES = {
    "n_srcs": "num_spks",
    "n_imics": "num_mics",
    "stride": "hop_length",
    "n_layers": "num_blocks",
    "attn_n_head": "num_heads",
    "attn_approx_qk_dim": "attn_qk_dim",
}


def convert_grid(source, mixer, convert_mixer):
    """Maps TF-GridNet's first version, whatever its sequence model.

    Arguments
    ---------
    source : Source
        The published weights, from which what is converted is taken.
    mixer : str
        What the published code calls its sequence model.
    convert_mixer : callable
        ``(source, path)`` -> weights of one sequence model.

    Returns
    -------
    dict
        Tensors under our names.
    """
    out = {
        "input_conv.weight": source.take("conv.0.weight"),
        "input_conv.bias": source.take("conv.0.bias"),
        "input_norm.weight": source.take("conv.1.weight"),
        "input_norm.bias": source.take("conv.1.bias"),
    }
    for index in range(source.count(r"blocks\.(\d+)\.")):
        block = f"blocks.{index}"
        for path in ("intra", "inter"):
            ours, theirs = f"{block}.{path}", f"{block}.{path}_"
            for kind, published in (("weight", "gamma"), ("bias", "beta")):
                norm = source.take(f"{theirs}norm.{published}")
                out[f"{ours}.norm.{kind}"] = norm.flatten()
                deconv = source.take(f"{theirs}linear.{kind}")
                out[f"{ours}.deconv.{kind}"] = deconv
            mixed = convert_mixer(source, f"{theirs}{mixer}")
            out.update({f"{ours}.mixer.{k}": v for k, v in mixed.items()})
        attention = _frame_attention(source, block)
        out.update({f"{block}.attention.{k}": v for k, v in attention.items()})
    out["output_conv.weight"] = source.take("deconv.weight")
    out["output_conv.bias"] = source.take("deconv.bias")
    return out


def measure_grid(source, given):
    """Arguments of a published grid, without its sequence model.

    Arguments
    ---------
    source : Source
        The published weights; all of them stay.
    given : dict
        Arguments that are known from elsewhere.

    Returns
    -------
    dict
        Arguments that the shapes tell.
    dict
        Published values of those that they do not tell.
    """
    block = "blocks.0"
    channels, inputs = source.shape("conv.0.weight")[:2]
    bins = source.shape(f"{block}.attn_concat_proj.2.gamma")[3]
    if f"{block}.attn_norm_Q.gamma" in source.left:  # second version
        heads, keys = source.shape(f"{block}.attn_norm_Q.gamma")[1:3]
    else:
        heads = source.count(rf"{re.escape(block)}\.attn_conv_Q_(\d+)\.")
        keys = source.shape(f"{block}.attn_conv_Q_0.0.weight")[0]
    told = {
        "num_spks": source.shape("deconv.weight")[1] // 2,
        "num_mics": inputs // 2,
        "n_fft": 2 * (bins - 1),
        "num_blocks": source.count(r"blocks\.(\d+)\."),
        "emb_dim": channels,
        "emb_ks": source.shape(f"{block}.intra_linear.weight")[2],
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


def _frame_attention(source, block):
    """Twelve convolutions, slopes and norms to one matrix and three norms."""
    heads = source.count(rf"{re.escape(block)}\.attn_conv_Q_(\d+)\.")
    roles = (("Q", "query_norm"), ("K", "key_norm"), ("V", "value_norm"))
    out, weights, biases = {}, [], []
    for role, norm in roles:
        names = [f"{block}.attn_conv_{role}_{head}" for head in range(heads)]
        if not names:
            source.take(f"{block}.attn_conv_{role}_0.0.weight")
        for name in names:
            weights.append(source.take(f"{name}.0.weight").flatten(1))
            biases.append(source.take(f"{name}.0.bias"))
        out.update(_head_norm(source, norm, names))
    out["qkv.weight"] = torch.cat(weights)
    out["qkv.bias"] = torch.cat(biases)
    name = f"{block}.attn_concat_proj"
    out["proj.weight"] = source.take(f"{name}.0.weight").flatten(1)
    out["proj.bias"] = source.take(f"{name}.0.bias")
    out.update(_head_norm(source, "proj_norm", [name]))
    return out


def _head_norm(source, ours, names):
    """PReLU slopes and (channel, frequency) norms: [1, C, 1, F] to [F, C]."""

    def stack(key):
        gains = [source.take(f"{name}.2.{key}") for name in names]
        return torch.stack([gain[0, :, 0].T for gain in gains])

    return {
        f"{ours}.slope": torch.cat(
            [source.take(f"{name}.1.weight") for name in names]
        ),
        f"{ours}.weight": stack("gamma"),
        f"{ours}.bias": stack("beta"),
    }
