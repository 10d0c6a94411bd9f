"""The files of a model folder: there, fetched from the Hub, and undamaged.

hyperparams.yaml   builds the model
separator.ckpt     its weights
SHA256SUMS         sums of both, which older folders do not have
"""

import re
from pathlib import Path

from speechbrain.utils.fetching import FetchConfig, LocalStrategy, fetch

from speechbrain_spmamba.files.checksums import SUMS_FILE, check_sums

HPARAMS_FILE = "hyperparams.yaml"
WEIGHTS_FILE = "separator.ckpt"
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def collect(
    source,
    hparams_file=HPARAMS_FILE,
    savedir=None,
    local_strategy=LocalStrategy.SYMLINK,
    fetch_config=None,
):
    """Finds the two files of a model, fetches them if need be, checks sums.

    Arguments
    ---------
    source : str or Path
        Folder, or name on the Hub.
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
    names, folder = (hparams_file, WEIGHTS_FILE), Path(source)
    options = {"savedir": savedir, "local_strategy": local_strategy}
    config = fetch_config or FetchConfig()
    # Only what cannot be meant as a folder is looked for on the Hub.
    if HUB_NAME.fullmatch(str(source)) and not folder.parent.is_dir():
        # The Hub's client is imported for a model of the Hub.
        from speechbrain_spmamba.weights.hub import fetch_files

        paths = fetch_files(str(source), names, SUMS_FILE, config, **options)
    else:
        check_folder(folder, names)
        optional = [SUMS_FILE] if (folder / SUMS_FILE).is_file() else []
        paths = [
            fetch(name, str(source), fetch_config=config, **options)
            for name in (*names, *optional)
        ][: len(names)]
    paths = [Path(path) for path in paths]
    for path in paths:
        check_file(path)
    return paths


def check_folder(folder, names=(HPARAMS_FILE, WEIGHTS_FILE)):
    """Raises ValueError for what is no model folder, or a damaged one.

    Arguments
    ---------
    folder : str or Path
        The folder.
    names : iterable of str
        Files that it must have.
    """
    if not Path(folder).exists():
        raise ValueError(
            f"{folder} is no model folder: there is no such folder; give one, "
            "or the name of a model of the Hugging Face Hub: user/model"
        )
    for name in names:
        if not (Path(folder) / name).is_file():
            raise ValueError(
                f"{folder} is no model folder: it has no {name}; make one "
                "with `spmamba export RESULTS OUT`"
            )
    for name in names:
        check_file(Path(folder) / name)


def check_file(path):
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
