"""Which scores are asked for, what they are called, and what they need."""

from collections.abc import Sequence
from importlib.util import find_spec

from speechbrain_spmamba.errors import did_you_mean

# Columns of each score, in the order of tables, and their titles. Those of
# "i" are improvements, which need the mixture.
METRICS = {
    "si_snr": {"si_snr": "SI-SNR", "si_snri": "SI-SNRi"},
    "sdr": {"sdr": "SDR", "sdri": "SDRi"},
    "sir": {"sir": "SIR"},
    "sar": {"sar": "SAR"},
    "pesq": {"pesq": "PESQ"},
    "stoi": {"stoi": "STOI"},
    "estoi": {"estoi": "ESTOI"},
    "dnsmos": {
        "dnsmos": "DNSMOS",
        "dnsmos_sig": "DNSMOS SIG",
        "dnsmos_bak": "DNSMOS BAK",
        "dnsmos_p808": "DNSMOS P.808",
    },
}
DEFAULT = ("si_snr", "sdr", "sir", "sar")  # in dB
TITLES = {k: v for columns in METRICS.values() for k, v in columns.items()}
# Modules, and rates in Hz, that some of them need; speechmos does not say what
# it imports.
MODULES = {
    "pesq": ("pesq",),
    "stoi": ("pystoi",),
    "estoi": ("pystoi",),
    "dnsmos": ("speechmos", "librosa", "onnxruntime", "requests"),
}
RATES = {"pesq": (8000, 16000), "dnsmos": (16000,)}


def read_metrics(given: str | list[str]) -> tuple[str, ...]:
    """Reads which scores are wanted.

    Arguments
    ---------
    given : str or list of str
        ``[si_snr, sdr]``, with or without brackets.

    Returns
    -------
    tuple of str
        Keys of ``METRICS``, in their order.

    Raises
    ------
    ValueError
        None, or one that is not known.

    Example
    -------
    >>> read_metrics("[sdr, si_snr]")
    ('si_snr', 'sdr')
    """
    if isinstance(given, str):
        given = given.strip("[] ").replace(",", " ").split()
    names = [str(name).lower() for name in given or ()]
    for name in names:
        if name not in METRICS:
            raise ValueError(
                f"metrics: there is no '{name}'; give some of "
                f"[{', '.join(METRICS)}]{did_you_mean(name, METRICS)}"
            )
    if not names:
        raise ValueError(
            f"metrics are empty; give some of [{', '.join(METRICS)}]"
        )
    return tuple(name for name in METRICS if name in names)


def check_metrics(metrics: Sequence[str], sample_rate: int) -> None:
    """Says no to scores that could not be computed, before hours of work.

    Arguments
    ---------
    metrics : list of str
        Keys of ``METRICS``.
    sample_rate : int
        Of the signals, in Hz.

    Raises
    ------
    ValueError
        A package is not installed, or a score is not defined at this rate.

    Example
    -------
    >>> check_metrics(["si_snr", "dnsmos"], 8000)
    Traceback (most recent call last):
        ...
    ValueError: dnsmos is defined for 16000 Hz, ... 8000 Hz; leave it out
    """
    for name in metrics:
        rates = RATES.get(name, (sample_rate,))
        if sample_rate not in rates:
            raise ValueError(
                f"{name} is defined for {' and '.join(map(str, rates))} Hz, "
                f"these signals have {sample_rate} Hz; leave it out"
            )
        for module in MODULES.get(name, ()):
            if find_spec(module) is None:
                raise ValueError(
                    f"{name} needs {module}, which is not installed; pip "
                    "install 'speechbrain_spmamba[metrics]', or leave it out"
                )


def unit(column):
    """The unit of a figure, with a blank before it, or nothing."""
    return " dB" if column.removesuffix("i") in DEFAULT else ""


def form(column):
    """How a figure is written: three digits for a share, two for all else."""
    return ".3f" if column in ("stoi", "estoi") else ".2f"
