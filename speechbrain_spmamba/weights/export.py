"""From a training run to a folder that ``WaveformSeparation`` loads.

hyperparams.yaml        builds the model; what it was trained with stays behind
separator.ckpt          its weights
separator.safetensors   the same, for other programs; does in its place
SHA256SUMS              sums of these three, checked when they are loaded
README.md               model card, for the Hugging Face Hub and for people
<name>.py               a model of one's own comes with its module
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from speechbrain_spmamba import safe_yaml
from speechbrain_spmamba.builtin.models import CARD_FILE
from speechbrain_spmamba.files.checksums import SUMS_FILE, sums_text
from speechbrain_spmamba.files.lock import locked
from speechbrain_spmamba.files.own_code import find_own_code
from speechbrain_spmamba.files.writing import replacing_all
from speechbrain_spmamba.files.yaml_text import dump
from speechbrain_spmamba.training.checkpoint import (
    AtomicCheckpointer,
    weights_file,
)
from speechbrain_spmamba.weights.build import (
    build_trusted,
    build_with_weights,
    fill,
)
from speechbrain_spmamba.weights.model_card import known_license, model_card
from speechbrain_spmamba.weights.model_folder import (
    HPARAMS_FILE,
    SAFETENSORS_FILE,
    WEIGHTS_FILE,
)
from speechbrain_spmamba.weights.model_yaml import (
    read_model_part,
    read_trusted_part,
)
from speechbrain_spmamba.weights.state_dict import (
    check_finite,
    read_weights,
)
from speechbrain_spmamba.weights.training_run import check_no_run

if TYPE_CHECKING:
    from speechbrain.utils.checkpoints import Checkpoint


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
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        separator: !ref <separator>
    custom_hooks:
        separator: !name:speechbrain_spmamba.inference.strict_load
"""


def export(
    results_folder: str | Path,
    output_folder: str | Path,
    key: str = "loss",
    license: str | None = None,
    overwrite: bool = False,
    trust: bool = False,
) -> Path:
    """Makes a model folder of the best checkpoint of a run.

    Arguments
    ---------
    results_folder : str or Path
        Output folder of ``train.py``, with ``hyperparams.yaml`` and
        ``save/CKPT*``.
    output_folder : str or Path
        The model folder.
    key : str
        Figure of the checkpoints of which the smallest is best.
    license : str, optional
        Licence of the weights, as the Hub names it, for the model card.
    overwrite : bool
        Replace the files of a folder that is not empty.
    trust : bool
        Build whatever the run's settings say, which may run any code: for
        models of one's own making.

    Returns
    -------
    Path
        The model folder.

    Raises
    ------
    ValueError
        The folder is no finished run, the run has no such checkpoint, its
        model is none of this package, its weights do not fit its settings,
        there is something in the model folder, or the licence is none.
    """
    check_output(output_folder, overwrite)
    license = None if license is None else known_license(license)
    results_folder, output_folder = Path(results_folder), Path(output_folder)
    hparams_file = results_folder / HPARAMS_FILE
    if not hparams_file.is_file():
        raise ValueError(
            f"{results_folder} is no training run: it has no {HPARAMS_FILE}; "
            "give the output folder of train.py"
        )
    checkpoint, state = find_best(results_folder / "save", key)
    path = weights_file(checkpoint)
    state.pop("n_averaged", None)
    state = {name.removeprefix("module."): w for name, w in state.items()}
    text = inference_yaml(hparams_file, trust)
    separator = _build(text, hparams_file, state, path, trust)
    card = model_card(results_folder, checkpoint, separator, license)
    code = find_own_code(hparams_file, text) if trust else {}
    write_model(output_folder, separator, text, card, code)
    return output_folder


def check_output(folder, overwrite=False):
    """Raises ValueError where a model would replace what is in a folder."""
    check_no_run(folder)  # it has files of the same names
    folder = Path(folder)
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise ValueError(
            f"{folder} is not empty; choose another folder, or replace its "
            "model with --overwrite"
        )


def _build(text, hparams_file, state, path, trust):
    """The model with its weights."""
    try:
        check_finite(state)
    except ValueError as error:
        raise ValueError(f"{path} was not exported: {error}") from None
    misfit = f"{path} does not fit"
    if not trust:
        found = build_with_weights(text, hparams_file, state, misfit)
        return found["separator"]
    separator = build_trusted(text, hparams_file)["separator"]
    fill(separator, state, hparams_file, misfit)
    return separator


def write_model(
    folder: str | Path,
    separator: torch.nn.Module,
    text: str,
    card: str | None = None,
    code: dict | None = None,
) -> None:
    """Writes a model folder as a whole or not at all.

    Arguments
    ---------
    folder : str or Path
        The model folder.
    separator : torch.nn.Module
        The model.
    text : str
        Its ``hyperparams.yaml``.
    card : str, optional
        Its ``README.md``.
    code : dict, optional
        Name in the folder -> file, of modules that ``text`` names.
    """
    from safetensors.torch import save

    summed = [HPARAMS_FILE, WEIGHTS_FILE, SAFETENSORS_FILE]
    names = [*summed, SUMS_FILE, *([CARD_FILE] if card else [])]
    state = {
        name: tensor.detach().cpu().clone().contiguous()
        for name, tensor in separator.state_dict().items()
    }
    code = code or {}
    finals = [Path(folder) / name for name in (*names, *code)]
    # Two that write at once would leave files of both.
    with locked(folder), replacing_all(finals) as paths:
        paths[0].write_text(text, encoding="utf-8")
        torch.save(state, paths[1])
        paths[2].write_bytes(save(state, metadata={"format": "pt"}))
        sums = sums_text(dict(zip(summed, paths, strict=False)))
        paths[3].write_text(sums, encoding="ascii")
        if card:
            paths[4].write_text(card, encoding="utf-8")
        for path, file in zip(paths[len(names) :], code.values(), strict=True):
            path.write_bytes(file.read_bytes())


def find_best(
    save_folder: str | Path, key: str = "loss"
) -> tuple[Checkpoint, dict]:
    """The checkpoint with the smallest figure, of those that are whole.

    Arguments
    ---------
    save_folder : str or Path
        Folder with ``CKPT*``.
    key : str
        The figure.

    Returns
    -------
    speechbrain.utils.checkpoints.Checkpoint
        The best one.
    dict
        The weights it was validated with.

    Raises
    ------
    ValueError
        There is none.
    """
    checkpointer = AtomicCheckpointer(save_folder)
    for checkpoint in checkpointer.sound_checkpoints(min_key=key):
        try:
            return checkpoint, read_weights(weights_file(checkpoint))
        except ValueError as error:
            checkpointer.leave_out(checkpoint.path, str(error))
    raise ValueError(
        f"{save_folder} has no checkpoint with a '{key}'; has the run "
        "finished its first epoch?"
    )


def inference_yaml(hparams_file: str | Path, trust: bool = False) -> str:
    """The part of a training YAML that builds the model, made loadable.

    Arguments
    ---------
    hparams_file : str or Path
        A YAML file without references, as a run keeps it.
    trust : bool
        Take the part as it is; else it may only build a model of this
        package, and is written anew.

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
        part = read_trusted_part(hparams_file, (*needed, *safe_yaml.WINDOWS))
    else:
        part = read_model_part(hparams_file)
    for key in needed:
        if not re.search(f"^{key}:", part, re.MULTILINE):
            raise ValueError(
                f"{hparams_file} has no key '{key}'; was it written by "
                "train.py of this package?"
            )
    return HEADER.format(command="export") + f"{part}\n{TAIL}"


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
