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

import torch

from speechbrain_spmamba import __version__
from speechbrain_spmamba.deploy.grid import RealGrid
from speechbrain_spmamba.deploy.layers import AllValid, with_file_layers
from speechbrain_spmamba.files.writing import write_bytes
from speechbrain_spmamba.models.systems import SYSTEMS
from speechbrain_spmamba.models.tdanet import TDANet
from speechbrain_spmamba.nnet.tf_grid import TFGrid
from speechbrain_spmamba.prepare.seeded import generator

OPSET = 20  # ONNX Runtime has it since 1.17
TOLERANCE = 1e-4  # of the peak of what the model gives
PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def write_onnx(model, path, licence=None):
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


def metadata(model, licence=None):
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
    least = model.stft.n_fft // 2 + 1 if hasattr(model, "stft") else 1
    known = {
        "system": system[0] if system else type(model).__name__,
        "sample_rate": model.sample_rate,
        "num_spks": model.num_spks,
        "min_samples": least,
        "version": __version__,
        "licence": licence,
    }
    return {k: str(v) for k, v in known.items() if v is not None}


def file_form(model):
    """A copy of a model as files have it, see `deploy.layers`."""
    model = with_file_layers(model)
    if isinstance(model, TFGrid):
        return RealGrid(model)
    return AllValid(model) if isinstance(model, TDANet) else model


def noise(model, batch, seconds, item):
    """Noise for a model, ``[batch, samples]``, or with its microphones."""
    mics = getattr(model, "num_mics", 1)
    shape = batch, int(seconds * model.sample_rate), mics
    wave = generator(0, "onnx", item).normal(scale=0.1, size=shape)
    wave = torch.from_numpy(wave).float()
    return wave if mics > 1 else wave.squeeze(-1)


def convert(model, properties):
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
    dynamic = {0: torch.export.Dim.DYNAMIC, 1: torch.export.Dim.DYNAMIC}
    try:
        with torch.no_grad(), _quiet():
            program = torch.export.export(
                form, (noise(model, 3, 1, "export"),), dynamic_shapes=(dynamic,)
            )
            program = torch.onnx.export(
                program,
                dynamo=True,
                opset_version=OPSET,
                input_names=["mix"],
                output_names=["estimates"],
                verbose=False,
            )
    # Whatever a model does that they do not know.
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(
            f"torch makes no ONNX file of this {type(model).__name__}: "
            f"{reason}; docs/deploy.md says which models can be"
        ) from None
    return _completed(program.model_proto, form, properties)


def _completed(proto, form, properties):
    """With our functions and metadata, and without torch's notes."""
    onnx, *_ = packages()
    for text in getattr(form, "functions", ()):
        proto.functions.append(onnx.parser.parse_function(text))
    graph = proto.graph
    for part in (graph, *graph.node, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
    del graph.value_info[:]
    proto.producer_name = __package__.partition(".")[0]
    proto.producer_version = __version__
    del proto.metadata_props[:]
    onnx.helper.set_model_props(proto, properties)
    onnx.checker.check_model(proto)
    return proto


def largest_error(content, model):
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
        (est,) = session.run(None, {"mix": mix.numpy()})
        off = (torch.from_numpy(est) - expected).abs().max()
        errors.append((off / expected.abs().max()).item())
    return max(errors)


def open_session(content, threads=0):
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
