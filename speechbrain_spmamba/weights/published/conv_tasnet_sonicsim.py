"""Conv-TasNet: JusperLee/SonicSim, look2hear/models/ConvTasnet.py."""

from speechbrain_spmamba.weights.published.layers import move_flat_norm
from speechbrain_spmamba.weights.published.renaming import WEIGHT

SIGNATURE = "separation.sep.0.tcn.0.conv1x1."
NAMES = {
    "N": "n_filters",
    "L": "kernel_size",
    "B": "bottleneck",
    "H": "hidden",
    "X": "n_layers",
    "R": "n_stacks",
}
CHOICES = {
    "activate": {
        "relu": {"mask_act": "relu"},
        "sigmoid": {"mask_act": "sigmoid"},
    },
}
# Published name, and ours.
BLOCK = {
    "conv1x1": "expand",
    "dwconv": "depthwise",
    "sconv": "residual",
}
BLOCK_NORMS = {"norm1": "expand_norm", "norm2": "depthwise_norm"}
BLOCK_SLOPES = {"prelu1": "expand_act", "prelu2": "depthwise_act"}


def convert(weights):
    """To ``models.conv_tasnet.ConvTasNet``.

    Gains of norms lose an axis of size 1.
    """
    weights.move("encoder.encoder", "encoder")
    move_flat_norm(weights, "encoder.norm", "input_norm")
    weights.move("encoder.conv1x1", "bottleneck")
    layers, stacks = _sizes(weights)
    for stack in range(max(1, stacks)):
        for layer in range(max(1, layers)):
            theirs = f"separation.sep.{stack}.tcn.{layer}"
            ours = f"blocks.{stack * layers + layer}"
            for old, new in BLOCK.items():
                weights.move(f"{theirs}.{old}", f"{ours}.{new}")
            for old, new in BLOCK_NORMS.items():
                move_flat_norm(weights, f"{theirs}.{old}", f"{ours}.{new}")
            for old, new in BLOCK_SLOPES.items():
                weights.move(f"{theirs}.{old}", f"{ours}.{new}", WEIGHT)
    weights.move("mask", "mask.1")
    weights.move("decoder.decoder", "decoder")


def measure(weights, given):
    """Shapes and names tell all but the mask and the rate."""
    filters, _, kernel = weights.shape("encoder.encoder.weight")
    layers, stacks = _sizes(weights)
    told = {
        "num_spks": weights.shape("mask.weight")[0] // filters,
        "n_filters": filters,
        "kernel_size": kernel,
        "bottleneck": weights.shape("encoder.conv1x1.weight")[0],
        "hidden": weights.shape(f"{SIGNATURE}weight")[0],
        "n_layers": layers,
        "n_stacks": stacks,
        "variant": "sonicsim",
    }
    return told, {"mask_act": "relu", "sample_rate": 16000}


def _sizes(weights):
    """Blocks in a stack, and stacks."""
    return (
        weights.count(r"separation\.sep\.0\.tcn\.(\d+)\."),
        weights.count(r"separation\.sep\.(\d+)\."),
    )
