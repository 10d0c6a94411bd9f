"""Conv-TasNet with skip connections: etzinis/sudo_rm_rf, class TasNet."""

from speechbrain_spmamba.weights.published.layers import move_mask
from speechbrain_spmamba.weights.published.renaming import SAME, WEIGHT

SIGNATURE = "TCN.TCN.0.conv1d."
NAMES = {
    "enc_dim": "n_filters",
    "feature_dim": "bottleneck",
    "layer": "n_layers",
    "stack": "n_stacks",
    "num_spk": "num_spks",
    "sr": "sample_rate",
}
# Published name, ours, and what their tensors are called.
BLOCK = [
    ("conv1d", "expand", SAME),
    ("reg1", "expand_norm", SAME),
    ("dconv1d", "depthwise", SAME),
    ("reg2", "depthwise_norm", SAME),
    ("res_out", "residual", SAME),
    ("skip_out", "skip", SAME),
    ("nonlinearity1", "expand_act", WEIGHT),
    ("nonlinearity2", "depthwise_act", WEIGHT),
]


def convert(weights):
    """To ``models.conv_tasnet.ConvTasNet``; the shapes are the same."""
    weights.move("encoder", "encoder", WEIGHT)
    weights.move("decoder", "decoder", WEIGHT)
    weights.move("TCN.LN", "input_norm")
    weights.move("TCN.BN", "bottleneck")
    for index in range(max(1, weights.count(r"TCN\.TCN\.(\d+)\."))):
        theirs, ours = f"TCN.TCN.{index}", f"blocks.{index}"
        for old, new, names in BLOCK:
            weights.move(f"{theirs}.{old}", f"{ours}.{new}", names)
    move_mask(weights, "TCN.output")


def measure(weights, given):
    """Blocks are numbered through; a stack has eight unless it is said."""
    filters, _, kernel = weights.shape("encoder.weight")
    layers, stacks = count_stacks(weights, r"TCN\.TCN\.(\d+)\.", given)
    told = {
        "num_spks": weights.shape("TCN.output.1.weight")[0] // filters,
        "n_filters": filters,
        "kernel_size": kernel,
        "bottleneck": weights.shape("TCN.BN.weight")[0],
        "hidden": weights.shape(f"{SIGNATURE}weight")[0],
        "n_stacks": stacks,
    }
    return told, {"n_layers": layers, "sample_rate": 16000}


def count_stacks(weights, pattern, given):
    """Blocks in a stack, as given or as published, and stacks.

    Raises
    ------
    ValueError
        The blocks that ``pattern`` counts do not fill such stacks.
    """
    blocks, layers = weights.count(pattern), given.get("n_layers", 8)
    if layers < 1 or blocks % layers:
        raise ValueError(
            f"weights have {blocks} blocks, which is no multiple of {layers} "
            "layers a stack; set --n_layers"
        )
    return layers, blocks // layers
