"""What libsndfile, or the system, says of a file that it cannot read."""


def reason_of(error):
    """The reason alone: libsndfile's message may hold the path as well.

    Example
    -------
    >>> reason_of(OSError(5, "Input/output error", "a.wav"))
    'Input/output error'
    """
    reason = getattr(error, "error_string", "") or str(error)
    reason = getattr(error, "strerror", "") or reason
    return reason.strip().rstrip(".")


def damaged_at(sample, error):
    """The same of a file that could be read up to a sample."""
    return f"is damaged at sample {sample} or behind ({reason_of(error)})"
