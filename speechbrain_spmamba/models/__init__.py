"""Separation models: two tables name them, ``build_model`` makes one.

All are called alike, ``est = model(mix, lengths=None)``:

    mix      [B, T], at any level; of `num_mics` M above 1: [B, T, M]
    lengths  [B], relative lengths in (0, 1]: with them the estimate of an item
             does not depend on its padding or its neighbours
    est      [B, T, num_spks], zero behind each item's end

A mixture of the wrong shape or with samples that are not finite is a
``ValueError``. Each model has the arguments, and attributes, `num_spks`
(sources to return) and `sample_rate` (rate in Hz that it is meant for).
"""

import inspect

from speechbrain_spmamba.models.afrcnn import AFRCNN
from speechbrain_spmamba.models.bsrnn import BSRNN
from speechbrain_spmamba.models.conv_tasnet import ConvTasNet
from speechbrain_spmamba.models.dprnn import DPRNN
from speechbrain_spmamba.models.resepformer import RESepFormer
from speechbrain_spmamba.models.sepformer import SepFormer
from speechbrain_spmamba.models.skim import SkiM
from speechbrain_spmamba.models.spmamba import SPMamba
from speechbrain_spmamba.models.sudormrf import SudoRMRF
from speechbrain_spmamba.models.tdanet import TDANet
from speechbrain_spmamba.models.tf_gridnet import TFGridNet

# The paper's own, then the systems of its Table 1.
MODELS = {
    "spmamba": SPMamba,
    "tf_gridnet": TFGridNet,
    "bsrnn": BSRNN,
    "tdanet": TDANet,
    "afrcnn": AFRCNN,
    "sudormrf": SudoRMRF,
    "conv_tasnet": ConvTasNet,
    "dprnn": DPRNN,
}
# SpeechBrain's own, for comparison.
TOOLKIT_MODELS = {
    "sepformer": SepFormer,
    "resepformer": RESepFormer,
    "skim": SkiM,
}


def build_model(name, **overrides):
    """Builds a model in its published size, or with some arguments changed.

    Arguments
    ---------
    name : str
        A key of ``MODELS`` or ``TOOLKIT_MODELS``.
    **overrides : dict
        Constructor arguments that differ from the published ones.

    Returns
    -------
    torch.nn.Module
        ``[B, T] -> [B, T, num_spks]``, with attributes ``sample_rate`` and
        ``num_spks``.

    Raises
    ------
    ValueError
        An unknown name or argument; the message lists the known ones.

    Example
    -------
    >>> model = build_model("spmamba", num_spks=3, num_blocks=1)
    >>> model.num_spks
    3
    """
    models = {**MODELS, **TOOLKIT_MODELS}
    if name not in models:
        raise ValueError(
            f"unknown model '{name}'; known models: {', '.join(models)}"
        )
    known = inspect.signature(models[name]).parameters
    unknown = [key for key in overrides if key not in known]
    if unknown:
        raise ValueError(
            f"{name} has no argument '{unknown[0]}'; its arguments: "
            f"{', '.join(known)}"
        )
    return models[name](**overrides)
