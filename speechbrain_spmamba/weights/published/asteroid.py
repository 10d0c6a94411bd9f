"""What the separators of asteroid-team/asteroid share.

Their "model_args" are all arguments of the class, and describe the network.
Of what the class takes, published files use little; the rest is refused, for
shapes do not tell it.
"""

from typing import Any

from speechbrain_spmamba.weights.published.renaming import GAMMA_BETA

NAMES = {
    "n_src": "num_spks",
    "stride": "stride",
    "in_chan": "in_chan",
    "out_chan": "out_chan",
}
CHOICES = {
    "fb_name": {"FreeFB": {}, "free": {}},
    "encoder_activation": {"None": {}, "linear": {}},
    "norm_type": {"gLN": {}},
    "mask_act": {
        "relu": {"mask_act": "relu"},
        "sigmoid": {"mask_act": "sigmoid"},
    },
}
FILTERS = {"weight": "filterbank._filters"}
# What Asteroid takes where an old file has no rate.
SAMPLE_RATE = 8000


def convert_filters(weights):
    """Encoder and decoder."""
    weights.move("encoder", "encoder", FILTERS)
    weights.move("decoder", "decoder", FILTERS)


def convert_bottleneck(weights):
    """Norm and convolution between encoder and masker."""
    weights.move("masker.bottleneck.0", "input_norm", GAMMA_BETA)
    weights.move("masker.bottleneck.1", "bottleneck")


def measure_filters(weights, given):
    """Arguments of encoder and decoder, as ``measure`` gives the others."""
    filters, _, kernel = weights.shape("encoder.filterbank._filters")
    expect(given, stride=kernel // 2, in_chan=filters, out_chan=filters)
    return {"n_filters": filters, "kernel_size": kernel}


def expect(given: dict, **expected: Any) -> None:
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
