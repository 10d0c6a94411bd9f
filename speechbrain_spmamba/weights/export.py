"""From a training run to a folder that ``WaveformSeparation`` loads.

hyperparams.yaml        builds the model; what it was trained with stays behind
separator.ckpt          its weights
separator.safetensors   the same, for other programs; does in its place
custom_interface.py     names the class that the toolkit's foreign_class wants
SHA256SUMS              sums of these four, checked when they are loaded
README.md               model card, for the Hugging Face Hub and for people
<name>.py               a model of one's own comes with its module

The run is one of ``train.py``, or of a recipe of the toolkit (``toolkit_run``).
A model folder is made anew from itself, for another layout.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from speechbrain_spmamba.builtin.models import CARD_FILE, find_model
from speechbrain_spmamba.files.checksums import SUMS_FILE, sums_text
from speechbrain_spmamba.files.lock import locked
from speechbrain_spmamba.files.own_code import find_own_code
from speechbrain_spmamba.files.text import read_text
from speechbrain_spmamba.files.writing import replacing_all
from speechbrain_spmamba.training.checkpoint import (
    AtomicCheckpointer,
    weights_file,
)
from speechbrain_spmamba.weights.build import (
    build_trusted,
    build_with_weights,
    fill,
)
from speechbrain_spmamba.weights.folder_yaml import LAYOUTS, inference_yaml
from speechbrain_spmamba.weights.model_card import known_license, model_card
from speechbrain_spmamba.weights.model_folder import (
    HPARAMS_FILE,
    SAFETENSORS_FILE,
    WEIGHTS_FILE,
    find_weights,
    local_files,
)
from speechbrain_spmamba.weights.state_dict import (
    check_finite,
    read_weights,
)
from speechbrain_spmamba.weights.toolkit_run import (
    FIGURE,
    find_recoverable,
    is_toolkit_run,
    model_text,
    read_toolkit_facts,
)
from speechbrain_spmamba.weights.training_run import (
    check_no_run,
    read_facts,
    read_settings,
)

if TYPE_CHECKING:
    from speechbrain.utils.checkpoints import Checkpoint


INTERFACE_FILE = "custom_interface.py"
INTERFACE = Path(__file__).parents[1] / INTERFACE_FILE  # read, not imported
# What a checkpoint's description has beside figures.
NO_FIGURES = {"unixtime", "end-of-epoch", "epoch", "minutes"}


def export(
    source: str | Path,
    output_folder: str | Path,
    key: str | None = None,
    license: str | None = None,
    overwrite: bool = False,
    trust: bool = False,
    layout: str = "model",
) -> Path:
    """Makes a model folder of the best checkpoint of a run.

    Arguments
    ---------
    source : str or Path
        Output folder of ``train.py`` or of a separation recipe of the
        toolkit, with ``hyperparams.yaml`` and ``save/CKPT*``; or a model
        folder, or the name of a model of the package.
    output_folder : str or Path
        The model folder.
    key : str, optional
        Figure of the checkpoints of which the smallest is best; by default
        that which such a run keeps, ``loss`` or ``si-snr``.
    license : str, optional
        Licence of the weights, as the Hub names it, for the model card of a
        run; a model folder keeps the card that it has.
    overwrite : bool
        Replace the files of a folder that is not empty.
    trust : bool
        Build whatever the run's settings say, which may run any code: for
        models of one's own making.
    layout : str
        "model": for this package. "toolkit": for ``SepformerSeparation`` of
        the toolkit as well.

    Returns
    -------
    Path
        The model folder.

    Raises
    ------
    ValueError
        The folder is no finished run and no model, the run has no such
        checkpoint, its model is none of this package, its weights do not fit
        its settings, there is something in the model folder, or there is no
        such licence or layout.
    """
    check_output(output_folder, overwrite)
    if layout not in LAYOUTS:
        raise ValueError(
            f"layout is '{layout}'; expected {' or '.join(LAYOUTS)}"
        )
    license = None if license is None else known_license(license)
    output_folder, folder = Path(output_folder), Path(find_model(source))
    hparams_file = folder / HPARAMS_FILE
    if not hparams_file.is_file():
        raise ValueError(
            f"{folder} is no training run: it has no {HPARAMS_FILE}; "
            "give the output folder of train.py, or a model folder"
        )
    if find_weights(folder) and not (folder / "save").exists():
        found = _read_model(folder, license)
    else:
        found = _read_run(folder, hparams_file, key, license)
    part, state, path, card = found
    text = inference_yaml(hparams_file, trust, layout, part)
    separator = _build(text, hparams_file, state, path, trust)
    if layout == "toolkit":
        _check_lengths(separator)
    code = find_own_code(hparams_file, text) if trust else {}
    write_model(output_folder, separator, text, card(separator), code)
    return output_folder


def _read_run(folder, hparams_file, key, license):
    """Of a run: text of its model, weights, their file, and what cards it."""
    settings = read_settings(hparams_file)
    text, wanted, read, prefix = None, weights_file, read_facts, "module."
    if is_toolkit_run(settings):
        name, prefix = find_recoverable(settings, hparams_file)
        text, read = model_text(hparams_file), read_toolkit_facts

        def wanted(checkpoint):
            return checkpoint.path / f"{name}.ckpt"

    key = key or ("loss" if text is None else FIGURE)
    checkpoint, state = find_best(folder / "save", key, wanted)
    state.pop("n_averaged", None)
    state = {name.removeprefix(prefix): w for name, w in state.items()}

    def card(separator):
        return model_card(read(folder, checkpoint), separator, license)

    return text, state, wanted(checkpoint), card


def _read_model(folder, license):
    """Of a model folder, the same."""
    if license is not None:
        raise ValueError(
            f"{folder} is a model folder, which keeps the card that it has; "
            f"leave out --license and write it into {CARD_FILE}"
        )
    _, path = local_files(folder)
    card = folder / CARD_FILE
    text = read_text(card) if card.is_file() else None
    return None, read_weights(path), path, lambda separator: text


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


def _check_lengths(separator):
    """Raises ValueError for a network that the toolkit's parts cannot call."""
    try:
        inspect.signature(separator.forward).bind(None, None)
    except TypeError:
        raise ValueError(
            f"{type(separator).__name__}.forward takes no lengths, which the "
            "layout 'toolkit' has to give it; expected forward(mix, "
            "lengths=None)"
        ) from None


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

    code = code or {}
    summed = [HPARAMS_FILE, WEIGHTS_FILE, SAFETENSORS_FILE]
    if INTERFACE_FILE not in code:
        summed.append(INTERFACE_FILE)
    names = [*summed, SUMS_FILE, *([CARD_FILE] if card else [])]
    state = {
        name: tensor.detach().cpu().clone().contiguous()
        for name, tensor in separator.state_dict().items()
    }
    finals = [Path(folder) / name for name in (*names, *code)]
    # Two that write at once would leave files of both.
    with locked(folder), replacing_all(finals) as paths:
        there = dict(zip((*names, *code), paths, strict=True))
        there[HPARAMS_FILE].write_text(text, encoding="utf-8")
        torch.save(state, there[WEIGHTS_FILE])
        there[SAFETENSORS_FILE].write_bytes(
            save(state, metadata={"format": "pt"})
        )
        if INTERFACE_FILE in summed:
            there[INTERFACE_FILE].write_bytes(INTERFACE.read_bytes())
        sums = sums_text({name: there[name] for name in summed})
        there[SUMS_FILE].write_text(sums, encoding="ascii")
        if card:
            there[CARD_FILE].write_text(card, encoding="utf-8")
        for name, file in code.items():
            there[name].write_bytes(file.read_bytes())


def find_best(
    save_folder: str | Path, key: str = "loss", wanted: Callable = weights_file
) -> tuple[Checkpoint, dict]:
    """The checkpoint with the smallest figure, of those that are whole.

    Arguments
    ---------
    save_folder : str or Path
        Folder with ``CKPT*``.
    key : str
        The figure.
    wanted : callable
        ``wanted(checkpoint) -> Path`` of its weights.

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
            return checkpoint, read_weights(wanted(checkpoint))
        except ValueError as error:
            checkpointer.leave_out(checkpoint.path, str(error))
    kept = {k for c in checkpointer.list_checkpoints() for k in c.meta}
    others = ", ".join(sorted(kept - NO_FIGURES)) or "none"
    raise ValueError(
        f"{save_folder} has no checkpoint with a '{key}' (other figures: "
        f"{others}); has the run finished its first epoch?"
    )
