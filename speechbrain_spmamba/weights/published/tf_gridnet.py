"""TF-GridNet of espnet/espnet, in the names of either of its versions."""

import torch

from speechbrain_spmamba.models.tf_gridnet import version_mark
from speechbrain_spmamba.weights.published import grid
from speechbrain_spmamba.weights.published.layers import move_blstm
from speechbrain_spmamba.weights.published.renaming import GAMMA_BETA

SIGNATURE = "blocks.0.intra_rnn."
NAMES = {**grid.NAMES, "lstm_hidden_units": "lstm_hidden"}
SECOND_VERSION = "blocks.0.intra_norm.weight"  # has no such key in the first


def convert(weights):
    """To ``models.tf_gridnet.TFGridNet``.

    Raises
    ------
    ValueError
        A key is missing, or the weights are of the second version with
        windows that do not overlap, which has other layers.
    """
    version = 2 if SECOND_VERSION in weights.left else 1
    if version == 2:
        for index in range(weights.count(r"blocks\.(\d+)\.")):
            _rename_to_first_version(weights, f"blocks.{index}")
    grid.convert_grid(weights, "rnn", move_blstm)
    weights.converted["_extra_state"] = version_mark(version)


def measure(weights, given):
    """Those of the grid, the LSTM's, and the version."""
    told, assumed = grid.measure_grid(weights, given)
    told["lstm_hidden"] = weights.shape(f"{SIGNATURE}weight_hh_l0")[1]
    told["version"] = 2 if SECOND_VERSION in weights.left else 1
    return told, assumed


def _rename_to_first_version(weights, block):
    """The second version stacks what the first keeps for each head."""
    renamed = {}
    for path in ("intra", "inter"):
        name = f"{block}.{path}"
        if weights.left.get(f"{name}_linear.weight", torch.empty(0)).dim() == 2:
            raise ValueError(
                f"{weights.problem} of overlapping windows: '{name}_linear."
                "weight' has two axes, which emb_ks = emb_hs makes"
            )
        for second, first in GAMMA_BETA.items():
            norm = weights.take(f"{name}_norm.{second}")
            renamed[f"{name}_norm.{first}"] = norm
    for role in "QKV":
        conv, norm = f"{block}.attn_conv_{role}", f"{block}.attn_norm_{role}"
        slopes = weights.take(f"{norm}.act.weight")
        parts = {
            "0.weight": weights.take(f"{conv}.weight").chunk(len(slopes)),
            "0.bias": weights.take(f"{conv}.bias").chunk(len(slopes)),
            "1.weight": slopes.chunk(len(slopes)),
            "2.gamma": weights.take(f"{norm}.gamma").unbind(1),
            "2.beta": weights.take(f"{norm}.beta").unbind(1),
        }
        for name, heads in parts.items():
            for head, part in enumerate(heads):
                renamed[f"{conv}_{head}.{name}"] = part
    weights.left.update(renamed)
