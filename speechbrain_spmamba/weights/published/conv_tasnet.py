"""Conv-TasNet with skip connections: etzinis/sudo_rm_rf, class TasNet."""

SIGNATURE = "TCN.TCN.0.conv1d."
NAMES = {
    "enc_dim": "n_filters",
    "feature_dim": "bottleneck",
    "layer": "n_layers",
    "stack": "n_stacks",
    "num_spk": "num_spks",
    "sr": "sample_rate",
}
TOP = {"TCN.LN": "input_norm", "TCN.BN": "bottleneck"}
BLOCK = {
    "conv1d": "expand",
    "reg1": "expand_norm",
    "dconv1d": "depthwise",
    "reg2": "depthwise_norm",
    "res_out": "residual",
    "skip_out": "skip",
}


def convert(source):
    """Renames the weights; the shapes are the same.

    Arguments
    ---------
    source : Source
        The published weights, from which what is converted is taken.

    Returns
    -------
    dict
        Tensors under the names of ``models.conv_tasnet.ConvTasNet``.
    """
    names = dict(TOP)
    slopes = {"TCN.output.0": "mask.0"}
    for index in range(max(1, source.count(r"TCN\.TCN\.(\d+)\."))):
        theirs, ours = f"TCN.TCN.{index}", f"blocks.{index}"
        for old, new in BLOCK.items():
            names[f"{theirs}.{old}"] = f"{ours}.{new}"
        slopes[f"{theirs}.nonlinearity1"] = f"{ours}.expand_act"
        slopes[f"{theirs}.nonlinearity2"] = f"{ours}.depthwise_act"
    names["TCN.output.1"] = "mask.1"

    out = {}
    for name in ("encoder.weight", "decoder.weight"):
        out[name] = source.take(name)
    for old, new in names.items():
        for kind in ("weight", "bias"):
            out[f"{new}.{kind}"] = source.take(f"{old}.{kind}")
    for old, new in slopes.items():
        out[f"{new}.weight"] = source.take(f"{old}.weight")
    return out


def measure(source, given):
    """Arguments of a published Conv-TasNet.

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

    Raises
    ------
    ValueError
        The blocks do not fill stacks of that many layers.
    """
    filters, _, kernel = source.shape("encoder.weight")
    layers, stacks = count_stacks(source, r"TCN\.TCN\.(\d+)\.", given)
    told = {
        "num_spks": source.shape("TCN.output.1.weight")[0] // filters,
        "n_filters": filters,
        "kernel_size": kernel,
        "bottleneck": source.shape("TCN.BN.weight")[0],
        "hidden": source.shape(f"{SIGNATURE}weight")[0],
        "n_stacks": stacks,
    }
    return told, {"n_layers": layers, "sample_rate": 16000}


def count_stacks(source, pattern, given):
    """How blocks, which are numbered through, make stacks.

    Arguments
    ---------
    source : Source
        The published weights; all of them stay.
    pattern : str
        The index of a block, for ``Source.count``.
    given : dict
        Arguments that are known from elsewhere.

    Returns
    -------
    int
        Blocks in a stack: as given, or as published.
    int
        Stacks.

    Raises
    ------
    ValueError
        The blocks do not fill stacks of that many layers.
    """
    blocks, layers = source.count(pattern), given.get("n_layers", 8)
    if layers < 1 or blocks % layers:
        raise ValueError(
            f"weights have {blocks} blocks, which is no multiple of {layers} "
            "layers a stack; set --n_layers"
        )
    return layers, blocks // layers
