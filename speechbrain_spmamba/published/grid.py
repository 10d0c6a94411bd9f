"""The grid of TF-GridNet's first version, in the names of its published code.

SPMamba's code has the same names around another sequence model.
"""

import re

import torch


def convert_grid(source, mixer, convert_mixer):
    """TF-GridNet's first version, whatever its sequence model."""
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
