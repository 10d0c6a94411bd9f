"""Conv-TasNet: JusperLee/SonicSim, look2hear/models/ConvTasnet.py."""

from speechbrain_spmamba.weights.published.sudormrf import SAME, take

SIGNATURE = "separation.sep.0.tcn.0.conv1x1."
NAMES = {
    "N": "n_filters",
    "L": "kernel_size",
    "B": "bottleneck",
    "H": "hidden",
    "X": "n_layers",
    "R": "n_stacks",
}
WORDS = {
    "activate": {
        "relu": {"mask_act": "relu"},
        "sigmoid": {"mask_act": "sigmoid"},
    },
}
SLOPE = {"weight": "weight"}
NORM = {"weight": "gamma", "bias": "beta"}
TOP = [
    ("encoder.encoder", "encoder", SAME),
    ("encoder.norm", "input_norm", NORM),
    ("encoder.conv1x1", "bottleneck", SAME),
    ("mask", "mask.1", SAME),
    ("decoder.decoder", "decoder", SAME),
]
BLOCK = [
    ("conv1x1", "expand", SAME),
    ("prelu1", "expand_act", SLOPE),
    ("norm1", "expand_norm", NORM),
    ("dwconv", "depthwise", SAME),
    ("prelu2", "depthwise_act", SLOPE),
    ("norm2", "depthwise_norm", NORM),
    ("sconv", "residual", SAME),
]


def convert(source):
    """Renames the weights; gains of norms lose an axis of size 1.

    Arguments
    ---------
    source : Source
        The published weights, from which what is converted is taken.

    Returns
    -------
    dict
        Tensors under the names of ``models.conv_tasnet.ConvTasNet``.
    """
    layers, stacks = _sizes(source)
    names = list(TOP)
    for stack in range(max(1, stacks)):
        for layer in range(max(1, layers)):
            theirs = f"separation.sep.{stack}.tcn.{layer}"
            ours = f"blocks.{stack * layers + layer}"
            names += [(f"{theirs}.{a}", f"{ours}.{b}", c) for a, b, c in BLOCK]
    out = {}
    for theirs, ours, kinds in names:
        layer = take(source, theirs, ours, kinds)
        if kinds is NORM:
            layer = {key: tensor.flatten() for key, tensor in layer.items()}
        out.update(layer)
    return out


def measure(source, given):
    """Arguments of a Conv-TasNet of SonicSim.

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
    filters, _, kernel = source.shape("encoder.encoder.weight")
    layers, stacks = _sizes(source)
    told = {
        "num_spks": source.shape("mask.weight")[0] // filters,
        "n_filters": filters,
        "kernel_size": kernel,
        "bottleneck": source.shape("encoder.conv1x1.weight")[0],
        "hidden": source.shape(f"{SIGNATURE}weight")[0],
        "n_layers": layers,
        "n_stacks": stacks,
        "variant": "sonicsim",
    }
    return told, {"mask_act": "relu", "sample_rate": 16000}


def _sizes(source):
    """Blocks in a stack, and stacks."""
    return (
        source.count(r"separation\.sep\.0\.tcn\.(\d+)\."),
        source.count(r"separation\.sep\.(\d+)\."),
    )
