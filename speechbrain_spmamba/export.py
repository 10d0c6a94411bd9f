"""From a training run to a folder that ``WaveformSeparation`` loads.

hyperparams.yaml   builds the model; what it was trained with stays behind
separator.ckpt     its weights
"""

import io
from pathlib import Path

import torch
from ruamel.yaml import YAML
from speechbrain.utils.checkpoints import Checkpointer

from speechbrain_spmamba.audio import replacing
from speechbrain_spmamba.inference import HPARAMS_FILE, WEIGHTS_FILE

HEADER = """\
# Made by `spmamba export`; load it with
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


def export(results_folder, output_folder, key="loss"):
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

    Returns
    -------
    Path
        The model folder.

    Raises
    ------
    ValueError
        The folder is no finished run, or the run has no such checkpoint.
    """
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
    with replacing(output_folder / WEIGHTS_FILE) as temporary:
        torch.save(state, temporary)
    with replacing(output_folder / HPARAMS_FILE) as temporary:
        temporary.write_text(inference_yaml(hparams_file), encoding="utf-8")
    return output_folder


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
    return HEADER + text.getvalue() + TAIL
