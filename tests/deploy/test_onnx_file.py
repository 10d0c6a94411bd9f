"""What is written gives what the model gives, without torch."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from speechbrain_spmamba import __version__
from speechbrain_spmamba.deploy import onnx_file
from speechbrain_spmamba.models import build_model
from tests.small_models import SMALL

TALL = {"masks": True, "rest": True, "emb_hs": 4, "band": 2, "num_spks": 3}
QUICK = [("spmamba", {"num_blocks": 1}), ("conv_tasnet", {})]
SLOW = [
    ("spmamba", TALL),
    ("spmamba", {"num_mics": 2, "emb_hs": 3}),
    ("tf_gridnet", {"emb_hs": 3}),
    ("tf_gridnet", {"version": 2}),
    ("bsrnn", {}),
    ("dprnn", {}),
    ("sudormrf", {}),
    ("afrcnn", {}),
    ("tdanet", {}),
]
LENGTHS = (71, 1001, 20000)


def largest_error(model, path, mix):
    """Of the peak."""
    session = onnx_file.open_session(str(path), threads=1)
    (est,) = session.run(None, {"mix": mix.numpy()})
    with torch.no_grad():
        expected = model(mix)
    return np.abs(est - expected.numpy()).max() / expected.abs().max()


@pytest.mark.parametrize(
    "name, changes",
    QUICK + [pytest.param(*row, marks=pytest.mark.slow) for row in SLOW],
)
def test_the_file_separates_waves_of_any_length_and_number(
    written, name, changes
):
    model, path = written(name, **changes)
    mics = changes.get("num_mics", 1)
    for batch, samples in zip((1, 3, 2), LENGTHS, strict=True):
        mix = torch.randn(batch, samples, *([mics] if mics > 1 else []))
        assert largest_error(model, path, mix) < 1e-5


def test_silence_gives_silence(written):
    model, path = written("spmamba", num_blocks=1)
    session = onnx_file.open_session(str(path))
    assert not session.run(None, {"mix": np.zeros((1, 500), "f")})[0].any()


RUN = """
import sys
sys.modules["torch"] = None  # to import it is an error
import numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
mix = numpy.load(sys.argv[2])
numpy.save(sys.argv[3], session.run(["estimates"], {"mix": mix})[0])
"""


def test_a_program_without_torch_runs_it(written, tmp_path):
    model, path = written("spmamba", num_blocks=1)
    mix = torch.randn(1, 3000)
    np.save(tmp_path / "mix.npy", mix)
    files = [path, tmp_path / "mix.npy", tmp_path / "est.npy"]
    subprocess.run([sys.executable, "-c", RUN, *files], check=True)
    with torch.no_grad():
        expected = model(mix)
    est = torch.from_numpy(np.load(files[2]))
    torch.testing.assert_close(est, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name, changes", QUICK)
def test_the_file_tells_what_it_is_and_has_each_weight_once(
    written, name, changes
):
    model, path = written(name, **changes)
    session = onnx_file.open_session(str(path))
    assert session.get_modelmeta().custom_metadata_map == {
        "system": name,
        "sample_rate": str(model.sample_rate),
        "num_spks": "2",
        "min_samples": "33" if name == "spmamba" else "1",
        "version": __version__,
        "licence": "cc-by-4.0",
    }
    (mix,), (est,) = session.get_inputs(), session.get_outputs()
    assert (mix.name, mix.shape) == ("mix", ["batch", "samples"])
    assert (est.name, est.shape) == ("estimates", ["batch", "samples", 2])
    weights = sum(p.numel() for p in model.parameters())
    # the STFT's kernel is 66 x 64 values; the graph itself some 60 kB
    assert os.path.getsize(path) < 4 * (weights + 66 * 64) + 100_000


def test_a_file_that_differs_from_its_model_is_not_written(
    monkeypatch, tmp_path
):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    model = build_model("conv_tasnet", **SMALL["conv_tasnet"])
    convert = onnx_file.convert

    def wrong(model, properties):
        other = build_model("conv_tasnet", **SMALL["conv_tasnet"])
        return convert(other.eval(), properties)

    monkeypatch.setattr(onnx_file, "convert", wrong)
    with pytest.raises(ValueError, match="not written: .* differs .* peak"):
        onnx_file.write_onnx(model, tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


class Branches(torch.nn.Module):
    """Looks at its samples: no graph does."""

    sample_rate, num_spks = 8000, 1

    def forward(self, mix):
        return mix.unsqueeze(-1) * (2 if mix.sum().item() > 0 else 1)


def test_a_model_that_cannot_be_exported_is_told_in_a_line(tmp_path):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    with pytest.raises(ValueError, match="no ONNX file of this Branches") as e:
        onnx_file.write_onnx(Branches(), tmp_path / "a.onnx")
    assert "\n" not in str(e.value)


def test_without_the_packages_one_is_told_which(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match=r"pip install .*\[onnx\]"):
        onnx_file.packages()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["spmamba", "conv_tasnet"])
def test_the_published_sizes_are_written(name, tmp_path):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    model = build_model(name).eval()
    onnx_file.write_onnx(model, tmp_path / "a.onnx")
    mix = 0.1 * torch.randn(1, 40000)
    assert largest_error(model, tmp_path / "a.onnx", mix) < 1e-4
    size = os.path.getsize(tmp_path / "a.onnx")
    assert size < 1.1 * 4 * sum(p.numel() for p in model.parameters())


@pytest.mark.slow
def test_a_minute_is_as_exact_as_a_second(written):
    for name, changes in QUICK:
        model, path = written(name, **changes)
        mix = torch.randn(1, 60 * model.sample_rate)
        assert largest_error(model, path, mix) < 1e-4
