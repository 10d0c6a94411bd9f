"""BSRNN of JusperLee/SonicSim."""

from speechbrain_spmamba.published.tf_gridnet import LSTM_PARAMETERS


def convert(source):
    """Maps a published BSRNN onto ``models.bsrnn.BSRNN``.

    Arguments
    ---------
    source : Source
        Tensors under the names of the published code; all are taken.

    Returns
    -------
    dict
        Tensors under our names.
    """
    out = {}

    def take(ours, theirs):
        for kind in ("weight", "bias"):
            out[f"{ours}.{kind}"] = source.take(f"{theirs}.{kind}")

    # At least one of each, so that an empty state dict lacks something.
    for band in range(max(source.count(r"BN\.(\d+)\."), 1)):
        take(f"splits.{band}.norm", f"BN.{band}.0")
        take(f"splits.{band}.linear", f"BN.{band}.1")
        linear = f"splits.{band}.linear.weight"
        out[linear] = out[linear].squeeze(-1)
        take(f"masks.{band}.norm", f"mask.{band}.0")
        for ours, theirs in ((0, 1), (2, 3), (4, 5)):
            take(f"masks.{band}.net.{ours}", f"mask.{band}.{theirs}")
    for layer in range(max(source.count(r"separator\.(\d+)\."), 1)):
        for ours, theirs in (
            (f"over_time.{layer}", f"separator.{layer}.band_rnn"),
            (f"over_bands.{layer}", f"separator.{layer}.band_comm"),
        ):
            take(f"{ours}.norm", f"{theirs}.norm")
            take(f"{ours}.linear", f"{theirs}.proj")
            for name in LSTM_PARAMETERS:
                lstm = source.take(f"{theirs}.rnn.{name}")
                out[f"{ours}.rnn.lstm.{name}"] = lstm
    return out
