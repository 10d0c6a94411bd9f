"""From a model to an ONNX file, checked before it has its name.

    the model in the form of a file (`deploy.layers`, `deploy.grid`)
        -> torch.export, torch.onnx -> our operators' functions, metadata
        -> ONNX Runtime and the model on noise of another length -> the file

From `deploy.export`; to both and to the packages onnx, onnxscript and
onnxruntime, which the extra [onnx] installs.
"""

import importlib
import logging
import warnings
from pathlib import Path
from typing import Any

import torch

from speechbrain_spmamba import __version__
from speechbrain_spmamba.deploy.bands import RealBSRNN
from speechbrain_spmamba.deploy.grid import RealGrid
from speechbrain_spmamba.deploy.layers import AllValid, with_file_layers
from speechbrain_spmamba.deploy.step import (
    CausalStep,
    run_steps,
    step_metadata,
)
from speechbrain_spmamba.files.writing import write_bytes
from speechbrain_spmamba.models.bsrnn import BSRNN
from speechbrain_spmamba.models.systems import SYSTEMS
from speechbrain_spmamba.models.tdanet import TDANet
from speechbrain_spmamba.nnet.tf_grid import TFGrid
from speechbrain_spmamba.prepare.seeded import generator
from speechbrain_spmamba.upstream.private import without_guards

OPSET = 20  # ONNX Runtime has it since 1.17
TOLERANCE = 1e-4  # of the peak of what the model gives
PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def write_onnx(
    model: torch.nn.Module, path: str | Path, licence: str | None = None
) -> float:
    """Writes a model as one ONNX file, if the file gives what the model gives.

    Its input is ``mix``, ``[batch, samples]`` (``[batch, samples, mics]`` of
    several microphones), its output ``estimates``, ``[batch, samples,
    num_spks]``, both float32, for any batch and any number of samples from
    ``min_samples`` on.

    Arguments
    ---------
    model : torch.nn.Module
        One of ``models``, or of the same contract.
    path : str or Path
        The file.
    licence : str, optional
        Of the weights, for the metadata.

    Returns
    -------
    float
        The largest difference that was found, over the peak.

    Raises
    ------
    ValueError
        A package is missing, the model has no such form, or the file does not
        give what the model gives.
    """
    onnx, *_ = packages()
    model = model.cpu().float().eval()
    content = convert(model, metadata(model, licence)).SerializeToString()
    if len(content) >= onnx.checker.MAXIMUM_PROTOBUF:
        raise ValueError(
            f"{path} was not written: an ONNX file has at most 2 GB, this one "
            f"would have {len(content) / 1e9:.1f}"
        )
    error = largest_error(content, model)
    if not error <= TOLERANCE:
        raise ValueError(
            f"{path} was not written: what ONNX Runtime gives differs from the "
            f"model by {error:.1e} of its peak; at most {TOLERANCE} is taken"
        )
    write_bytes(path, content)
    return error


def packages():
    """The modules onnx, onnxscript and onnxruntime.

    Raises
    ------
    ValueError
        One is not installed.
    """
    try:
        return [importlib.import_module(name) for name in PACKAGES]
    except ImportError as error:
        raise ValueError(
            f"ONNX files need {', '.join(PACKAGES)}, which are not all there "
            f"({error}); pip install 'speechbrain_spmamba[onnx]'"
        ) from None


def metadata(model: torch.nn.Module, licence: str | None = None) -> dict:
    """What a file tells of its model, in words.

    Arguments
    ---------
    model, licence
        See ``write_onnx``.

    Returns
    -------
    dict
        Of strings.

    Example
    -------
    >>> from speechbrain_spmamba.models import build_model
    >>> model = build_model("conv_tasnet", n_stacks=1, n_layers=2)
    >>> metadata(model, "cc-by-4.0")["min_samples"]
    '1'
    """
    system = [name for name, row in SYSTEMS.items() if type(model) is row.model]
    if getattr(model, "causal", None) and isinstance(model, TFGrid):
        own = step_metadata(model)
    else:
        least = model.stft.n_fft // 2 + 1 if hasattr(model, "stft") else 1
        own = {"min_samples": least}
    known = {
        "system": system[0] if system else type(model).__name__,
        "sample_rate": model.sample_rate,
        "num_spks": model.num_spks,
        **own,
        "version": __version__,
        "licence": licence,
    }
    return {k: str(v) for k, v in known.items() if v is not None}


def file_form(model):
    """A copy of a model as files have it, see `deploy.layers`."""
    model = with_file_layers(model)
    if isinstance(model, TFGrid):
        return CausalStep(model) if model.causal else RealGrid(model)
    if isinstance(model, BSRNN):
        return RealBSRNN(model)
    return AllValid(model) if isinstance(model, TDANet) else model


