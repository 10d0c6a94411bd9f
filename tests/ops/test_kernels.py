"""What backends with kernels promise: ``ops.kernel_interface.Kernels``."""

import pytest
import torch
import torch.nn.functional as F

from speechbrain_spmamba.ops import reference
from speechbrain_spmamba.ops.backends import KERNELS
from speechbrain_spmamba.ops.kernel_interface import ScanInputs
from tests.ops.test_selective_scan import (
    PRECISIONS,
    assert_close,
    make_inputs,
    value_and_gradients,
)

SEQUENCES = ("u", "delta", "z")
PARAMETERS = ("A", "D", "delta_bias")


def columns(tensor):
    """The same values as columns of a wider matrix, for the last axis."""
    wide = tensor.new_full((*tensor.shape[:-1], 3 * tensor.shape[-1] + 1), 9.0)
    part = wide[..., 1 : 1 + tensor.shape[-1]]
    return part.copy_(tensor)


def weights_like(y):
    """The weighting of y that ``value_and_gradients`` uses."""
    weights = torch.linspace(-1, 1, y.numel(), dtype=torch.float64).cos()
    return weights.view(y.shape).to(y.dtype)


def run_passes(backend, inputs, keep=None, start=0.0):
    """y, y of the backward pass, and gradients, all in columns of matrices."""
    kernels = KERNELS[backend]
    y = columns(torch.zeros_like(inputs.u))
    again = columns(torch.zeros_like(inputs.u))
    checkpoints = inputs.u.new_empty(
        kernels.checkpoint_shape(inputs.u, inputs.A)
    )
    kernels.scan_forward(inputs, y, checkpoints)
    grads = {
        name: torch.full_like(value, start)
        if name in PARAMETERS
        else columns(torch.zeros_like(inputs.u if name == "delta" else value))
        for name, value in inputs._asdict().items()
        if name in (*SEQUENCES, *PARAMETERS, "B", "C") and value is not None
    }
    if keep is not None:
        grads = {name: grads[name] for name in keep}
    grad_y = columns(weights_like(y))
    kernels.scan_backward(inputs, checkpoints, grad_y, grads, again)
    return y, again, grads


@pytest.mark.parametrize("backend, dtype, tolerance", PRECISIONS)
@pytest.mark.parametrize("reverse", [False, True])
def test_results_land_in_the_columns_of_larger_matrices(
    backend, dtype, tolerance, reverse
):
    inputs = make_inputs(length=40, channels=21)
    options = {"delta_softplus": True, "reverse": reverse}
    expected = value_and_gradients(reference_scan, inputs, **options)
    given = {
        k: columns(v.to(dtype)) if v.dim() == 3 else v.to(dtype)
        for k, v in inputs.items()
    }
    y, again, grads = run_passes(backend, ScanInputs(**given, **options))
    assert_close({"y": y, **grads}, expected, tolerance)
    assert_close({"y": again}, {"y": expected["y"]}, tolerance)


def reference_scan(u, delta, A, B, C, D, z, delta_bias, **options):
    """The reference backend with the arguments of the operator."""
    return reference.scan(u, delta, A, B, C, D, z, delta_bias, **options)


@pytest.mark.parametrize("backend, dtype, tolerance", PRECISIONS)
def test_step_sizes_of_low_rank_are_multiplied_out(backend, dtype, tolerance):
    inputs = make_inputs(length=35, channels=20, states=16)
    low_rank, weight = torch.randn(2, 35, 3), torch.randn(20, 3)
    low_rank, weight = low_rank.double(), weight.double()
    options = {"delta_softplus": True, "reverse": True}
    full = {**inputs, "delta": low_rank @ weight.t()}
    expected = value_and_gradients(reference_scan, full, **options)
    given = {k: v.to(dtype) for k, v in inputs.items()}
    given["delta"] = low_rank.to(dtype)
    y, _, grads = run_passes(
        backend,
        ScanInputs(**given, delta_weight=weight.to(dtype), **options),
    )
    assert_close({"y": y, **grads}, expected, tolerance)


@pytest.mark.parametrize("backend, dtype, tolerance", PRECISIONS)
def test_gradients_of_parameters_are_added_and_others_written(
    backend, dtype, tolerance
):
    given = {k: v.to(dtype) for k, v in make_inputs(length=9).items()}
    inputs = ScanInputs(**given, delta_softplus=True)
    _, _, once = run_passes(backend, inputs)
    _, _, added = run_passes(backend, inputs, start=5.0)
    for name in PARAMETERS:
        torch.testing.assert_close(
            added[name], once[name] + 5, rtol=0, atol=1e-5
        )
    assert torch.equal(added["u"], once["u"])


@pytest.mark.parametrize("backend, dtype, tolerance", PRECISIONS)
def test_gradients_that_nobody_wants_need_no_room(backend, dtype, tolerance):
    given = {k: v.to(dtype) for k, v in make_inputs(length=9).items()}
    inputs = ScanInputs(**given, delta_softplus=True)
    _, _, every = run_passes(backend, inputs)
    for name in every:
        _, _, one = run_passes(backend, inputs, keep=[name])
        assert torch.equal(one[name], every[name])


def plain_convolution(x, weight, bias, reverse):
    """By ``conv1d`` and flips."""
    taps = weight.shape[1]
    x = x.flip(1) if reverse else x
    padded = F.pad(x.transpose(1, 2), (taps - 1, 0))
    out = F.conv1d(padded, weight[:, None], bias, groups=len(weight))
    out = F.silu(out).transpose(1, 2)
    return out.flip(1) if reverse else out


@pytest.mark.parametrize("backend, dtype, tolerance", PRECISIONS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("taps", [1, 2, 4])
@pytest.mark.parametrize("length", [1, 3, 32, 70])
def test_the_convolution_and_its_gradients_are_those_of_conv1d(
    length, taps, reverse, backend, dtype, tolerance
):
    x = torch.randn(2, length, 21, dtype=torch.float64)
    weight, bias = torch.randn(21, taps).double(), torch.randn(21).double()
    leaves = {"x": x, "weight": weight, "bias": bias}
    expected = value_and_gradients(plain_convolution, leaves, reverse=reverse)

    given = [columns(x.to(dtype)), weight.to(dtype), bias.to(dtype), reverse]
    out, grad_x = (columns(torch.zeros_like(given[0])) for _ in range(2))
    KERNELS[backend].conv_forward(*given, out)
    grads = {
        "x": grad_x,
        "weight": torch.zeros_like(given[1]),
        "bias": torch.zeros_like(given[2]),
    }
    grad_out = columns(weights_like(out))
    KERNELS[backend].conv_backward(*given, grad_out, grads)
    assert_close({"y": out, **grads}, expected, tolerance)
