"""DPRNN: JusperLee/SonicSim, look2hear/models/dprnn.py."""

SIGNATURE = "separation.dual_rnn.0.intra_rnn."
NAMES = {
    "in_channels": "n_filters",
    "out_channels": "feature_dim",
    "hidden_channels": "hidden",
    "num_layers": "num_blocks",
    "K": "chunk_size",
}
LINEAR = {
    "conv2d": "split.1",
    "output.0": "value",
    "output_gate.0": "gate",
}
LSTM = [
    f"{kind}_{part}_l0{direction}"
    for kind in ("weight", "bias")
    for part in ("ih", "hh")
    for direction in ("", "_reverse")
]


def convert(source):
    """Renames the weights; 1x1 convolutions become linear layers.

    Arguments
    ---------
    source : Source
        The published weights, from which what is converted is taken.

    Returns
    -------
    dict
        Tensors under the names of ``models.dprnn.DPRNN``.
    """
    out = {
        "encoder.weight": source.take("encoder.conv1d.weight"),
        "decoder.weight": source.take("decoder.weight"),
        "bottleneck.weight": source.take("separation.conv1d.weight"),
        "split.0.weight": source.take("separation.prelu.weight"),
        "mask.weight": source.take("separation.end_conv1x1.weight").flatten(1),
    }
    for kind in ("weight", "bias"):
        out[f"input_norm.{kind}"] = source.take(f"separation.norm.{kind}")
        for old, new in LINEAR.items():
            tensor = source.take(f"separation.{old}.{kind}")
            out[f"{new}.{kind}"] = (
                tensor.flatten(1) if tensor.ndim > 1 else tensor
            )
    blocks = source.count(r"separation\.dual_rnn\.(\d+)\.")
    for index in range(max(1, blocks)):
        theirs, ours = f"separation.dual_rnn.{index}", f"blocks.{index}"
        for path in ("intra", "inter"):
            for name in LSTM:
                tensor = source.take(f"{theirs}.{path}_rnn.{name}")
                out[f"{ours}.{path}_rnn.lstm.{name}"] = tensor
            for layer in (f"{path}_linear", f"{path}_norm"):
                for kind in ("weight", "bias"):
                    tensor = source.take(f"{theirs}.{layer}.{kind}")
                    out[f"{ours}.{layer}.{kind}"] = tensor
    return out


def measure(source, given):
    """Arguments of a published DPRNN.

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
    filters, _, kernel = source.shape("encoder.conv1d.weight")
    features = source.shape("separation.conv1d.weight")[0]
    told = {
        "num_spks": source.shape("separation.conv2d.weight")[0] // features,
        "n_filters": filters,
        "feature_dim": features,
        "hidden": source.shape(f"{SIGNATURE}weight_hh_l0")[1],
        "kernel_size": kernel,
        "num_blocks": source.count(r"separation\.dual_rnn\.(\d+)\."),
    }
    return told, {"chunk_size": 250, "sample_rate": 16000}
