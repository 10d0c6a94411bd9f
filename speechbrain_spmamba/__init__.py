"""Speech separation with state-space models, as a SpeechBrain plugin."""

import importlib

__version__ = "0.1.0"

# Modules that experiments name, which stood elsewhere in earlier versions.
MOVED = {
    "augment": "loading.augment",
    "brain": "training.brain",
    "checkpoint": "training.checkpoint",
    "evaluate": "scoring.evaluate",
    "loader": "loading.loader",
    "loss": "scoring.loss",
    "metrics": "scoring.metrics",
    "prepare.custom": "prepare.sets.custom",
    "prepare.echo2mix": "prepare.sets.echo2mix",
    "prepare.librimix": "prepare.sets.librimix",
    "prepare.mixtures": "prepare.sets.mixtures",
    "prepare.released": "prepare.sets.released",
    "prepare.synthetic": "prepare.made_up.synthetic",
    "prepare.wham": "prepare.sets.wham",
    "prepare.wsj0mix": "prepare.sets.wsj0mix",
    "schedule": "training.schedule",
}


def present_name(name: str) -> str:
    """The dotted name of today for one of today or of an earlier version.

    Arguments
    ---------
    name : str
        Of anything; what is not of this package stays.

    Returns
    -------
    str
        The name.

    Example
    -------
    >>> present_name("speechbrain_spmamba.loss.pit")
    'speechbrain_spmamba.scoring.loss.pit'
    """
    for old, new in MOVED.items():
        if name.startswith(f"{__name__}.{old}."):
            return name.replace(old, new, 1)
    return name


def __getattr__(name):
    # What looks for a dotted name, as HyperPyYAML does, comes here last.
    if name == "toolkit":  # model folders for the toolkit's classes name it
        return importlib.import_module(f"{__name__}.models.toolkit")
    if name in MOVED:
        raise ImportError(
            f"{__name__}.{name} is now {__name__}.{MOVED[name]}; write that"
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
