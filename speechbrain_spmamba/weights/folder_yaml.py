"""The text of a model folder's ``hyperparams.yaml``.

Of a run it is the part that builds the model, of a model its arguments; then
come lines that are the same in every folder. ``safe_yaml`` lets these pass.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

from speechbrain_spmamba import safe_yaml
from speechbrain_spmamba.files.yaml_text import dump
from speechbrain_spmamba.weights.model_yaml import (
    read_model_part,
    read_trusted_part,
)

if TYPE_CHECKING:
    import torch


HEADER = """\
# Made by `spmamba {command}`; load it with
# WaveformSeparation.from_hparams(source=<this folder>).
"""

# What inference needs beside the model itself.
TAIL = """\
modules:
    separator: !ref <separator>
audio_normalizer: !new:speechbrain.dataio.preprocess.AudioNormalizer
    sample_rate: !ref <sample_rate>
pretrained_path: null # another folder with weights for this model
pretrainer: !new:speechbrain_spmamba.weights.pretrainer.SeparatorPretrainer
    separator: !ref <separator>
    pretrained_path: !ref <pretrained_path>
"""

# The same, and the model as the three parts of the toolkit's classes.
TOOLKIT_TAIL = TAIL.replace(
    """\
modules:
    separator: !ref <separator>
""",
    """\
encoder: !new:speechbrain_spmamba.models.toolkit.SpectrumEncoder
masknet: !new:speechbrain_spmamba.models.toolkit.RatioMasks
    model: !ref <separator>
decoder: !new:speechbrain_spmamba.models.toolkit.SpectrumDecoder
modules:
    separator: !ref <separator>
    encoder: !ref <encoder>
    masknet: !ref <masknet>
    decoder: !ref <decoder>
""",
)
LAYOUTS = {"model": TAIL, "toolkit": TOOLKIT_TAIL}


def inference_yaml(
    hparams_file: str | Path,
    trust: bool = False,
    layout: str = "model",
    text: str | None = None,
) -> str:
    """The part of a training YAML that builds the model, made loadable.

    Arguments
    ---------
    hparams_file : str or Path
        A YAML file without references, as a run keeps it.
    trust : bool
        Take the part as it is; else it may only build a model of this
        package, and is written anew.
    layout : str
        One of ``LAYOUTS``.
    text : str, optional
        What is read in place of what stands in the file.

    Returns
    -------
    str
        YAML text with ``sample_rate``, ``num_spks``, ``separator``,
        ``modules`` and ``pretrainer``; ``window`` and ``overlap`` if there.

    Raises
    ------
    ValueError
        A key is missing, or the part is more than a model.
    """
    needed = ("sample_rate", "num_spks", "separator")
    if trust:
        wanted = (*needed, *safe_yaml.WINDOWS)
        part = read_trusted_part(hparams_file, wanted, text)
    else:
        part = read_model_part(hparams_file, text)
    for key in needed:
        if not re.search(f"^{key}:", part, re.MULTILINE):
            raise ValueError(
                f"{hparams_file} has no key '{key}'; was it written by "
                "train.py of this package?"
            )
    return HEADER.format(command="export") + f"{part}\n{LAYOUTS[layout]}"


def model_yaml(separator: torch.nn.Module, arguments: dict) -> str:
    """The YAML text that builds a model of this package.

    Arguments
    ---------
    separator
        As for ``write_model``.
    arguments : dict
        Its arguments: numbers, words, True and False.

    Returns
    -------
    str
        As ``inference_yaml`` gives it.

    Example
    -------
    >>> from speechbrain_spmamba.models import build_model
    >>> arguments = {"num_spks": 3, "num_blocks": 1}
    >>> text = model_yaml(build_model("dprnn", **arguments), arguments)
    >>> print("\\n".join(text.splitlines()[2:7]))
    sample_rate: 16000
    num_spks: 3
    separator: !new:speechbrain_spmamba.models.dprnn.DPRNN
        num_spks: 3
        num_blocks: 1
    """
    known = inspect.signature(type(separator)).parameters
    text = dump({k: v for k, v in arguments.items() if k in known})
    lines = [f"    {line}" for line in text.splitlines()]
    model = type(separator)
    return HEADER.format(command="convert") + "\n".join(
        [
            f"sample_rate: {separator.sample_rate}",
            f"num_spks: {separator.num_spks}",
            f"separator: !new:{model.__module__}.{model.__qualname__}",
            *lines,
            TAIL,
        ]
    )
