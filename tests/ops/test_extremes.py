"""Arguments of every size: where the reference is finite, kernels are."""

import pytest
import torch
from torch.nn import functional as F

from speechbrain_spmamba.ops.backends import KERNELS
from speechbrain_spmamba.ops.cpu import library
from speechbrain_spmamba.ops.kernel_interface import ScanInputs
from tests.ops.test_cpu import builds
from tests.ops.test_kernels import reference_scan, run_passes
from tests.ops.test_selective_scan import value_and_gradients

# Zero, a denormal number, and up to nearly the largest.
# Their products leave out where exp is a denormal number, which may be zero.
SIZES = (0.0, 1e-45, 1e-38, 1e-3, 1.0, 30.0, 1e4, 1e16, 1e30, 3e38)
OPTIONS = {"delta_softplus": True, "reverse": False}


@pytest.fixture(params=["torch", *builds()])
def backend(request, monkeypatch):
    """The torch backend, and the cpu backend with each of its builds."""
    if request.param == "torch":
        return "torch"
    loaded = library.open_library(library.find(request.param)[0])
    monkeypatch.setattr(library, "load", lambda: loaded)
    return "cpu"


def both_signs(sizes):
    """The sizes, and the same negative: zero as well has both signs."""
    return torch.tensor([*sizes, *(-size for size in sizes)])


def scan_arguments(sizes):
    """Three steps of a channel for each of the rates, steps and gates."""
    rates, numbers = -torch.tensor(sizes), both_signs(sizes)
    A, delta, z = torch.cartesian_prod(rates, numbers, numbers).unbind(1)
    ones = torch.ones(1, 3, len(A))
    return {
        "u": ones,
        "delta": delta * ones,
        "A": A[:, None],
        "B": ones[..., :1],
        "C": ones[..., :1],
        "D": ones[0, 0],
        "z": z * ones,
        "delta_bias": torch.zeros(len(A)),
    }


def run_scan(backend, sizes):
    """y and gradients, but for the sums over all channels, B and C."""
    inputs = ScanInputs(**scan_arguments(sizes), **OPTIONS)
    y, again, grads = run_passes(backend, inputs)
    del grads["B"], grads["C"]
    return {"y": y, "again": again, **grads}


def run_convolution(backend, sizes):
    """Of a single tap of one: what is left is the SiLU."""
    x = both_signs(sizes).view(1, 1, -1)
    weight, bias = torch.ones(x.numel(), 1), torch.zeros(x.numel())
    y, grad = torch.empty_like(x), torch.empty_like(x)
    KERNELS[backend].conv_forward(x, weight, bias, False, y)
    KERNELS[backend].conv_backward(
        x, weight, bias, False, torch.ones_like(x), {"x": grad}
    )
    return {"y": y, "x": grad}


def assert_scan(found, sizes):
    """Compares what ``run_scan`` gave with the reference, both in float32."""
    expected = value_and_gradients(
        reference_scan, scan_arguments(sizes), torch.float32, **OPTIONS
    )
    _assert_close(found, {**expected, "again": expected["y"]})


def assert_convolution(found, sizes):
    """The same for ``run_convolution``."""
    x = both_signs(sizes).view(1, 1, -1).requires_grad_()
    y = F.silu(x)
    y.sum().backward()
    _assert_close(found, {"y": y.detach(), "x": x.grad})


def _assert_close(found, expected):
    """Where the reference is finite; tiny numbers may be zero."""
    for name, tensor in found.items():
        finite = expected[name].isfinite()
        assert finite.float().mean() > 0.8, name
        assert tensor[finite].isfinite().all(), name
        error = (tensor - expected[name])[finite].abs()
        bound = 1e-5 * expected[name][finite].abs() + 1e-35
        assert (error <= bound).all(), name


def test_a_scan_is_finite_where_the_reference_is(backend):
    assert_scan(run_scan(backend, SIZES), SIZES)


def test_a_convolution_is_finite_where_the_reference_is(backend):
    assert_convolution(run_convolution(backend, SIZES), SIZES)
