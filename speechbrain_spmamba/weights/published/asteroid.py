"""What the separators of asteroid-team/asteroid share.

Their "model_args" are all arguments of the class, and describe the network.
Of what the class takes, published files use little; the rest is refused, for
shapes do not tell it.
"""

NAMES = {
    "n_src": "num_spks",
    "stride": "stride",
    "in_chan": "in_chan",
    "out_chan": "out_chan",
}
WORDS = {
    "fb_name": {"FreeFB": {}, "free": {}},
    "encoder_activation": {"None": {}, "linear": {}},
    "norm_type": {"gLN": {}},
    "mask_act": {
        "relu": {"mask_act": "relu"},
        "sigmoid": {"mask_act": "sigmoid"},
    },
}
GAIN = {"weight": "gamma", "bias": "beta"}
FILTERS = "encoder.filterbank._filters"
# What Asteroid takes where an old file has no rate.
SAMPLE_RATE = 8000


def take_filters(source):
    """Encoder and decoder.

    Arguments
    ---------
    source : Source
        The published weights.

    Returns
    -------
    dict
        Tensors under our names.
    """
    return {
        "encoder.weight": source.take(FILTERS),
        "decoder.weight": source.take("decoder.filterbank._filters"),
    }


def measure_filters(source, given):
    """Arguments of encoder and decoder.

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

    Raises
    ------
    ValueError
        See ``expect``.
    """
    filters, _, kernel = source.shape(FILTERS)
    expect(given, stride=kernel // 2, in_chan=filters, out_chan=filters)
    return {"n_filters": filters, "kernel_size": kernel}


def expect(given, **expected):
    """Refuses numbers that no published file has.

    Arguments
    ---------
    given : dict
        Arguments that are known from elsewhere.
    **expected : dict
        Those that must have a value, if they are given.

    Raises
    ------
    ValueError
        One of them has another.

    Example
    -------
    >>> expect({"stride": 5}, stride=8)
    Traceback (most recent call last):
        ...
    ValueError: stride is 5, a network that is not known; known is 8
    """
    for name, value in expected.items():
        if given.get(name, value) != value:
            raise ValueError(
                f"{name} is {given[name]}, a network that is not known; "
                f"known is {value}"
            )
