"""Which scores are asked for, what they are called, and what they need."""

from speechbrain_spmamba.errors import did_you_mean

# Columns of each score, in the order of tables, and their titles. Those of
# "i" are improvements, which need the mixture.
METRICS = {
    "si_snr": {"si_snr": "SI-SNR", "si_snri": "SI-SNRi"},
    "sdr": {"sdr": "SDR", "sdri": "SDRi"},
    "sir": {"sir": "SIR"},
    "sar": {"sar": "SAR"},
}
DEFAULT = ("si_snr", "sdr", "sir", "sar")
TITLES = {k: v for columns in METRICS.values() for k, v in columns.items()}


def read_metrics(given):
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


def unit(column):
    """How a figure is written: its unit, with a blank before it, or nothing."""
    return " dB" if column in TITLES else ""
