"""TF-GridNet of espnet/espnet, in the names of either of its versions."""

import torch

from speechbrain_spmamba.models.tf_gridnet import version_mark
from speechbrain_spmamba.weights.published import grid

SIGNATURE = "blocks.0.intra_rnn."
NAMES = {**grid.NAMES, "lstm_hidden_units": "lstm_hidden"}
SECOND_VERSION = "blocks.0.intra_norm.weight"  # has no such key in the first

LSTM_PARAMETERS = [
    f"{kind}_{gate}_l0{direction}"
    for kind in ("weight", "bias")
    for gate in ("ih", "hh")
    for direction in ("", "_reverse")
]


def convert(source):
    """Maps a published TF-GridNet onto ``models.tf_gridnet.TFGridNet``.

    Arguments
    ---------
    source : Source
        Tensors under the names of the published code; all are taken.

    Returns
    -------
    dict
        Tensors under our names.

    Raises
    ------
    ValueError
        A key is missing, or the weights are of the second version with
        windows that do not overlap, which has other layers.
    """
    version = 2 if SECOND_VERSION in source.left else 1
    if version == 2:
        for index in range(source.count(r"blocks\.(\d+)\.")):
            _rename_to_first_version(source, f"blocks.{index}")
    out = grid.convert_grid(source, "rnn", _blstm)
    out["_extra_state"] = version_mark(version)
    return out


def measure(source, given):
    """Arguments of a published TF-GridNet.

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
    told, assumed = grid.measure_grid(source, given)
    told["lstm_hidden"] = source.shape(f"{SIGNATURE}weight_hh_l0")[1]
    told["version"] = 2 if SECOND_VERSION in source.left else 1
    return told, assumed


def _blstm(source, path):
    return {
        f"lstm.{name}": source.take(f"{path}.{name}")
        for name in LSTM_PARAMETERS
    }


def _rename_to_first_version(source, block):
    """The second version stacks what the first keeps for each head."""
    renamed = {}
    for path in ("intra", "inter"):
        name = f"{block}.{path}"
        if source.left.get(f"{name}_linear.weight", torch.empty(0)).dim() == 2:
            raise ValueError(
                f"{source.problem} of overlapping windows: '{name}_linear."
                "weight' has two axes, which emb_ks = emb_hs makes"
            )
        for kind, first in (("weight", "gamma"), ("bias", "beta")):
            renamed[f"{name}_norm.{first}"] = source.take(f"{name}_norm.{kind}")
    for role in "QKV":
        conv, norm = f"{block}.attn_conv_{role}", f"{block}.attn_norm_{role}"
        slopes = source.take(f"{norm}.act.weight")
        parts = {
            "0.weight": source.take(f"{conv}.weight").chunk(len(slopes)),
            "0.bias": source.take(f"{conv}.bias").chunk(len(slopes)),
            "1.weight": slopes.chunk(len(slopes)),
            "2.gamma": source.take(f"{norm}.gamma").unbind(1),
            "2.beta": source.take(f"{norm}.beta").unbind(1),
        }
        for name, heads in parts.items():
            for head, part in enumerate(heads):
                renamed[f"{conv}_{head}.{name}"] = part
    source.left.update(renamed)
