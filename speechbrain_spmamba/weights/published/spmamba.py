"""SPMamba of JusperLee/SPMamba."""

from speechbrain_spmamba.weights.published.grid import (
    NAMES,
    convert_grid,
    measure_grid,
)

__all__ = ["NAMES", "SIGNATURE", "convert", "measure"]

SIGNATURE = "blocks.0.intra_mamba."

MAMBA_PARAMETERS = (
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


def convert(source):
    """Maps a published SPMamba onto ``models.spmamba.SPMamba``.

    Arguments
    ---------
    source : Source
        Tensors under the names of the published code; all are taken.

    Returns
    -------
    dict
        Tensors under our names.
    """
    return convert_grid(source, "mamba", _bimamba)


def measure(source, given):
    """Arguments of a published SPMamba.

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
    told, assumed = measure_grid(source, given)
    mixer = f"{SIGNATURE}forward_blocks.0.mixer"
    inner, told["d_state"] = source.shape(f"{mixer}.A_log")
    told["d_conv"] = source.shape(f"{mixer}.conv1d.weight")[2]
    told["expand"] = inner // (told["emb_dim"] * told["emb_ks"])
    return told, assumed


def _bimamba(source, path):
    """A pair of lists, each of one block, of which only these keys exist."""
    out = {}
    for direction in ("forward", "backward"):
        block = f"{path}.{direction}_blocks.0"
        branch = f"{direction}_branch"
        out[f"{branch}.norm.weight"] = source.take(f"{block}.norm.weight")
        for name in MAMBA_PARAMETERS:
            out[f"{branch}.mamba.{name}"] = source.take(f"{block}.mixer.{name}")
    return out