def noise(model, batch, seconds, item):
    """Noise for a model, ``[batch, samples]``, or with its microphones."""
    mics = getattr(model, "num_mics", 1)
    shape = batch, int(seconds * model.sample_rate), mics
    wave = generator(0, "onnx", item).normal(scale=0.1, size=shape)
    wave = torch.from_numpy(wave).float()
    return wave if mics > 1 else wave.squeeze(-1)


def convert(model: torch.nn.Module, properties: dict) -> Any:
    """A model as ONNX.

    Arguments
    ---------
    model : torch.nn.Module
        In evaluation mode, float32, on the CPU.
    properties : dict
        For the metadata of the file.

    Returns
    -------
    onnx.ModelProto
        All in one.

    Raises
    ------
    ValueError
        torch cannot make one of it.
    """
    form = file_form(model).eval()
    dynamic = torch.export.Dim.DYNAMIC
    shapes = ({0: dynamic, 1: dynamic},)
    examples, states = (noise(model, 3, 1, "export"),), []
    if isinstance(form, CausalStep):
        states = form.names
        hops = 6 * model.stft.hop_length
        examples = examples[0][:, :hops], [*form.first_states(3).values()]
        # one name for all, or each would be compared with each
        batch = torch.export.Dim("batch")
        shapes = {0: batch, 1: dynamic}, [{0: batch} for _ in states]
    try:
        with torch.no_grad(), _quiet():
            program = torch.export.export(form, examples, dynamic_shapes=shapes)
            made: Any = torch.onnx.export(
                without_guards(program),
                dynamo=True,
                opset_version=OPSET,
                input_names=["mix", *states],
                output_names=["estimates", *(f"next.{s}" for s in states)],
                verbose=False,
            )
    # Whatever a model does that they do not know.
    except Exception as error:
        while error.__cause__:  # the first of them says what it was
            error = error.__cause__
        reason = " ".join(str(error).split())[:300]
        raise ValueError(
            f"torch makes no ONNX file of this {type(model).__name__}: "
            f"{reason}; docs/deploy.md says which models can be"
        ) from None
    return _completed(made.model_proto, form, properties)


def _completed(proto, form, properties):
    """With our functions and metadata, and without torch's notes."""
    onnx, *_ = packages()
    for text in getattr(form, "functions", ()):
        proto.functions.append(onnx.parser.parse_function(text))
    graph = proto.graph
    for part in (graph, *graph.node, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
    del graph.value_info[:]
    _name_axes(graph)
    proto.producer_name = __package__.partition(".")[0]
    proto.producer_version = __version__
    del proto.metadata_props[:]
    onnx.helper.set_model_props(proto, properties)
    onnx.checker.check_model(proto)
    return proto


def _name_axes(graph):
    """Calls the free sizes batch and samples, not s19 and s12."""
    mix, est = (
        x[0].type.tensor_type.shape for x in (graph.input, graph.output)
    )
    names = {mix.dim[0].dim_param: "batch", mix.dim[1].dim_param: "samples"}
    for value in (*graph.input, *graph.output):
        for size in value.type.tensor_type.shape.dim:
            if size.dim_param in names:
                size.dim_param = names[size.dim_param]
    est.dim[0].dim_param, est.dim[1].dim_param = "batch", "samples"


def largest_error(content: bytes, model: torch.nn.Module) -> float:
    """How far ONNX Runtime is from a model, on noise of two other lengths.

    Arguments
    ---------
    content : bytes
        The file.
    model : torch.nn.Module
        What it was made of.

    Returns
    -------
    float
        Of the peak of what the model gives.
    """
    session = open_session(content)
    errors = []
    for batch, seconds in ((1, 1.37), (2, 0.61)):
        mix = noise(model, batch, seconds, batch)
        with torch.inference_mode():
            expected = model(mix)
        est = run(session, mix.numpy())
        off = (torch.from_numpy(est) - expected).abs().max()
        errors.append((off / expected.abs().max()).item())
    return max(errors)


def run(session, mix):
    """What a file gives of a wave, ``[batch, samples, num_spks]``."""
    if len(session.get_inputs()) > 1:
        return run_steps(session, mix, hops=[1, 7, 2])
    return session.run(None, {"mix": mix})[0]


def open_session(content: bytes | str, threads: int = 0) -> Any:
    """A file, or its content, in ONNX Runtime on the CPU.

    Arguments
    ---------
    content : bytes or str
        The content, or the name of the file.
    threads : int
        0 for as many as there are cores.

    Returns
    -------
    onnxruntime.InferenceSession
        Ready to run.
    """
    *_, onnxruntime = packages()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(
        content, options, providers=["CPUExecutionProvider"]
    )


class _quiet(warnings.catch_warnings):
    """Without what torch says while it works."""

    def __enter__(self):
        super().__enter__()
        warnings.simplefilter("ignore")
        self.logger = logging.getLogger("torch.onnx")
        self.level = self.logger.level
        self.logger.setLevel(logging.ERROR)

    def __exit__(self, *error):
        self.logger.setLevel(self.level)
        super().__exit__(*error)
