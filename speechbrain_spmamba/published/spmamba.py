"""SPMamba of JusperLee/SPMamba."""

from speechbrain_spmamba.published.grid import convert_grid

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
