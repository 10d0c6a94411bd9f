"""Published weights of other code bases, renamed and reshaped to ours.

Nothing is computed: tensors are renamed, squeezed, and the heads' separate
1x1 convolutions stacked into one matrix. A key too many or too few is an
error, so that a checkpoint either loads as a whole or not at all.

The arguments of a model come from the shapes of its weights, which do not
lie; what they do not tell (the hop of an STFT), from the settings in the file
or beside it; what is nowhere is assumed to be as published, and said.
"""

import inspect
from pathlib import Path
from typing import Any

from speechbrain_spmamba.files.names import shown
from speechbrain_spmamba.models.arguments import check_argument
from speechbrain_spmamba.models.systems import SYSTEMS
from speechbrain_spmamba.weights.export import check_output, write_model
from speechbrain_spmamba.weights.folder_yaml import model_yaml
from speechbrain_spmamba.weights.published.checkpoint import (
    find_weights,
    own_settings,
    read_file,
)
from speechbrain_spmamba.weights.published.network import (
    convertible,
    find_arguments,
    find_choices,
    find_layout,
    find_network,
)
from speechbrain_spmamba.weights.published.renaming import PublishedWeights
from speechbrain_spmamba.weights.state_dict import (
    check_finite,
    check_tensors,
    load_weights,
)
from speechbrain_spmamba.weights.training_run import read_settings

ANY_SYSTEM = "look2hear"


def convert_state_dict(model_name: str, state_dict: dict) -> dict:
    """Maps a published state dict onto the model of that name.

    Arguments
    ---------
    model_name : str
        One of ``published.network.convertible()``.
    state_dict
        As for ``published.renaming.PublishedWeights``.

    Returns
    -------
    dict
        Tensors under our names, ready for a strict ``load_state_dict``.

    Raises
    ------
    ValueError
        No published form of that model is known, or the state dict lacks a
        key or has one too many; the message names them.

    Example
    -------
    >>> import torch
    >>> convert_state_dict("spmamba", {"conv.0.weight": torch.zeros(1)})
    Traceback (most recent call last):
        ...
    ValueError: state dict is not a published spmamba: lacks 'conv.0.bias'
    """
    if model_name not in convertible():
        raise ValueError(
            f"no published weights are known for '{model_name}'; "
            f"known: {', '.join(convertible())}"
        )
    weights = PublishedWeights(model_name, state_dict)
    try:
        find_layout(model_name, state_dict).convert(weights)
    except (RuntimeError, IndexError) as error:
        raise ValueError(
            f"{weights.problem}: shapes do not fit ({str(error)[:200]})"
        ) from None
    weights.check_empty()
    return weights.converted


def convert_checkpoint(
    system: str,
    path: str | Path,
    output_folder: str | Path,
    config: str | Path | None = None,
    skip_objects: bool = False,
    prefix: str | None = None,
    overwrite: bool = False,
    **options: Any,
) -> tuple[Path, list[str]]:
    """Makes a model folder of a published checkpoint.

    Arguments
    ---------
    system : str
        One of ``published.network.convertible()``, or "look2hear": that which
        the file has.
    path : str or Path
        The checkpoint.
    output_folder, overwrite
        As for ``export``.
    config : str or Path, optional
        YAML file of the published code that made the checkpoint.
    skip_objects : bool
        See ``weights.published.checkpoint.read_file``.
    prefix : str, optional
        What stands before the names of the weights, if the file has several
        networks.
    **options : dict
        Arguments of the model that the weights do not tell.

    Returns
    -------
    Path
        The model folder.
    list of str
        What is worth knowing, a line each.

    Raises
    ------
    ValueError
        A file that is no checkpoint of that system, or options that its
        weights contradict, or a folder that is not empty. Nothing is written
        then.
    """
    if system != ANY_SYSTEM and system not in convertible():
        raise ValueError(
            f"no published weights are known for '{system}'; known: "
            f"{', '.join(convertible())}, or {ANY_SYSTEM} for the file to tell"
        )
    check_output(output_folder, overwrite)
    content = read_file(path, skip_objects)
    settings = [own_settings(content)]
    if config is not None:
        settings.append(read_settings(config))
    wanted = None if system == ANY_SYSTEM else system
    try:
        every = find_weights(content)
        # Asteroid's files name one tensor twice.
        check_tensors(every, most=2 * Path(path).stat().st_size)
        system, weights = find_network(every, wanted, prefix)
        layout = find_layout(system, weights)
        if _model_name(content) in getattr(layout, "OTHER_NETWORKS", ()):
            raise ValueError(
                "a network that is not known, though its names are"
            )
        # Settings first: they can say what a misfit of the names is.
        arguments, notes = _arguments(system, weights, settings, options)
        state = convert_state_dict(system, weights)
        separator = _build(system, arguments, state)
    except ValueError as error:
        called = (
            f" ({shown(name[:60])})" if (name := _model_name(content)) else ""
        )
        # Names in a file may be of any length and hold any character.
        raise ValueError(f"{path}{called}: {shown(error)[:500]}") from None
    write_model(output_folder, separator, model_yaml(separator, arguments))
    if len(weights) < len(every):
        notes.append(f"left out: {len(every) - len(weights)} other tensors")
    return Path(output_folder), [f"system: {system}", *notes]


