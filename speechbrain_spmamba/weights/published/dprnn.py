"""DPRNN: JusperLee/SonicSim, look2hear/models/dprnn.py."""

from speechbrain_spmamba.weights.published.sudormrf import take

SIGNATURE = "separation.dual_rnn.0.intra_rnn."
NAMES = {
    "in_channels": "n_filters",
    "out_channels": "feature_dim",
    "hidden_channels": "hidden",
    "num_layers": "num_blocks",
    "K": "chunk_size",
}
WORDS = {"rnn_type": {"LSTM": {}}}
BACKWARD = f"{SIGNATURE}weight_hh_l0_reverse"


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
    out.update(take(source, "separation.norm", "input_norm"))
    out.update(take_linear(source, "separation.conv2d", "split.1"))
    out.update(take_linear(source, "separation.output.0", "value"))
    out.update(take_linear(source, "separation.output_gate.0", "gate"))
    blocks = source.count(r"separation\.dual_rnn\.(\d+)\.")
    for index in range(max(1, blocks)):
        theirs, ours = f"separation.dual_rnn.{index}", f"blocks.{index}"
        for path in ("intra", "inter"):
            rnn = f"{path}_rnn"
            out.update(take_lstm(source, f"{theirs}.{rnn}", f"{ours}.{rnn}"))
            for layer in (f"{path}_linear", f"{path}_norm"):
                out.update(take(source, f"{theirs}.{layer}", f"{ours}.{layer}"))
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
        "bidirectional": BACKWARD in source.left,
    }
    return told, {"chunk_size": 250, "sample_rate": 16000}


def take_linear(source, theirs, ours):
    """A 1x1 convolution as the linear layer that it is.

    Arguments
    ---------
    source : Source
        The published weights.
    theirs : str
        The layer's published name.
    ours : str
        The layer's name here.

    Returns
    -------
    dict
        Tensors under our names.
    """
    out = take(source, theirs, ours)
    out[f"{ours}.weight"] = out[f"{ours}.weight"].flatten(1)
    return out


def take_lstm(source, theirs, ours):
    """One ``nnet.recurrent.BLSTM``, of one direction or two.

    Arguments
    ---------
    source : Source
        The published weights.
    theirs : str
        The layer's published name.
    ours : str
        The layer's name here.

    Returns
    -------
    dict
        Tensors under our names.
    """
    both = f"{theirs}.weight_hh_l0_reverse" in source.left
    return {
        f"{ours}.lstm.{kind}_{gate}_l0{direction}": source.take(
            f"{theirs}.{kind}_{gate}_l0{direction}"
        )
        for kind in ("weight", "bias")
        for gate in ("ih", "hh")
        for direction in ("", "_reverse")[: 1 + both]
    }
