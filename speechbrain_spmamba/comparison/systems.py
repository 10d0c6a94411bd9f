"""The systems of a comparison, as text for the experiments that train them."""

import inspect
import io
import json
from pathlib import Path

from ruamel.yaml import YAML

from speechbrain_spmamba.models import MODELS, TOOLKIT_MODELS
from speechbrain_spmamba.weights.model_folder import HPARAMS_FILE, check_folder
from speechbrain_spmamba.weights.model_yaml import read_model_yaml

# Sizes with which every system learns something within a minute or two on two
# cores, of 40 to 160 thousand parameters at 8 kHz.
SMOKE = {
    "spmamba": {
        "n_fft": 256,
        "num_blocks": 1,
        "emb_ks": 4,
        "emb_hs": 4,
        "d_state": 4,
        "expand": 1,
        "num_heads": 2,
        "attn_qk_dim": 256,
    },
    "tf_gridnet": {
        "n_fft": 256,
        "num_blocks": 1,
        "lstm_hidden": 32,
        "emb_dim": 16,
        "emb_ks": 4,
        "emb_hs": 4,
        "num_heads": 2,
        "attn_qk_dim": 256,
    },
    "bsrnn": {
        "n_fft": 256,
        "hop_length": 128,
        "feature_dim": 16,
        "num_repeat": 2,
    },
    "tdanet": {
        "out_channels": 48,
        "in_channels": 96,
        "num_blocks": 4,
        "upsampling_depth": 4,
        "enc_kernel_size": 4,
    },
    "afrcnn": {
        "out_channels": 64,
        "in_channels": 64,
        "num_blocks": 4,
        "upsampling_depth": 4,
        "enc_num_basis": 128,
    },
    "sudormrf": {
        "out_channels": 64,
        "in_channels": 96,
        "num_blocks": 3,
        "upsampling_depth": 4,
        "enc_num_basis": 128,
    },
    "conv_tasnet": {
        "n_filters": 128,
        "bottleneck": 48,
        "hidden": 96,
        "n_layers": 5,
        "n_stacks": 1,
    },
    "dprnn": {
        "n_filters": 64,
        "feature_dim": 32,
        "hidden": 32,
        "kernel_size": 16,
        "num_blocks": 2,
        "chunk_size": 50,
    },
    "sepformer": {
        "n_filters": 64,
        "num_blocks": 1,
        "num_layers": 1,
        "num_heads": 4,
        "ffn_dim": 128,
        "chunk_size": 50,
    },
    "resepformer": {
        "n_filters": 64,
        "num_blocks": 1,
        "num_layers": 1,
        "num_heads": 4,
        "ffn_dim": 128,
        "segment_size": 50,
    },
    "skim": {
        "n_filters": 64,
        "num_blocks": 1,
        "hidden": 48,
        "segment_size": 50,
    },
}


def known_systems():
    """Names of all systems, those of the paper first, then the toolkit's.

    Returns
    -------
    list of str
        Names for ``build_model``.

    Example
    -------
    >>> known_systems()[0]
    'spmamba'
    """
    return [*MODELS, *TOOLKIT_MODELS]


def model_block(system, smoke=False):
    """The YAML text that builds a system in its published or smoke size.

    Arguments
    ---------
    system : str
        One of ``known_systems()``.
    smoke : bool
        Take the small size.

    Returns
    -------
    str
        Keys ``separator`` and ``modules``; sources and rate are references
        to ``num_spks`` and ``sample_rate``.

    Raises
    ------
    ValueError
        A system that is not known.

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
    if system not in known_systems():
        raise ValueError(
            f"unknown system '{system}'; known systems: "
            + ", ".join(known_systems())
        )
    sizes = SMOKE[system] if smoke else {}
    model = {**MODELS, **TOOLKIT_MODELS}[system]
    lines = [f"separator: !new:{model.__module__}.{model.__name__}"]
    for key, parameter in inspect.signature(model).parameters.items():
        value = sizes.get(key, parameter.default)
        if key in ("num_spks", "sample_rate", "memory"):
            value = f"!ref <{key}>"
        lines.append(f"    {key}: {_scalar(value)}")
        if key == "memory":
            lines.insert(0, f"memory: {parameter.default}")
    lines += ["modules:", "    separator: !ref <separator>"]
    return "\n".join(lines)


def loaded_block(folder, trust=False):
    """The YAML text that builds the model of a model folder.

    Arguments
    ---------
    folder : str or Path
        As ``spmamba export`` writes it.
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
    check_folder(folder)
    path = Path(folder) / HPARAMS_FILE
    if not trust:
        read_model_yaml(path)
    yaml, text = YAML(typ="rt"), io.StringIO()
    yaml.indent(mapping=4)
    settings = yaml.load(path.read_text(encoding="utf-8"))
    yaml.dump({"separator": settings["separator"]}, text)
    return text.getvalue() + "modules:\n    separator: !ref <separator>"


def _scalar(value):
    """A Python value as YAML."""
    if isinstance(value, float) and "." not in repr(value):
        return f"{value:.1e}"  # 1e-05 is text to YAML, 1.0e-05 is a number
    return value if isinstance(value, str) else json.dumps(value)
