"""Weights of a model folder, loaded where the toolkit loads some.

Its recipes and its inference classes load what a ``Pretrainer`` collects. The
one here takes the weights of a model folder, from either of the two files that
may hold them, checks their sum, and loads all of them or none.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from speechbrain.utils.fetching import FetchConfig, LocalStrategy
from speechbrain.utils.parameter_transfer import Pretrainer

from speechbrain_spmamba.files.yaml_text import load, plain
from speechbrain_spmamba.weights.model_folder import (
    HPARAMS_FILE,
    check_file,
    collect,
)
from speechbrain_spmamba.weights.state_dict import load_weights, read_weights

if TYPE_CHECKING:
    import torch


PATH_KEY = "pretrained_path"


class SeparatorPretrainer(Pretrainer):
    """The toolkit's pretrainer for the separator of a model folder.

    Arguments
    ---------
    separator : torch.nn.Module
        Gets the weights.
    pretrained_path : str or Path, optional
        Model folder, model of the package, or name on the Hub. By default the
        folder that the model comes from; in a training recipe, which comes
        from none, nothing is loaded then.

    Example
    -------
    >>> from speechbrain_spmamba.builtin.models import DEFAULT
    >>> from speechbrain_spmamba.weights.build import build_without_weights
    >>> from speechbrain_spmamba.weights.model_folder import local_files
    >>> from speechbrain_spmamba.weights.model_yaml import read_model_yaml
    >>> path = local_files(DEFAULT)[0]
    >>> net = build_without_weights(read_model_yaml(path), path)["separator"]
    >>> pretrainer = SeparatorPretrainer(net, DEFAULT)
    >>> pretrainer.collect_files()["separator"].name
    'separator.safetensors'
    >>> pretrainer.load_collected()
    """

    def __init__(
        self,
        separator: torch.nn.Module,
        pretrained_path: str | Path | None = None,
    ) -> None:
        super().__init__(
            loadables={"separator": separator},
            custom_hooks={"separator": strict_load},
        )
        self.pretrained_path = pretrained_path

    def collect_files(
        self,
        default_source: str | Path | None = None,
        local_strategy: LocalStrategy = LocalStrategy.SYMLINK,
        fetch_config: FetchConfig | None = None,
    ) -> dict:
        """Finds the weights, or fetches them.

        Arguments
        ---------
        default_source : str or Path, optional
            Where they are if there is no ``pretrained_path``.
        local_strategy, fetch_config
            As for ``speechbrain.utils.fetching.fetch``.

        Returns
        -------
        dict
            "separator" -> Path; empty if there is neither path nor source.

        Raises
        ------
        ValueError
            That is no model folder, or a damaged one.
        """
        source, savedir = default_source, self.collect_in
        if self.pretrained_path is not None:
            # Not beside what is there of the model's own folder.
            source, savedir = self.pretrained_path, None
        if source is None:
            return {}
        _, weights = collect(
            source,
            savedir=savedir,
            local_strategy=local_strategy,
            fetch_config=fetch_config or FetchConfig(),
        )
        self.paths["separator"] = str(weights)
        self.is_local.append("separator")
        return {"separator": weights}

    def load_collected(self) -> None:
        """Loads the weights, if there are any to be loaded."""
        # A recipe collects in its main process alone.
        if self.is_local or self.collect_files():
            super().load_collected()


def wanted_path(overrides: dict | str | None) -> str | None:
    """The ``pretrained_path`` among changes that a user makes.

    Arguments
    ---------
    overrides : dict or str, optional
        As for the toolkit's ``from_hparams``.

    Returns
    -------
    str or None
        The path; None if there is none.

    Example
    -------
    >>> wanted_path("pretrained_path: other")
    'other'
    """
    if isinstance(overrides, str):
        overrides = plain(load(overrides))
    return overrides.get(PATH_KEY) if isinstance(overrides, dict) else None


def strict_load(
    module: torch.nn.Module, path: str | Path, adapt: Callable | None = None
) -> None:
    """Loads weights and accepts no key too many or too few.

    Arguments
    ---------
    module : torch.nn.Module
        Gets the weights.
    path : str or Path
        A state dict that ``torch.save`` wrote; where its folder has sums, it
        has to be what they say.
    adapt : callable, optional
        ``adapt(state) -> state``, before they have to fit.

    Raises
    ------
    ValueError
        The file is damaged, no state dict, or does not fit the module.
    """
    check_file(Path(path))
    state = read_weights(path)
    try:
        load_weights(module, adapt(state) if adapt else state)
    except ValueError as error:
        raise ValueError(
            f"weights in {path} do not fit the model of its "
            f"{HPARAMS_FILE}: {error}"
        ) from None
