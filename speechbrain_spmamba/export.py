"""From a training run to a folder that ``WaveformSeparation`` loads.

hyperparams.yaml        builds the model; what it was trained with stays behind
separator.ckpt          its weights
separator.safetensors   the same, for other programs
README.md               model card, for the Hugging Face Hub and for people
"""

import inspect
import io
from pathlib import Path

import torch
from hyperpyyaml import load_hyperpyyaml
from ruamel.yaml import YAML
from speechbrain.utils.checkpoints import Checkpointer

from speechbrain_spmamba.audio import replacing_all
from speechbrain_spmamba.inference import HPARAMS_FILE, WEIGHTS_FILE
from speechbrain_spmamba.model_card import known_license, model_card

SAFETENSORS_FILE = "separator.safetensors"
CARD_FILE = "README.md"

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
    results_folder, output_folder, key="loss", license=None, overwrite=False
):
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

    Returns
    -------
    Path
        The model folder.

    Raises
    ------
    ValueError
        The folder is no finished run, the run has no such checkpoint, its
        weights do not fit its settings, there is something in the model
        folder, or the licence is none.
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
    checkpoint = find_best(results_folder / "save", key)
    # A run with an average of its weights was validated on that average.
    path = checkpoint.paramfiles.get("average")
    path = path or checkpoint.paramfiles["separator"]
    state = torch.load(path, map_location="cpu", weights_only=True)
    state.pop("n_averaged", None)
    state = {name.removeprefix("module."): w for name, w in state.items()}
    text = inference_yaml(hparams_file)
    separator = load_hyperpyyaml(text)["separator"]
    try:
        separator.load_state_dict(state, strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(
            f"{path} does not fit the model of {hparams_file}: {reason}"
        ) from None
    card = model_card(results_folder, checkpoint, separator, license)
    write_model(output_folder, separator, text, card)
    return output_folder


def check_output(folder, overwrite=False):
    """Raises ValueError where a model would replace what is in a folder."""
    folder = Path(folder)
    if folder.is_dir() and any(folder.iterdir()) and not overwrite:
        raise ValueError(
            f"{folder} is not empty; choose another folder, or replace its "
            "model with --overwrite (convert: --overwrite True)"
        )


def write_model(folder, separator, text, card=None):
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
    """
    from safetensors.torch import save

    names = [HPARAMS_FILE, WEIGHTS_FILE, SAFETENSORS_FILE]
    names += [CARD_FILE] if card else []
    state = {
        name: tensor.detach().cpu().clone().contiguous()
        for name, tensor in separator.state_dict().items()
    }
    with replacing_all([Path(folder) / name for name in names]) as paths:
        paths[0].write_text(text, encoding="utf-8")
        torch.save(state, paths[1])
        paths[2].write_bytes(save(state, metadata={"format": "pt"}))
        if card:
            paths[3].write_text(card, encoding="utf-8")


def find_best(save_folder, key="loss"):
    """The checkpoint with the smallest figure.

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

    Raises
    ------
    ValueError
        There is none.
    """
    if Path(save_folder).is_dir():
        checkpoint = Checkpointer(save_folder).find_checkpoint(min_key=key)
        if checkpoint is not None:
            return checkpoint
    raise ValueError(
        f"{save_folder} has no checkpoint with a '{key}'; has the run "
        "finished its first epoch?"
    )


def inference_yaml(hparams_file):
    """The part of a training YAML that builds the model, made loadable.

    Arguments
    ---------
    hparams_file : str or Path
        A YAML file without references, as a run keeps it.

    Returns
    -------
    str
        YAML text with ``sample_rate``, ``num_spks``, ``separator``,
        ``modules`` and ``pretrainer``.

    Raises
    ------
    ValueError
        A key is missing.
    """
    yaml = YAML(typ="rt")
    settings = yaml.load(Path(hparams_file).read_text(encoding="utf-8"))
    kept = {}
    for key in ("sample_rate", "num_spks", "separator"):
        if key not in settings:
            raise ValueError(
                f"{hparams_file} has no key '{key}'; was it written by "
                "train.py of this package?"
            )
        kept[key] = settings[key]
    text = io.StringIO()
    yaml.dump(kept, text)
    # Comments between the keys are of the training that stays behind.
    lines = [
        line
        for line in text.getvalue().splitlines()
        if line.strip() and not line.lstrip().startswith("#")
    ]
    return HEADER.format(command="export") + "\n".join([*lines, TAIL])


def model_yaml(separator, arguments):
    """The YAML text that builds a model of this package.

    Arguments
    ---------
    separator : torch.nn.Module
        The model.
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
    text = io.StringIO()
    YAML().dump({k: v for k, v in arguments.items() if k in known}, text)
    lines = [f"    {line}" for line in text.getvalue().splitlines()]
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
