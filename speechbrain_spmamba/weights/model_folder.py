"""The files of a model folder: there, fetched from the Hub, and undamaged.

hyperparams.yaml        builds the model
separator.ckpt          its weights, or separator.safetensors in its place
SHA256SUMS              sums of these, which older folders do not have

The folder may be that of a model that comes with the package, by its name.
"""

import re
from pathlib import Path

from speechbrain.utils.fetching import FetchConfig, LocalStrategy, fetch

from speechbrain_spmamba.builtin.models import (
    HPARAMS_FILE,
    SAFETENSORS_FILE,
    builtin_models,
    find_model,
)
from speechbrain_spmamba.files.checksums import SUMS_FILE, check_sums

WEIGHTS_FILE = "separator.ckpt"
# The first that is there counts.
WEIGHTS_FILES = (WEIGHTS_FILE, SAFETENSORS_FILE)
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def collect(
    source: str | Path,
    hparams_file: str = HPARAMS_FILE,
    savedir: str | Path | None = None,
    local_strategy: LocalStrategy = LocalStrategy.SYMLINK,
    fetch_config: FetchConfig | None = None,
) -> list[Path]:
    """Finds the two files of a model, fetches them if need be, checks sums.

    Arguments
    ---------
    source : str or Path
        Folder, name of a model of the package, or name on the Hub.
    hparams_file : str
        Name of the YAML file in it.
    savedir, local_strategy, fetch_config
        As for ``speechbrain.utils.fetching.fetch``.

    Returns
    -------
    list of Path
        The YAML file and the weights.

    Raises
    ------
    ValueError
        There is no such folder or model, it lacks a file, or one is damaged.
    """
    folder = Path(find_model(source))
    options = {"savedir": savedir, "local_strategy": local_strategy}
    config = fetch_config or FetchConfig()
    # Only what cannot be meant as a folder is looked for on the Hub.
    if HUB_NAME.fullmatch(str(source)) and not folder.parent.is_dir():
        # The Hub's client is imported for a model of the Hub.
        from speechbrain_spmamba.weights.hub import fetch_files

        needed = ((hparams_file,), WEIGHTS_FILES)
        paths = fetch_files(str(source), needed, SUMS_FILE, config, **options)
    else:
        names = [path.name for path in local_files(folder, hparams_file)]
        optional = [SUMS_FILE] if (folder / SUMS_FILE).is_file() else []
        paths = [
            fetch(name, str(folder), fetch_config=config, **options)
            for name in (*names, *optional)
        ][: len(names)]
    paths = [Path(path) for path in paths]
    for path in paths:
        check_file(path)
    return paths


def local_files(
    source: str | Path, hparams_file: str = HPARAMS_FILE
) -> list[Path]:
    """The two files of a model folder that is on this machine.

    Arguments
    ---------
    source : str or Path
        Folder, or name of a model of the package.
    hparams_file : str
        Name of the YAML file in it.

    Returns
    -------
    list of Path
        The YAML file and the weights.

    Raises
    ------
    ValueError
        It is no model folder, or a damaged one.
    """
    folder = Path(find_model(source))
    if not folder.exists():
        raise ValueError(
            f"{folder} is no model folder: there is no such folder; give one, "
            f"a model of the package ({', '.join(builtin_models())}), or the "
            "name of a model of the Hugging Face Hub: user/model"
        )
    path, weights = folder / hparams_file, find_weights(folder)
    if not path.is_file() or weights is None:
        lacking = " or ".join(WEIGHTS_FILES) if path.is_file() else path.name
        raise ValueError(
            f"{folder} is no model folder: it has no {lacking}; make one with "
            "`spmamba export RESULTS OUT`"
        )
    for file in (path, weights):
        check_file(file)
    return [path, weights]


def find_weights(source: str | Path) -> Path | None:
    """The weights of a model folder that is on this machine.

    Arguments
    ---------
    source : str or Path
        Folder, or name of a model of the package.

    Returns
    -------
    Path or None
        The file; None if there is none.
    """
    paths = [Path(find_model(source)) / name for name in WEIGHTS_FILES]
    return next(filter(Path.is_file, paths), None)


def check_file(path: Path) -> None:
    """Raises ValueError for a file that is not what its folder's sums say.

    Arguments
    ---------
    path : Path
        A file of a model folder.
    """
    try:
        check_sums(path.parent, [path.name])
    except ValueError as error:
        raise ValueError(
            f"{error}; if it was changed on purpose, renew the sums there: "
            f"sha256sum {HPARAMS_FILE} separator.* > {SUMS_FILE}"
        ) from None
