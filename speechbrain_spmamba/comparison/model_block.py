"""The systems of a comparison, as text for the experiments that train them."""

import inspect
import json
from pathlib import Path

from speechbrain_spmamba.errors import did_you_mean
from speechbrain_spmamba.files.own_code import find_own_code
from speechbrain_spmamba.files.text import read_text
from speechbrain_spmamba.files.yaml_text import dump, load
from speechbrain_spmamba.models.systems import SYSTEMS
from speechbrain_spmamba.weights.model_folder import local_files
from speechbrain_spmamba.weights.model_yaml import read_model_yaml

FROM_EXPERIMENT = ("num_spks", "sample_rate", "memory")


def model_block(
    system: str, smoke: bool = False, arguments: dict | None = None
) -> str:
    """The YAML text that builds a system in its published or another size.

    Arguments
    ---------
    system : str
        A key of ``SYSTEMS``.
    smoke : bool
        Take the small size.
    arguments : dict, optional
        Arguments of the network that differ from that size.

    Returns
    -------
    str
        Keys ``separator`` and ``modules``, with references to ``num_spks``
        and ``sample_rate``.

    Raises
    ------
    ValueError
        A system that is not known, or an argument that is not its own.

    Example
    -------
    >>> print(model_block("conv_tasnet", smoke=True))
    separator: !new:speechbrain_spmamba.models.conv_tasnet.ConvTasNet
        n_filters: 128
        kernel_size: 16
        bottleneck: 48
        hidden: 96
        n_layers: 5
        n_stacks: 1
        num_spks: !ref <num_spks>
        sample_rate: !ref <sample_rate>
        skip_channels: null
        mask_act: sigmoid
        variant: sudo_rm_rf
    modules:
        separator: !ref <separator>
    """
    if system not in SYSTEMS:
        raise ValueError(
            f"unknown system '{system}'; known systems: {', '.join(SYSTEMS)}"
        )
    model = SYSTEMS[system].model
    sizes = {**(SYSTEMS[system].smoke if smoke else {}), **(arguments or {})}
    known = inspect.signature(model).parameters
    for key in sizes:
        if key not in known or key in FROM_EXPERIMENT:
            raise ValueError(
                f"'{key}' is no argument of {system} that a comparison can "
                f"set{did_you_mean(key, set(known) - set(FROM_EXPERIMENT))}"
            )
    lines = [f"separator: !new:{model.__module__}.{model.__name__}"]
    for key, parameter in known.items():
        value = sizes.get(key, parameter.default)
        if key in FROM_EXPERIMENT:
            value = f"!ref <{key}>"
        lines.append(f"    {key}: {_scalar(value)}")
        if key == "memory":
            lines.insert(0, f"memory: {parameter.default}")
    lines += ["modules:", "    separator: !ref <separator>"]
    return "\n".join(lines)


def loaded_block(folder: str | Path, trust: bool = False) -> str:
    """The YAML text that builds the model of a model folder.

    Arguments
    ---------
    folder : str or Path
        As ``spmamba export`` writes it, or the name of one of the package.
    trust : bool
        Take its model as it is; else it has to be one of this package.

    Returns
    -------
    str
        Keys ``separator`` and ``modules``.

    Raises
    ------
    ValueError
        No such folder, or one that is damaged or not trusted.
    """
    path, _ = local_files(folder)
    if trust:
        text = read_text(path)
        find_own_code(path, text)
    else:
        text = read_model_yaml(path)
    block = dump({"separator": load(text)["separator"]}, indent=4)
    return block + "modules:\n    separator: !ref <separator>"


def _scalar(value):
    """A Python value as YAML."""
    if isinstance(value, float) and "." not in repr(value):
        return f"{value:.1e}"  # 1e-05 is text to YAML, 1.0e-05 is a number
    return value if isinstance(value, str) else json.dumps(value)