def _model_name(content):
    """The published name of the network, where a file has it."""
    name = content.get("model_name") if isinstance(content, dict) else None
    return name if isinstance(name, str) else ""


def _arguments(system, weights, settings, options):
    """Arguments of the model, and lines that say where they are from."""
    layout = find_layout(system, weights)
    known = inspect.signature(SYSTEMS[system].model).parameters
    for key in options:
        if key not in known:
            raise ValueError(
                f"{system} has no argument --{key}; it has "
                + ", ".join(f"--{name}" for name in known)
            )
    # Settings of other programs are numbers where they are called as ours.
    own = {
        name: name
        for name, argument in known.items()
        if not isinstance(argument.default, (bool, str))
    }
    names = {**layout.NAMES, **own}
    given, notes = {}, []
    for tree in settings:
        given.update(find_arguments(tree, names))
        given.update(find_choices(tree, getattr(layout, "CHOICES", {})))
    given.update(options)
    for key in [key for key in given if key in known]:
        try:
            check_argument(key, given[key], known[key].default)
        except ValueError as error:
            fault = str(error).removeprefix(f"'{key}' ")
            if key in options:
                raise ValueError(f"--{key} {fault}") from None
            raise ValueError(f"its {key} {fault}; set --{key}") from None
    try:
        published = PublishedWeights(system, weights)
        told, assumed = layout.measure(published, given)
    except (IndexError, ArithmeticError) as error:
        raise ValueError(f"shapes are not of a {system} ({error})") from None
    for key, value in told.items():
        if key in options and options[key] != value:
            raise ValueError(
                f"--{key} is {options[key]}, but the weights are those of "
                f"{key} = {value}; leave it out"
            )
        if key in given and given[key] != value:
            notes.append(
                f"{key} = {value}, as the weights have it, not {given[key]}, "
                "as the settings say"
            )
    guesses = [f"{k} = {v}" for k, v in assumed.items() if k not in given]
    if guesses:
        notes.append(
            f"assumed, for the weights do not tell: {', '.join(guesses)} "
            "(set with --key value, or give the --config of the run)"
        )
    # What only ``measure`` asks for is no argument of ours.
    given = {key: value for key, value in given.items() if key in known}
    return {**assumed, **given, **told}, notes


def _build(system, arguments, state):
    """The model with its weights, or the first misfit in one line."""
    try:
        separator = SYSTEMS[system].model(**arguments)
    except (RuntimeError, ArithmeticError, TypeError) as error:
        raise ValueError(
            f"no {system} can be built of {arguments}: {str(error)[:200]}"
        ) from None
    ours = separator.state_dict()
    odd = sorted(set(ours) ^ set(state))
    if odd:
        raise ValueError(
            f"{len(odd)} weights are in the file or in the network only, "
            f"e.g. '{odd[0]}'"
        )
    for key, tensor in state.items():
        if ours[key].shape != tensor.shape:
            raise ValueError(
                f"'{key}' has shape {list(tensor.shape)}, expected "
                f"{list(ours[key].shape)}; is this another version of the "
                "network?"
            )
    load_weights(separator, state)
    try:
        check_finite(separator.state_dict())
    except ValueError as error:
        raise ValueError(f"{error}, and so is of no use") from None
    return separator
