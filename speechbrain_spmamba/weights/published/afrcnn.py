"""A-FRCNN: JusperLee/AFRCNN-For-Speech-Separation and JusperLee/SonicSim."""

from speechbrain_spmamba.weights.published.layers import (
    move_conv_norm,
    move_pyramid,
)
from speechbrain_spmamba.weights.published.renaming import WEIGHT
from speechbrain_spmamba.weights.published.sudormrf import (
    NAMES,
    convert_surroundings,
    measure_surroundings,
)

__all__ = ["NAMES", "SIGNATURE", "convert", "measure"]

SIGNATURE = "sm.blocks.proj_1x1."


def convert(weights):
    """To ``models.afrcnn.AFRCNN``."""
    theirs, ours = "sm.blocks", "block"
    convert_surroundings(weights)
    move_pyramid(weights, theirs, ours)
    # The finest stage has nothing to take down, so their count starts at 1.
    for stage in range(1, weights.count(r"sm\.blocks\.fuse_layers\.(\d+)\.")):
        old, new = f"{theirs}.fuse_layers.{stage}.0", f"{ours}.down.{stage - 1}"
        move_conv_norm(weights, old, new)
    stages = weights.count(r"sm\.blocks\.concat_layer\.(\d+)\.")
    for stage in range(max(1, stages)):
        old, new = f"{theirs}.concat_layer.{stage}", f"{ours}.fuse.{stage}"
        move_conv_norm(weights, old, new, act=True)
    last = f"{theirs}.last_layer.0"
    move_conv_norm(weights, last, f"{ours}.join", act=True)
    weights.move(f"{theirs}.res_conv", f"{ours}.project")
    weights.move("sm.concat_block.0", "between.0")
    weights.move("sm.concat_block.1", "between.1", WEIGHT)


def measure(weights, given):
    """Those of SudoRM-RF, from one block."""
    told = measure_surroundings(weights)
    told["in_channels"] = weights.shape(f"{SIGNATURE}conv.weight")[0]
    told["upsampling_depth"] = weights.count(r"sm\.blocks\.spp_dw\.(\d+)\.")
    # One block is used over and over: its weights do not tell how often.
    return told, {"num_blocks": 16, "sample_rate": 16000}
