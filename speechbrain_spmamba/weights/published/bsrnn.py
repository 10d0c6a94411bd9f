"""BSRNN of JusperLee/SonicSim."""

from speechbrain_spmamba.models.bsrnn import band_widths
from speechbrain_spmamba.weights.published.tf_gridnet import LSTM_PARAMETERS

SIGNATURE = "separator.0.band_rnn."
NAMES = {
    "win": "n_fft",
    "stride": "hop_length",
    "num_output": "num_spks",
}
RATES = (16000, 8000, 44100, 48000, 32000, 24000, 22050, 11025)


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


def measure(source, given):
    """Arguments of a published BSRNN.

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

    Raises
    ------
    ValueError
        The bands are those of no usual rate.
    """
    bands = source.count(r"BN\.(\d+)\.")
    widths = [source.shape(f"BN.{k}.0.weight")[0] // 2 for k in range(bands)]
    features = source.shape("BN.0.1.weight")[0]
    bins = sum(widths)
    rates = [given.get("sample_rate", RATES[0]), *RATES]
    rates = [rate for rate in rates if band_widths(bins, rate) == widths]
    if not rates:
        raise ValueError(
            f"{source.problem}: its {bands} bands are not those of a usual "
            "rate; set --sample_rate"
        )
    told = {
        "num_spks": source.shape("mask.0.1.weight")[0] // features,
        "n_fft": 2 * (bins - 1),
        "feature_dim": features,
        "num_repeat": source.count(r"separator\.(\d+)\."),
        "sample_rate": rates[0],
    }
    return told, {"hop_length": told["n_fft"] // 4}
