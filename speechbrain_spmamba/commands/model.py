"""The model that a command works with."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from speechbrain_spmamba.inference import WaveformSeparation


def load_model(
    source: str, device: str | None = None, trust: bool = False
) -> WaveformSeparation:
    """Loads a model folder for a command.

    Arguments
    ---------
    source : str
        Folder, model of the package, or name on the Hugging Face Hub.
    device : str, optional
        Where it runs; by default where the toolkit puts it.
    trust : bool
        Build whatever the folder says, which may run any code.

    Returns
    -------
    speechbrain_spmamba.inference.WaveformSeparation
        The model.
    """
    from speechbrain.utils import fetching, parameter_transfer

    from speechbrain_spmamba.inference import WaveformSeparation
    from speechbrain_spmamba.settings.device import check_device

    check_device(device)
    # They would name what they load, on standard error.
    for module in (fetching, parameter_transfer):
        module.logger.setLevel(logging.WARNING)
    run_opts = {"device": device} if device else None
    return WaveformSeparation.from_hparams(
        source, safe=not trust, run_opts=run_opts
    )
