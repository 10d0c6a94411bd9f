"""DPRNN: JusperLee/SonicSim, look2hear/models/dprnn.py."""

from speechbrain_spmamba.weights.published.layers import (
    move_linear,
    move_lstm,
)
from speechbrain_spmamba.weights.published.renaming import WEIGHT

SIGNATURE = "separation.dual_rnn.0.intra_rnn."
NAMES = {
    "in_channels": "n_filters",
    "out_channels": "feature_dim",
    "hidden_channels": "hidden",
    "num_layers": "num_blocks",
    "K": "chunk_size",
}
CHOICES = {"rnn_type": {"LSTM": {}}}
BACKWARD = f"{SIGNATURE}weight_hh_l0_reverse"


def convert(weights):
    """To ``models.dprnn.DPRNN``; 1x1 convolutions become linear layers."""
    weights.move("encoder.conv1d", "encoder", WEIGHT)
    weights.move("decoder", "decoder", WEIGHT)
    weights.move("separation.norm", "input_norm")
    weights.move("separation.conv1d", "bottleneck", WEIGHT)
    blocks = weights.count(r"separation\.dual_rnn\.(\d+)\.")
    for index in range(max(1, blocks)):
        theirs, ours = f"separation.dual_rnn.{index}", f"blocks.{index}"
        for path in ("intra", "inter"):
            rnn = f"{path}_rnn"
            move_lstm(weights, f"{theirs}.{rnn}", f"{ours}.{rnn}")
            for layer in (f"{path}_linear", f"{path}_norm"):
                weights.move(f"{theirs}.{layer}", f"{ours}.{layer}")
    weights.move("separation.prelu", "split.0", WEIGHT)
    move_linear(weights, "separation.conv2d", "split.1")
    move_linear(weights, "separation.output.0", "value")
    move_linear(weights, "separation.output_gate.0", "gate")
    move_linear(weights, "separation.end_conv1x1", "mask", WEIGHT)


def measure(weights, given):
    """One direction or two: the names tell."""
    filters, _, kernel = weights.shape("encoder.conv1d.weight")
    features = weights.shape("separation.conv1d.weight")[0]
    told = {
        "num_spks": weights.shape("separation.conv2d.weight")[0] // features,
        "n_filters": filters,
        "feature_dim": features,
        "hidden": weights.shape(f"{SIGNATURE}weight_hh_l0")[1],
        "kernel_size": kernel,
        "num_blocks": weights.count(r"separation\.dual_rnn\.(\d+)\."),
        "bidirectional": BACKWARD in weights.left,
    }
    return told, {"chunk_size": 250, "sample_rate": 16000}
