"""Conv-TasNet: asteroid-team/asteroid, class ConvTasNet."""

from speechbrain_spmamba.weights.published import asteroid
from speechbrain_spmamba.weights.published.conv_tasnet import count_stacks
from speechbrain_spmamba.weights.published.layers import move_mask
from speechbrain_spmamba.weights.published.renaming import (
    GAMMA_BETA,
    SAME,
    WEIGHT,
)

SIGNATURE = "masker.TCN.0.shared_block."
NAMES = {
    **asteroid.NAMES,
    "bn_chan": "bottleneck",
    "hid_chan": "hidden",
    "skip_chan": "skip_channels",
    "n_blocks": "n_layers",
    "n_repeats": "n_stacks",
}
CHOICES = {**asteroid.CHOICES, "causal": {"False": {}}}
# Published name, ours, and what their tensors are called.
BLOCK = [
    ("shared_block.0", "expand", SAME),
    ("shared_block.1", "expand_act", WEIGHT),
    ("shared_block.2", "expand_norm", GAMMA_BETA),
    ("shared_block.3", "depthwise", SAME),
    ("shared_block.4", "depthwise_act", WEIGHT),
    ("shared_block.5", "depthwise_norm", GAMMA_BETA),
    ("res_conv", "residual", SAME),
    ("skip_conv", "skip", SAME),
]


def convert(weights):
    """To ``models.conv_tasnet.ConvTasNet``; the shapes are the same."""
    asteroid.convert_filters(weights)
    asteroid.convert_bottleneck(weights)
    for index in range(max(1, weights.count(r"masker\.TCN\.(\d+)\."))):
        theirs, ours = f"masker.TCN.{index}", f"blocks.{index}"
        for old, new, names in BLOCK:
            weights.move(f"{theirs}.{old}", f"{ours}.{new}", names)
    move_mask(weights, "masker.mask_net")


def measure(weights, given):
    """Settings of a network that no published file has are refused."""
    told = asteroid.measure_filters(weights, given)
    masks = weights.shape("masker.mask_net.1.weight")[0]
    layers, stacks = count_stacks(weights, r"masker\.TCN\.(\d+)\.", given)
    told.update(
        num_spks=masks // told["n_filters"],
        bottleneck=weights.shape("masker.bottleneck.1.weight")[0],
        hidden=weights.shape(f"{SIGNATURE}0.weight")[0],
        skip_channels=weights.shape("masker.TCN.0.skip_conv.weight")[0],
        n_stacks=stacks,
        variant="asteroid",
    )
    # The class says "sigmoid", every published file "relu".
    return told, {
        "n_layers": layers,
        "mask_act": "relu",
        "sample_rate": asteroid.SAMPLE_RATE,
    }
