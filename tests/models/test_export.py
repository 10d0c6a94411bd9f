"""Programs that torch.export and torch.jit.trace make of the models."""

import subprocess
import sys

import pytest
import torch

from speechbrain_spmamba.models import MODELS, TOOLKIT_MODELS, build_model
from tests.small_models import build_small

ALL = [*MODELS, *TOOLKIT_MODELS]
# Small ones have a test of their own, tests/nnet/test_exported_grid.py.
GRID = {"spmamba", "tf_gridnet"}

# Fewest samples: more than one window, chunk, segment or coarsest frame. The
# small sizes, and the published ones.
LEAST = {
    "spmamba": (160, 1152),
    "tf_gridnet": (160, 1152),
    "bsrnn": (5, 321),
    "tdanet": (2, 56),
    "sepformer": (41, 1001),
    "resepformer": (81, 1201),
    "skim": (81, 1201),
}
MOST = {"sepformer": 2_499_000, "resepformer": 3_000_000}
# Less to export than in tests.small_models.
FEWER = {
    "bsrnn": {"n_fft": 8, "hop_length": 2, "num_repeat": 1},
    "sepformer": {"num_blocks": 1},
    "dprnn": {"num_blocks": 1},
    "tdanet": {"num_blocks": 1},
    "afrcnn": {"num_blocks": 1},
    "sudormrf": {"num_blocks": 1},
    "conv_tasnet": {"n_stacks": 1},
}


def exported(model, samples, least=2, most=None):
    """Its program, for batches and lengths that have names and limits."""
    shapes = {
        0: torch.export.Dim("batch", max=64),
        1: torch.export.Dim("samples", min=least, max=most),
    }
    mix = torch.randn(2, samples)
    return torch.export.export(model, (mix,), dynamic_shapes={"mix": shapes})


def assert_same(model, program, *shapes):
    """Of waves of these shapes, to 1e-5 of the peak."""
    for shape in shapes:
        mix = torch.randn(shape)
        with torch.no_grad():
            est, expected = program(mix), model(mix)
        assert est.shape == expected.shape
        assert (est - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.filterwarnings("ignore:The tensor attributes")
@pytest.mark.parametrize("name", [name for name in ALL if name not in GRID])
def test_an_exported_model_separates_any_length_as_the_model_does(name):
    model = build_small(name, **FEWER.get(name, {}))
    least = LEAST.get(name, (2,))[0]
    program = exported(model, 501, least, most=9000).module()
    assert_same(model, program, (2, 501), (1, least), (3, 400), (1, 1777))


@pytest.mark.parametrize("name", ["dprnn asteroid", "tdanet original"])
@pytest.mark.filterwarnings("ignore:The tensor attributes")
def test_so_does_another_variant(name):
    model = build_small(name, num_blocks=1)
    program = exported(model, 501).module()
    assert_same(model, program, (1, 2), (3, 400), (1, 1777))


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("name", ALL)
def test_a_traced_model_separates_as_the_model_does(name, frozen):
    model = build_small(name, **FEWER.get(name, {})).requires_grad_(not frozen)
    traced = torch.jit.trace(model, torch.randn(2, 501), check_trace=False)
    assert_same(model, traced, (2, 501), (1, 777))


@pytest.mark.filterwarnings("ignore:The tensor attributes")
def test_a_saved_program_runs_where_the_package_is_not(tmp_path):
    model, mix = build_small("dprnn", **FEWER["dprnn"]), torch.randn(1, 777)
    torch.export.save(exported(model, 501), tmp_path / "program.pt2")
    torch.save(mix, tmp_path / "mix.pt")
    code = """
import sys, torch
program = torch.export.load("program.pt2").module()
torch.save(program(torch.load("mix.pt")), "est.pt")
assert not any(name.startswith("speechbrain") for name in sys.modules)
"""
    command = [sys.executable, "-c", code]
    subprocess.run(command, cwd=tmp_path, check=True)
    with torch.no_grad():
        torch.testing.assert_close(torch.load(tmp_path / "est.pt"), model(mix))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The tensor attributes")
@pytest.mark.parametrize("name", ALL)
def test_the_published_sizes_are_exported(name):
    model = build_model(name).eval()
    least = LEAST.get(name, (0, 2))[1]
    program = exported(model, 8000, least, MOST.get(name)).module()
    assert_same(model, program, (1, least), (1, 6001), (2, 9999))


# Torch compiles no LSTM, and SPMamba runs its own kernels beside the graph.
WITHOUT_LSTM = [
    name
    for name in ALL
    if name not in {"spmamba", "tf_gridnet", "bsrnn", "dprnn", "skim"}
]


@pytest.mark.slow
@pytest.mark.parametrize("name", WITHOUT_LSTM)
def test_a_model_without_lstms_is_compiled_as_one_graph(name):
    model = build_small(name, **FEWER.get(name, {})).requires_grad_(False)
    compiled = torch.compile(
        model, fullgraph=True, dynamic=True, backend="eager"
    )
    assert_same(model, compiled, (2, 501), (2, 777), (3, 1777))
