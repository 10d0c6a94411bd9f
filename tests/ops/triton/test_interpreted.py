"""The numbers of the Triton kernels, on the CPU in Triton's interpreter."""

import os
import subprocess
import sys

import numpy
import pytest
import torch

from tests import ROOT
from tests.ops import test_extremes
from tests.ops.test_selective_scan import assert_close
from tests.ops.triton import map_runs, runs


def _version(module):
    """The first two numbers of a module's version."""
    return tuple(int(part) for part in module.__version__.split(".")[:2])


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What ``runs.main`` computed, by name of the case."""
    triton = pytest.importorskip("triton")
    if _version(numpy) >= (2, 4) and _version(triton) <= (3, 6):
        pytest.skip("Triton's interpreter up to 3.6 needs NumPy below 2.4")
    path = tmp_path_factory.mktemp("triton") / "found.pt"
    child = subprocess.run(
        [sys.executable, "-m", "tests.ops.triton.runs", str(path)],
        cwd=ROOT,
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stderr
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize("name", runs.SCANS)
def test_scan_matches_float64_autograd_in_value_and_every_gradient(name, found):
    case = runs.SCANS[name]
    dtype = case.get("dtype", torch.float32)
    expected = runs.expected_scan(runs.scan_inputs(**case))
    assert_close(found["scan", name], expected, runs.TOLERANCE[dtype])


@pytest.mark.parametrize("name", runs.STATES)
def test_two_scans_that_hand_over_a_state_are_one(name, found):
    expected = runs.expected_scan(runs.scan_inputs(**runs.SCANS[name]))
    assert_close(found["parts", name], expected, 1e-5)


def test_steps_are_the_scan(found):
    inputs = runs.scan_inputs(**runs.SCANS[runs.STATES[0]])
    expected = runs.expected_scan(inputs)
    expected = {name: expected[name] for name in ("y", "last state")}
    assert_close(found["steps"], expected, 1e-5)


@pytest.mark.parametrize("name", runs.CONVOLUTIONS)
def test_convolution_matches_float64_autograd(name, found):
    case = runs.CONVOLUTIONS[name]
    dtype = case.get("dtype", torch.float32)
    expected = runs.expected_conv(*runs.conv_inputs(**case))
    assert_close(found["conv", name], expected, runs.TOLERANCE[dtype])


@pytest.mark.parametrize("name", map_runs.HEADS)
def test_norm_of_heads_matches_float64_autograd(name, found):
    inputs = map_runs.head_inputs(**map_runs.HEADS[name])
    expected = map_runs.expected_head_norm(*inputs)
    tolerance = runs.TOLERANCE[inputs[0].dtype]
    map_runs.assert_heads_close(
        found["heads", name], expected, inputs, tolerance
    )


@pytest.mark.parametrize("name", map_runs.WINDOWS)
def test_windows_and_their_gradients_are_those_of_torch(name, found):
    inputs, dtype = map_runs.window_inputs(**map_runs.WINDOWS[name])
    expected = map_runs.expected_windows(inputs)
    assert_close(found["windows", name], expected, runs.TOLERANCE[dtype])


@pytest.mark.parametrize("name", runs.SCANS)
def test_backward_pass_repeats_the_output_to_rounding(name, found):
    results = found["scan", name]
    runs.assert_repeats(results["y again"], results["y"])


@pytest.mark.parametrize("kind", ["scan", "conv"])
def test_nothing_is_written_beside_the_columns_of_a_larger_matrix(kind, found):
    for tensor in found[kind, "columns of larger matrices"].values():
        if tensor.dim() == 3:
            channels = tensor.shape[2]
            size = (*tensor.shape[:2], channels + 7)
            wide = tensor.as_strided(size, tensor.stride(), 0)
            assert (wide[..., :3] == 0).all()
            assert (wide[..., 3 + channels :] == 0).all()


@pytest.mark.parametrize("run", ["repeated", "without checkpoints"])
def test_a_run_repeats_bit_for_bit_also_without_checkpoints(run, found):
    for name, tensor in found["scan", "no softplus"].items():
        assert torch.equal(found[run][name], tensor), name


@pytest.mark.parametrize("name", ["B", "D"])
def test_a_gradient_asked_for_alone_is_the_same(name, found):
    alone = found[f"only {name}"]
    assert alone.keys() == {"y", "y again", name}
    assert torch.equal(alone[name], found["scan", "no softplus"][name])


def test_softplus_keeps_its_relative_accuracy_for_steps_of_any_size(found):
    expected = torch.nn.functional.softplus(runs.STEPS.double(), threshold=100)
    error = ((found["softplus"].double() - expected) / expected).abs().max()
    # rounding of the exponent of exp(-60)
    assert error < 5e-6


def test_arguments_of_any_size_are_finite_where_the_reference_is(found):
    test_extremes.assert_scan(found["extreme scan"], runs.SIZES)
    test_extremes.assert_convolution(found["extreme conv"], runs.SIZES)
