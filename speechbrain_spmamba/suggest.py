"""What was probably meant by a word that is not known."""

import difflib


def did_you_mean(word, known):
    """The nearest of the known words, as the end of a message.

    Arguments
    ---------
    word : str
        What was given.
    known : iterable of str
        What there is.

    Returns
    -------
    str
        Empty if nothing is near.

    Example
    -------
    >>> did_you_mean("sede", ["seed", "lr"])
    "; did you mean 'seed'?"
    >>> did_you_mean("sede", ["lr"])
    ''
    """
    near = difflib.get_close_matches(word, [str(k) for k in known], n=1)
    return f"; did you mean '{near[0]}'?" if near else ""
