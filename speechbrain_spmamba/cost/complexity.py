"""What a model costs: parameters, MACs, time, memory, and how they grow.

    model -> count (shapes alone) -> parameters, MACs per second, their parts
    model -> measure (its own process) -> real-time factor, peak memory
    lengths, values -> growth -> fitted exponent

``cost/operators.py`` says what a multiply-accumulate (MAC) is,
``docs/complexity.md`` why, and how other counters differ. Two figures are
given where a model is computed in another form than it was published in:
`macs` is the network as published, the figure to compare with other systems;
`macs_computed` is what this package really multiplies (the folded paths of
SPMamba).
"""

import copy
import functools
import importlib.metadata
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from speechbrain_spmamba.builtin.models import builtin_models, find_model
from speechbrain_spmamba.cost.operators import count_operators
from speechbrain_spmamba.cost.time_and_memory import (
    Measurement,
    measure_in_turns,
)
from speechbrain_spmamba.models import build_model
from speechbrain_spmamba.models.systems import SYSTEMS
from speechbrain_spmamba.nnet.mamba_path import (
    FoldedPaths,
    folded_together,
    plain_paths,
)
from speechbrain_spmamba.upstream.private import without_values
from speechbrain_spmamba.weights.build import (
    build_trusted,
    build_without_weights,
)
from speechbrain_spmamba.weights.model_folder import HPARAMS_FILE, check_file
from speechbrain_spmamba.weights.model_yaml import (
    read_model_part,
    read_trusted_part,
)


def count(
    model: torch.nn.Module, seconds: float = 1.0, computed: bool = True
) -> dict:
    """Counts parameters and multiply-accumulates; computes nothing.

    Arguments
    ---------
    model : torch.nn.Module
        Any model of this package, on any device.
    seconds : float
        Length of the recording.
    computed : bool
        Whether to count ``macs_computed`` too. For SPMamba that takes seconds
        of time for a second of audio; all else takes one whatever the length.

    Returns
    -------
    dict
        ``parameters``; for each second of audio: ``macs`` of the network as
        published, ``macs_scan_as_operations`` (each addition and each
        multiplication of a scan as one MAC, as SPMamba's authors count),
        ``macs_computed``, ``parts`` (part of the network -> MACs, the
        largest first); and ``seconds``.

    Example
    -------
    >>> found = count(build_model("conv_tasnet"))
    >>> found["parameters"], found["macs"], found["parts"]["blocks.expand"]
    (5050545, 9832030208, 3148873728)
    """
    with plain_paths():
        published = executed = _trace(model, seconds)
    if FoldedPaths.of(model).paths and computed:
        executed = _trace(model, seconds, warm_up=True)
    parts, scan = Counter(), 0
    for (module, kind), macs in published.items():
        parts[part_name(model, module, kind)] += macs
        scan += macs if kind == "scan" else 0
    total = sum(published.values())
    found = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "macs": round(total / seconds),
        "macs_scan_as_operations": round((total + scan) / seconds),
        "macs_computed": round(sum(executed.values()) / seconds),
        "parts": {n: round(m / seconds) for n, m in parts.most_common()},
        "seconds": seconds,
    }
    if not computed:
        del found["macs_computed"]
    return found


def _trace(model, seconds, warm_up=False):
    """Counts one pass of a copy over a recording without values."""
    model = copy.deepcopy(model).to("cpu").eval()
    with without_values(), folded_together(FoldedPaths.of(model)):
        if warm_up:
            # Weights are folded once for all seconds.
            count_operators(model, silence(model, 0.1))
        return count_operators(model, silence(model, seconds))


def silence(model: torch.nn.Module, seconds: float) -> torch.Tensor:
    """A recording that a model takes.

    Arguments
    ---------
    model : torch.nn.Module
        With ``sample_rate`` and, for several microphones, ``num_mics``.
    seconds : float
        Its length.

    Returns
    -------
    torch.Tensor
        Zeros, ``[1, T]`` or ``[1, T, num_mics]``.

    Raises
    ------
    ValueError
        It would not have a sample.
    """
    rate: Any = model.sample_rate
    samples = round(seconds * rate)
    if samples < 1:
        raise ValueError(
            f"{seconds} s at {model.sample_rate} Hz is no sample; give a "
            "longer recording"
        )
    mics = getattr(model, "num_mics", 1)
    return torch.zeros((1, samples) if mics == 1 else (1, samples, mics))


def part_name(model: torch.nn.Module, module: str, kind: str) -> str:
    """The part of the network that an operator belongs to.

    Arguments
    ---------
    model : torch.nn.Module
        The network.
    module, kind : str
        Where the operator was called and what it is, see ``count_operators``.

    Returns
    -------
    str
        First and last name of the module without numbers; and the kind,
        unless the module is a layer, whose kind is plain.

    Example
    -------
    >>> model = build_model("spmamba", num_blocks=1)
    >>> path = "blocks.0.intra.mixer.forward_branch.mamba"
    >>> part_name(model, path, "scan")
    'blocks.mamba (scan)'
    >>> part_name(model, path + ".in_proj", "product")
    'blocks.in_proj'
    """
    names = [name for name in module.split(".") if not name.isdigit()]
    names = [names[0], names[-1]] if len(names) > 2 else names
    layer = not any(True for _ in model.get_submodule(module).children())
    label = ".".join(name for name in names if name)
    if layer and label:
        return label
    return f"{label} ({kind})" if label else f"({kind})"


