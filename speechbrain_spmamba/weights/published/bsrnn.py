"""BSRNN of JusperLee/SonicSim."""

from speechbrain_spmamba.models.bsrnn import band_widths
from speechbrain_spmamba.weights.published.layers import (
    move_blstm,
    move_linear,
)

SIGNATURE = "separator.0.band_rnn."
NAMES = {
    "win": "n_fft",
    "stride": "hop_length",
    "num_output": "num_spks",
}
RATES = (16000, 8000, 44100, 48000, 32000, 24000, 22050, 11025)


def convert(weights):
    """To ``models.bsrnn.BSRNN``."""
    # At least one of each, so that an empty state dict lacks something.
    for band in range(max(weights.count(r"BN\.(\d+)\."), 1)):
        weights.move(f"BN.{band}.0", f"splits.{band}.norm")
        move_linear(weights, f"BN.{band}.1", f"splits.{band}.linear")
        weights.move(f"mask.{band}.0", f"masks.{band}.norm")
        for theirs, ours in ((1, 0), (3, 2), (5, 4)):
            weights.move(f"mask.{band}.{theirs}", f"masks.{band}.net.{ours}")
    for layer in range(max(weights.count(r"separator\.(\d+)\."), 1)):
        for theirs, ours in (
            (f"separator.{layer}.band_rnn", f"over_time.{layer}"),
            (f"separator.{layer}.band_comm", f"over_bands.{layer}"),
        ):
            weights.move(f"{theirs}.norm", f"{ours}.norm")
            weights.move(f"{theirs}.proj", f"{ours}.linear")
            move_blstm(weights, f"{theirs}.rnn", f"{ours}.rnn")


def measure(weights, given):
    """The widths of the bands tell the rate, if it is a usual one."""
    bands = weights.count(r"BN\.(\d+)\.")
    widths = [weights.shape(f"BN.{k}.0.weight")[0] // 2 for k in range(bands)]
    features = weights.shape("BN.0.1.weight")[0]
    bins = sum(widths)
    rates = [given.get("sample_rate", RATES[0]), *RATES]
    rates = [rate for rate in rates if band_widths(bins, rate) == widths]
    if not rates:
        raise ValueError(
            f"{weights.problem}: its {bands} bands are not those of a usual "
            "rate; set --sample_rate"
        )
    told = {
        "num_spks": weights.shape("mask.0.1.weight")[0] // features,
        "n_fft": 2 * (bins - 1),
        "feature_dim": features,
        "num_repeat": weights.count(r"separator\.(\d+)\."),
        "sample_rate": rates[0],
    }
    return told, {"hop_length": told["n_fft"] // 4}
