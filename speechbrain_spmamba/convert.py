"""Published weights of other code bases, renamed and reshaped to ours.

Nothing is computed: tensors are renamed, squeezed, and the heads' separate
1x1 convolutions stacked into one matrix. A key too many or too few is an
error, so that a checkpoint either loads as a whole or not at all.
"""

import re

import torch

MAMBA_PARAMETERS = (
    "A_log",
    "D",
    "in_proj.weight",
    "conv1d.weight",
    "conv1d.bias",
    "x_proj.weight",
    "dt_proj.weight",
    "dt_proj.bias",
    "out_proj.weight",
)


def convert_state_dict(model_name, state_dict):
    """Maps a published state dict onto the model of that name.

    Arguments
    ---------
    model_name : str
        A key of ``models.MODELS``.
    state_dict : dict
        Tensors under the names of the published code.

    Returns
    -------
    dict
        Tensors under our names, ready for a strict ``load_state_dict``.

    Raises
    ------
    ValueError
        No published form of that model is known, or the state dict lacks a
        key or has one too many; the message names them.

    Example
    -------
    >>> convert_state_dict("spmamba", {"conv.0.weight": torch.zeros(1)})
    Traceback (most recent call last):
        ...
    ValueError: state dict is not a published spmamba: lacks 'conv.0.bias'
    """
    if model_name not in CONVERTERS:
        raise ValueError(
            f"no published weights are known for '{model_name}'; "
            f"known: {', '.join(CONVERTERS)}"
        )
    source = _Source(model_name, state_dict)
    converted = CONVERTERS[model_name](source)
    source.check_empty()
    return converted


class _Source:
    """A state dict from which every key is taken exactly once."""

    def __init__(self, model_name, state_dict):
        self.problem = f"state dict is not a published {model_name}"
        self.left = dict(state_dict)

    def take(self, key):
        """Removes and returns a tensor."""
        if key not in self.left:
            raise ValueError(f"{self.problem}: lacks '{key}'")
        return self.left.pop(key)

    def count(self, pattern):
        """How many of the indices 0, 1, 2 ... ``pattern`` finds in keys."""
        found = (re.match(pattern, key) for key in self.left)
        return 1 + max((int(m.group(1)) for m in found if m), default=-1)

    def check_empty(self):
        """Complains of what no one took."""
        if self.left:
            keys = ", ".join(f"'{key}'" for key in sorted(self.left)[:3])
            raise ValueError(
                f"{self.problem}: {len(self.left)} unknown keys, e.g. {keys}"
            )


def _spmamba(source):
    """JusperLee/SPMamba, class SPMamba."""
    return _grid(source, "mamba", _bimamba)


def _bimamba(source, path):
    """A pair of lists, each of one block, of which only these keys exist."""
    out = {}
    for direction in ("forward", "backward"):
        block = f"{path}.{direction}_blocks.0"
        branch = f"{direction}_branch"
        out[f"{branch}.norm.weight"] = source.take(f"{block}.norm.weight")
        for name in MAMBA_PARAMETERS:
            out[f"{branch}.mamba.{name}"] = source.take(f"{block}.mixer.{name}")
    return out


def _grid(source, mixer, convert_mixer):
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


CONVERTERS = {"spmamba": _spmamba}