def measure(
    model: str | Path | Callable,
    seconds: float = 1.0,
    device: str = "cpu",
    step: bool = False,
    repeats: int = 3,
    trust: bool = False,
) -> dict:
    """Measures time and memory of a model in a process of its own.

    Arguments
    ---------
    model : str or Path or callable
        What ``load`` takes, or the ``build`` of a ``Measurement``.
    seconds : float
        Length of the recording.
    device, step
        See ``Measurement``.
    repeats : int
        Runs, of which the median counts.
    trust : bool
        See ``load``.

    Returns
    -------
    dict
        ``seconds`` of computing, ``rtf`` (for a second of audio) and
        ``peak_bytes`` with weights and gradients, see ``measure_in_turns``.

    Raises
    ------
    ValueError
        It does not run here; the message says why.
    """
    build = model
    if not callable(build):
        build = functools.partial(load, build, trust=trust)
    wanted = Measurement(build, (seconds,), device, step)
    found = measure_in_turns({"": wanted}, repeats)[""][0]
    if "error" in found:
        raise ValueError(
            f"{model} did not run for {seconds:g} s on {device}: "
            f"{found['error']}"
        )
    return found


def growth(lengths: Sequence[float], values: Sequence[float]) -> float | None:
    """Fits ``value = c * length ** exponent`` by least squares of logarithms.

    Arguments
    ---------
    lengths : sequence of float
        Lengths of recordings.
    values : sequence of float
        What they cost.

    Returns
    -------
    float or None
        The exponent; None of fewer than two lengths.

    Example
    -------
    >>> round(growth([1, 2, 4], [3, 12, 48]), 6)
    2.0
    """
    if len(set(lengths)) < 2:
        return None
    x = torch.tensor(lengths, dtype=torch.float64).log()
    y = torch.tensor(values, dtype=torch.float64).log()
    x, y = x - x.mean(), y - y.mean()
    return ((x * y).sum() / (x * x).sum()).item()


def ptflops(model: torch.nn.Module, seconds: float = 1.0) -> dict | None:
    """What the library ptflops counts; most of the model is computed for it.

    Arguments
    ---------
    model, seconds
        See ``count``; the model is taken as published.

    Returns
    -------
    dict or None
        ``macs`` for a second of audio and ``version`` of the library; None
        where it is not installed.
    """
    try:
        from ptflops import get_model_complexity_info
    except ImportError:
        return None
    model = copy.deepcopy(model).to("cpu")
    samples = silence(model, seconds).shape[1]
    for module in model.modules():
        if isinstance(module, torch.nn.RNNBase):
            # It counts these by their shapes, and they take the longest.
            module.forward = functools.partial(_zeros, module)
    with torch.no_grad(), plain_paths():
        macs, _ = get_model_complexity_info(
            model,
            (samples,),
            input_constructor=lambda _: silence(model, seconds),
            as_strings=False,
            print_per_layer_stat=False,
            backend="pytorch",
        )
    if macs is None:  # it has printed why
        raise ValueError("ptflops cannot count this model; see its message")
    version = importlib.metadata.version("ptflops")
    return {"macs": round(macs / seconds), "version": version}


def _zeros(layer, x, states=None):
    """In place of a recurrent layer's output; nothing reads its states."""
    width = layer.hidden_size * (1 + layer.bidirectional)
    return x.new_zeros(*x.shape[:-1], width), states


def load(
    source: str | Path, num_spks: int | None = None, trust: bool = False
) -> torch.nn.Module:
    """Builds a model of a name, or of the settings of an experiment.

    Arguments
    ---------
    source : str or Path
        Name of a system, a YAML file with the key ``separator``, or a
        folder with a ``hyperparams.yaml``: a model folder, a model of the
        package by its name, or a training run. Weights are not read.
    num_spks : int, optional
        Sources; by default as the model or the file has it.
    trust : bool
        Build whatever the file says, which may run any code; else only a
        model of this package.

    Returns
    -------
    torch.nn.Module
        The model.

    Raises
    ------
    ValueError
        There is no such model or file, or the file has no separator, or one
        that is not trusted.

    Example
    -------
    >>> load("conv_tasnet", num_spks=3).num_spks
    3
    """
    path = Path(find_model(source))
    path = path / HPARAMS_FILE if path.is_dir() else path
    overrides = {} if num_spks is None else {"num_spks": num_spks}
    if not path.is_file():
        if path.suffix in (".yaml", ".yml") or path != Path(source):
            raise ValueError(
                f"{path} does not exist; give a model's name, an "
                "experiment's YAML file or a model folder"
            )
        if str(source) not in SYSTEMS:
            known = ", ".join([*SYSTEMS, *builtin_models()])
            raise ValueError(
                f"unknown model '{source}'; give a model folder, an "
                f"experiment's YAML file or one of {known}"
            )
        return build_model(str(source), **overrides)
    check_file(path)
    if trust:
        text = read_trusted_part(path, ["separator"])
    else:
        text = read_model_part(path)
    if not re.search("^separator:", text, re.MULTILINE):
        raise ValueError(
            f"{path} has no key 'separator'; give the YAML file of an "
            "experiment"
        )
    if not re.search("^num_spks:", text, re.MULTILINE):
        overrides = {}
    make = build_trusted if trust else build_without_weights
    return make(text, path, overrides)["separator"]
