"""``spmamba train``: what ``python train.py`` does, without a checkout."""

import runpy

from speechbrain_spmamba.commands.options import Further


def train(experiment: str, /, *, further: Further = ()) -> None:
    """Train a model and test it, as train.py of the repository does.

    Further options, --key value, are keys of the experiment or run options of
    the toolkit.

    Arguments
    ---------
    experiment : str
        YAML file, or the name of an experiment of the package, see `spmamba
        new`.
    further : list of str
        Options of the experiment.
    """
    from speechbrain_spmamba.settings.experiments import (
        experiments_folder,
        find_experiment,
    )

    program = runpy.run_path(str(experiments_folder() / "train.py"))
    program["main"]([find_experiment(experiment), *further])
