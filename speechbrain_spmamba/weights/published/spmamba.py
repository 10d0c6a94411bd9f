"""SPMamba of JusperLee/SPMamba."""

from speechbrain_spmamba.weights.published.grid import (
    NAMES,
    convert_grid,
    measure_grid,
)
from speechbrain_spmamba.weights.published.renaming import WEIGHT, same

__all__ = ["NAMES", "SIGNATURE", "convert", "measure"]

SIGNATURE = "blocks.0.intra_mamba."

MAMBA = same(
    "A_log",
    "D",
    "in_proj.weight",
    "conv1d.weight",
    "conv1d.bias",
    "x_proj.weight",
    "dt_proj.weight",
    "dt_proj.bias",
    "out_proj.weight",
)


def convert(weights):
    """To ``models.spmamba.SPMamba``."""
    convert_grid(weights, "mamba", _move_bimamba)


def measure(weights, given):
    """Those of the grid, and Mamba's."""
    told, assumed = measure_grid(weights, given)
    mixer = f"{SIGNATURE}forward_blocks.0.mixer"
    inner, told["d_state"] = weights.shape(f"{mixer}.A_log")
    told["d_conv"] = weights.shape(f"{mixer}.conv1d.weight")[2]
    told["expand"] = inner // (told["emb_dim"] * told["emb_ks"])
    return told, assumed


def _move_bimamba(weights, theirs, ours):
    """A pair of lists, each of one block, of which only these keys exist."""
    for direction in ("forward", "backward"):
        block = f"{theirs}.{direction}_blocks.0"
        branch = f"{ours}.{direction}_branch"
        weights.move(f"{block}.norm", f"{branch}.norm", WEIGHT)
        weights.move(f"{block}.mixer", f"{branch}.mamba", MAMBA)
