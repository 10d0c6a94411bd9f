"""Builds the model of a stranger's files, once they are known to build one.

text (``model_yaml``) -> a network without memory
     -> its header and the file of weights agree with it -> the model

What is trusted is built as it stands.
"""

from pathlib import Path
from pydoc import ErrorDuringImport
from typing import Any

import torch
from hyperpyyaml import load_hyperpyyaml
from ruamel.yaml.error import YAMLError

from speechbrain_spmamba.files.own_code import find_own_code
from speechbrain_spmamba.files.text import read_text
from speechbrain_spmamba.models.contract import check_network
from speechbrain_spmamba.safe_yaml import HEADER
from speechbrain_spmamba.weights.model_yaml import not_loaded, read_model_yaml
from speechbrain_spmamba.weights.state_dict import (
    check_fit,
    limit_parameters,
    load_weights,
    read_weights,
)

MAX_TENSORS = 100_000  # of a network without weights
MAX_PARAMETERS = 2_000_000_000
# Of a text that is trusted, and yet does not fit what is installed here.
BUILD_ERRORS = (
    ImportError,
    AttributeError,
    TypeError,
    YAMLError,
    ErrorDuringImport,
)


def build_trusted(
    text: str,
    path: str | Path,
    overrides: dict | str | None = None,
    must_match: bool = True,
) -> dict:
    """Builds whatever a text says, which may run any code.

    Arguments
    ---------
    text : str
        HyperPyYAML.
    path : str or Path
        Where it is from, for messages.
    overrides : dict or str, optional
        The user's own changes.
    must_match : bool
        Whether ``overrides`` need to be of keys that are there.

    Returns
    -------
    dict
        What the text describes.

    Raises
    ------
    ValueError
        It cannot be built, or its separator is no network to work with.
    """
    find_own_code(path, text)
    try:
        found = load_hyperpyyaml(text, overrides, must_match)
        check_network(found["separator"])
    except (*BUILD_ERRORS, ValueError) as error:
        raise not_loaded(path, error) from None
    return found


def build_with_weights(
    text: str,
    path: str | Path,
    state: dict,
    misfit: str,
    overrides: dict | str | None = None,
    must_match: bool = True,
) -> dict:
    """Builds what a checked text describes, and fills it with weights.

    It is built without memory first, and compared with the header and with
    the weights: what is built in earnest is as large as the file of weights.

    Arguments
    ---------
    text, path, overrides, must_match
        As for ``build_trusted``; the text is from ``read_model_yaml``, or of
        the same form.
    state : dict
        From ``read_weights``.
    misfit : str
        How the message begins if the weights do not fit.

    Returns
    -------
    dict
        What the text describes; its ``separator`` has the weights.

    Raises
    ------
    ValueError
        It cannot be built, or header, network and weights contradict.
    """
    planned = build_on_meta(text, path, len(state), overrides, must_match)
    try:
        check_fit(state, planned.state_dict())
        found = load_hyperpyyaml(text, overrides, must_match)
    except ValueError as error:
        raise ValueError(f"{misfit} the model of {path}: {error}") from None
    fill(found["separator"], state, path, misfit)
    return found


def fill(
    separator: torch.nn.Module, state: dict, path: str | Path, misfit: str
) -> None:
    """Gives a network weights, or says which of them do not fit.

    Arguments
    ---------
    separator : torch.nn.Module
        The network.
    state, path, misfit
        As for ``build_with_weights``.

    Raises
    ------
    ValueError
        They do not fit.
    """
    try:
        load_weights(separator, state)
    except ValueError as error:
        raise ValueError(f"{misfit} the model of {path}: {error}") from None


def build_without_weights(
    text: str, path: str | Path, overrides: dict | str | None = None
) -> dict:
    """Builds what a checked text describes, if it is not absurdly large.

    Arguments
    ---------
    text, path, overrides
        As for ``build_trusted``; the text is from ``read_model_part``.

    Returns
    -------
    dict
        What the text describes.

    Raises
    ------
    ValueError
        It cannot be built, or is larger than ``MAX_PARAMETERS``.
    """
    planned = build_on_meta(text, path, MAX_TENSORS, overrides)
    size = sum(tensor.numel() for tensor in planned.state_dict().values())
    if size > MAX_PARAMETERS:
        raise not_loaded(
            path,
            f"its model has {size} parameters; at most {MAX_PARAMETERS} are "
            "built without weights",
        )
    return load_hyperpyyaml(text, overrides)


def build_on_meta(
    text: str,
    path: str | Path,
    tensors: int,
    overrides: dict | str | None = None,
    must_match: bool = True,
) -> torch.nn.Module:
    """Builds a network without memory, as far as it has not too many weights.

    Arguments
    ---------
    text, path, overrides, must_match
        As for ``build_with_weights``.
    tensors : int
        Weights that it should have.

    Returns
    -------
    torch.nn.Module
        The network on the device "meta".

    Raises
    ------
    ValueError
        It cannot be built, has far more weights, or is for another rate or
        number of sources than the text says.
    """
    try:
        with torch.device("meta"), limit_parameters(tensors):
            hparams = load_hyperpyyaml(text, overrides, must_match)
        check_header(hparams, hparams["separator"])
    # Constructors have many ways to fail on sizes that do not go together.
    except Exception as error:
        raise not_loaded(path, error) from None
    return hparams["separator"]


def check_header(hparams: dict, separator: torch.nn.Module) -> None:
    """Raises ValueError where a network is built for other than is said.

    Arguments
    ---------
    hparams : dict
        With ``sample_rate`` and ``num_spks``, or one of them.
    separator : torch.nn.Module
        The network; one that has no such attributes passes.
    """
    for key in HEADER:
        said = hparams.get(key)
        built = getattr(separator, key, said)
        if said is not None and built != said:
            raise ValueError(
                f"'{key}' is {said}, but its separator is built for "
                f"{key} = {built}"
            )


def load_pretrained(
    cls: type,
    paths: list[Path],
    overrides: dict | str | None = None,
    overrides_must_match: bool = True,
    savedir: str | Path | None = None,
    download_only: bool = False,
    trust: bool = False,
    **kwargs: Any,
) -> Any:
    """The toolkit's ``pretrained_from_hparams`` for what was checked.

    Arguments
    ---------
    cls : type
        Subclass of the toolkit's ``Pretrained``.
    paths : list of Path
        From ``collect``.
    overrides, overrides_must_match, savedir, download_only
        As for the toolkit's function; the user's own changes may be anything.
    trust : bool
        Build whatever the file says; what it says of loading weights apart.
    **kwargs : dict
        Arguments of ``cls``.

    Returns
    -------
    object
        An instance of ``cls``; None after a download only.

    Raises
    ------
    ValueError
        See ``read_model_yaml``, ``read_weights`` and ``build_with_weights``.
    """
    path, weights = paths
    text = read_text(path) if trust else read_model_yaml(path)
    if download_only:
        return None
    state, misfit = read_weights(weights), f"weights in {weights} do not fit"
    if trust:
        hparams = build_trusted(text, path, overrides, overrides_must_match)
        fill(hparams["separator"], state, path, misfit)
    else:
        hparams = build_with_weights(
            text, path, state, misfit, overrides, overrides_must_match
        )
    hparams["savedir"] = savedir
    return cls(modules=hparams["modules"], hparams=hparams, **kwargs)
