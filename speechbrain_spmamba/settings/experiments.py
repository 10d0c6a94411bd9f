"""The experiments of the package, and the program that runs them.

In a checkout they stand beside the package, in an installed package inside of
it (setup.py puts them there); their names are the same.
"""

from pathlib import Path

import speechbrain_spmamba

_PATTERNS = ("hparams/*.yaml", "recipes/*/hparams/*.yaml")


def experiments_folder() -> Path:
    """Where ``train.py``, ``hparams/`` and ``recipes/`` are.

    Returns
    -------
    Path
        The folder.

    Example
    -------
    >>> (experiments_folder() / "train.py").is_file()
    True
    """
    package = Path(speechbrain_spmamba.__file__).parent
    inside = package / "experiments"
    return inside if inside.is_dir() else package.parent


def experiment_names() -> list[str]:
    """Names of all experiments of the package.

    Returns
    -------
    list of str
        Paths within ``experiments_folder()``.

    Example
    -------
    >>> "hparams/tiny.yaml" in experiment_names()
    True
    """
    folder = experiments_folder()
    return [
        path.relative_to(folder).as_posix()
        for pattern in _PATTERNS
        for path in sorted(folder.glob(pattern))
    ]


def find_experiment(name: str) -> str:
    """The file of an experiment.

    Arguments
    ---------
    name : str
        A file, or else the name of an experiment of the package.

    Returns
    -------
    str
        The file; what is neither stays as it is.

    Example
    -------
    >>> find_experiment("hparams/tiny.yaml").endswith("hparams/tiny.yaml")
    True
    >>> find_experiment("mine.yaml")
    'mine.yaml'
    """
    if not Path(name).exists() and name in experiment_names():
        return str(experiments_folder() / name)
    return name
