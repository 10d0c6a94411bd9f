"""Published weights of other code bases, renamed and reshaped to ours.

Nothing is computed: tensors are renamed, squeezed, and the heads' separate
1x1 convolutions stacked into one matrix. A key too many or too few is an
error, so that a checkpoint either loads as a whole or not at all.
"""

from speechbrain_spmamba.published import (
    afrcnn,
    bsrnn,
    conv_tasnet,
    dprnn,
    spmamba,
    sudormrf,
    tdanet,
    tf_gridnet,
)
from speechbrain_spmamba.published.source import Source

CONVERTERS = {
    "spmamba": spmamba.convert,
    "tf_gridnet": tf_gridnet.convert,
    "bsrnn": bsrnn.convert,
    "tdanet": tdanet.convert,
    "afrcnn": afrcnn.convert,
    "sudormrf": sudormrf.convert,
    "conv_tasnet": conv_tasnet.convert,
    "dprnn": dprnn.convert,
}


def convert_state_dict(model_name, state_dict):
    """Maps a published state dict onto the model of that name.

    Arguments
    ---------
    model_name : str
        A key of ``models.MODELS``.
    state_dict : dict
        Tensors under the names of the published code.

    Returns
    -------
    dict
        Tensors under our names, ready for a strict ``load_state_dict``.

    Raises
    ------
    ValueError
        No published form of that model is known, or the state dict lacks a
        key or has one too many; the message names them.

    Example
    -------
    >>> import torch
    >>> convert_state_dict("spmamba", {"conv.0.weight": torch.zeros(1)})
    Traceback (most recent call last):
        ...
    ValueError: state dict is not a published spmamba: lacks 'conv.0.bias'
    """
    if model_name not in CONVERTERS:
        raise ValueError(
            f"no published weights are known for '{model_name}'; "
            f"known: {', '.join(CONVERTERS)}"
        )
    source = Source(model_name, state_dict)
    converted = CONVERTERS[model_name](source)
    source.check_empty()
    return converted
