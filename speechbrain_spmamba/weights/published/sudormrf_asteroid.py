"""SudoRM-RF of asteroid-team/asteroid: SuDORMRFImprovedNet and SuDORMRFNet.

The encoder's filters stand in a file under two names; where they differ, the
published code ends with those of the shorter one.
"""

from speechbrain_spmamba.weights.published import asteroid
from speechbrain_spmamba.weights.published.layers import (
    move_conv_norm,
    move_mask,
    move_pyramid,
)
from speechbrain_spmamba.weights.published.renaming import (
    GAMMA_BETA,
    SAME,
    WEIGHT,
)

SIGNATURE = "masker.sm.0.proj_1x1."
NAMES = {
    **asteroid.NAMES,
    "bn_chan": "out_channels",
    "n_filters": "enc_num_basis",
    "kernel_size": "enc_kernel_size",
}
# Each class has its own; ``measure`` looks whether they are.
CHOICES = {
    **asteroid.CHOICES,
    "mask_act": {word: {"mask_act": word} for word in ("relu", "softmax")},
    "encoder_activation": {
        "None": {"encoder_activation": "linear"},
        "linear": {"encoder_activation": "linear"},
        "relu": {"encoder_activation": "relu"},
    },
}
FIRST = "masker.l1."  # stands in files of SuDORMRFNet only
TWIN = "encoder.encoder.filterbank._filters"


def convert(weights):
    """To ``models.sudormrf.SudoRMRF``; the shapes are the same."""
    weights.left.pop(TWIN, None)
    asteroid.convert_filters(weights)
    first = _is_first(weights)
    norm = SAME if first else GAMMA_BETA
    bottleneck = "l1" if first else "bottleneck"
    weights.move("masker.ln", "input_norm", norm)
    weights.move(f"masker.{bottleneck}", "bottleneck")
    for index in range(weights.count(r"masker\.sm\.(\d+)\.")):
        _convert_block(weights, f"masker.sm.{index}", f"blocks.{index}", first)
    if not first:
        move_mask(weights, "masker.mask_net")
        return
    if "masker.reshape_before_masks.weight" in weights.left:
        weights.move("masker.reshape_before_masks", "mask.expand")
    weights.move("masker.m", "mask.conv")


def _convert_block(weights, theirs, ours, first):
    norm = SAME if first else GAMMA_BETA
    move_pyramid(weights, theirs, ours, norm)
    old = f"{theirs}.final_norm"
    weights.move(f"{old}.norm", f"{ours}.norm", norm)
    weights.move(f"{old}.act", f"{ours}.act", WEIGHT)
    if not first:
        weights.move(f"{theirs}.res_conv", f"{ours}.project")
        return
    old = f"{theirs}.conv_1x1_exp"
    move_conv_norm(weights, old, f"{ours}.project", norm=norm)
    old = f"{theirs}.module_act"
    weights.move(f"{old}.norm", f"{ours}.output_norm", norm)
    weights.move(f"{old}.act", f"{ours}.output_act", WEIGHT)


def measure(weights, given):
    """Of either class; settings of another network are refused."""
    first = _is_first(weights)
    # SuDORMRFNet has the same hop whatever its settings say.
    known = {k: v for k, v in given.items() if not first or k != "stride"}
    filters = asteroid.measure_filters(weights, known)
    bases = filters["n_filters"]
    asteroid.expect(
        given,
        mask_act="softmax" if first else "relu",
        encoder_activation="relu" if first else "linear",
    )
    masks = "masker.m.weight" if first else "masker.mask_net.1.weight"
    told = {
        "num_spks": weights.shape(masks)[0] // (1 if first else bases),
        "out_channels": weights.shape(f"{SIGNATURE}conv.weight")[1],
        "in_channels": weights.shape(f"{SIGNATURE}conv.weight")[0],
        "num_blocks": weights.count(r"masker\.sm\.(\d+)\."),
        "upsampling_depth": weights.count(r"masker\.sm\.0\.spp_dw\.(\d+)\."),
        "enc_kernel_size": filters["kernel_size"],
        "enc_num_basis": bases,
        "variant": "first" if first else "asteroid",
    }
    return told, {"sample_rate": asteroid.SAMPLE_RATE}


def _is_first(weights):
    """Whether the weights are those of SuDORMRFNet."""
    return any(key.startswith(FIRST) for key in weights.left)
