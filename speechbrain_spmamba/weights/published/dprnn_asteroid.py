"""DPRNN: asteroid-team/asteroid, class DPRNNTasNet."""

from speechbrain_spmamba.weights.published import asteroid
from speechbrain_spmamba.weights.published.layers import (
    move_linear,
    move_lstm,
)
from speechbrain_spmamba.weights.published.renaming import GAMMA_BETA, WEIGHT

SIGNATURE = "masker.net.0.intra_RNN."
NAMES = {
    **asteroid.NAMES,
    "bn_chan": "feature_dim",
    "hid_size": "hidden",
    "n_repeats": "num_blocks",
    "hop_size": "hop_size",
}
CHOICES = {
    **asteroid.CHOICES,
    "rnn_type": {"LSTM": {}},
    "use_mulcat": {"False": {}},
}


def convert(weights):
    """To ``models.dprnn.DPRNN``; 1x1 convolutions become linear layers."""
    asteroid.convert_filters(weights)
    asteroid.convert_bottleneck(weights)
    for index in range(max(1, weights.count(r"masker\.net\.(\d+)\."))):
        theirs, ours = f"masker.net.{index}", f"blocks.{index}"
        for path in ("intra", "inter"):
            rnn = f"{theirs}.{path}_RNN.rnn"
            move_lstm(weights, rnn, f"{ours}.{path}_rnn")
            layer, norm = f"{path}_linear", f"{path}_norm"
            weights.move(f"{theirs}.{layer}", f"{ours}.{layer}")
            weights.move(f"{theirs}.{norm}", f"{ours}.{norm}", GAMMA_BETA)
    weights.move("masker.first_out.0", "split.0", WEIGHT)
    move_linear(weights, "masker.first_out.1", "split.1")
    move_linear(weights, "masker.net_out.0", "value")
    move_linear(weights, "masker.net_gate.0", "gate")
    move_linear(weights, "masker.mask_net", "mask", WEIGHT)


def measure(weights, given):
    """Settings of a network that no published file has are refused."""
    told = asteroid.measure_filters(weights, given)
    # Published filters of 2 samples go with long chunks.
    chunk = given.get("chunk_size", 250 if told["kernel_size"] == 2 else 100)
    asteroid.expect(given, hop_size=chunk // 2)
    features = weights.shape("masker.bottleneck.1.weight")[0]
    backward = "masker.net.0.inter_RNN.rnn.weight_hh_l0_reverse"
    told.update(
        num_spks=weights.shape("masker.first_out.1.weight")[0] // features,
        feature_dim=features,
        hidden=weights.shape(f"{SIGNATURE}rnn.weight_hh_l0")[1],
        num_blocks=weights.count(r"masker\.net\.(\d+)\."),
        bidirectional=backward in weights.left,
        variant="asteroid",
    )
    return told, {
        "chunk_size": chunk,
        "mask_act": "sigmoid",
        "sample_rate": asteroid.SAMPLE_RATE,
    }
