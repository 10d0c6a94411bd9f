"""SudoRM-RF, improved: JusperLee/SonicSim, look2hear/models/sudormrf.py.

The same network is published by etzinis/sudo_rm_rf, as whole modules, which
are to be run on mixtures of mean 0 and deviation 1.
"""

from speechbrain_spmamba.weights.published.layers import (
    move_mask,
    move_pyramid,
)
from speechbrain_spmamba.weights.published.renaming import GAMMA_BETA, WEIGHT

SIGNATURE = "sm.0.proj_1x1."
NAMES = {"num_sources": "num_spks"}
CHOICES = {"whole_module": {"True": {"whole_module": True}}}


def convert(weights):
    """To ``models.sudormrf.SudoRMRF``; the shapes are the same."""
    convert_surroundings(weights)
    for index in range(max(1, weights.count(r"sm\.(\d+)\."))):
        theirs, ours = f"sm.{index}", f"blocks.{index}"
        move_pyramid(weights, theirs, ours)
        norm = f"{theirs}.final_norm"
        weights.move(f"{norm}.norm", f"{ours}.norm", GAMMA_BETA)
        weights.move(f"{norm}.act", f"{ours}.act", WEIGHT)
        weights.move(f"{theirs}.res_conv", f"{ours}.project")


def measure(weights, given):
    """A whole module is of sudo_rm_rf."""
    told = measure_surroundings(weights)
    told["in_channels"] = weights.shape(f"{SIGNATURE}conv.weight")[0]
    told["num_blocks"] = weights.count(r"sm\.(\d+)\.")
    told["upsampling_depth"] = weights.count(r"sm\.0\.spp_dw\.(\d+)\.")
    if given.get("whole_module"):
        return told, {"sample_rate": 8000, "normalize": True}
    return told, {"sample_rate": 16000}


def convert_surroundings(weights):
    """What ``nnet.multiscale.MultiscaleSeparator`` puts around its blocks."""
    weights.move("encoder", "encoder", WEIGHT)
    weights.move("decoder", "decoder", WEIGHT)
    move_mask(weights, "mask_net")
    weights.move("ln", "input_norm", GAMMA_BETA)
    weights.move("bottleneck", "bottleneck")


def measure_surroundings(weights):
    """Arguments that the shapes of these tell."""
    bases, _, kernel = weights.shape("encoder.weight")
    return {
        "num_spks": weights.shape("decoder.weight")[1],
        "out_channels": weights.shape("bottleneck.weight")[0],
        "enc_kernel_size": kernel,
        "enc_num_basis": bases,
    }
