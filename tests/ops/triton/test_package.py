"""What the Triton backend says of itself; without Triton: ../test_backends."""

import sys
import types

import pytest
import torch

from speechbrain_spmamba.ops import triton as backend
from tests.ops.triton import runs


def test_without_a_gpu_or_on_the_cpu_the_reason_says_so(monkeypatch):
    monkeypatch.setattr(backend, "_probe", lambda: (False, ""))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "torch sees none" in backend.why_not()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert backend.why_not() == ""
    assert "u is on cpu" in backend.why_not(torch.zeros(1, 1, 1))


def test_a_triton_that_is_too_old_or_broken_is_refused(monkeypatch):
    for found, words in (
        (types.SimpleNamespace(__version__="3.1.0"), "3.1.0, 3.6 is needed"),
        (types.SimpleNamespace(), "does not import: AttributeError"),
    ):
        monkeypatch.setitem(sys.modules, "triton", found)
        # the function below the cache
        assert words in backend._probe.__wrapped__()[1]


@pytest.mark.parametrize(
    "u, A, words",
    [
        (torch.zeros(1, 1, 1).double(), None, "u is float64"),
        (None, torch.zeros(1, 1).double(), "A is float64"),
        (None, torch.zeros(1, 257), "256 states, A has 257"),
    ],
)
def test_inputs_without_a_kernel_are_refused(monkeypatch, u, A, words):
    monkeypatch.setattr(backend, "_probe", lambda: (True, ""))
    assert words in backend.why_not(u, A)
    assert backend.why_not(torch.zeros(1, 1, 1), torch.zeros(1, 256)) == ""


def test_a_float64_input_is_an_error_that_names_it():
    pytest.importorskip("triton")
    inputs = runs.scan_inputs()._replace(C=torch.zeros(1, 7, 16).double())
    with pytest.raises(ValueError, match="C is float64"):
        backend.scan_forward(inputs, torch.empty_like(inputs.u))


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 0, 4)])
def test_an_empty_input_launches_nothing(shape):
    pytest.importorskip("triton")
    u, B = torch.zeros(shape), torch.zeros(*shape[:2], 2)
    inputs = runs.ScanInputs(u, u, -torch.ones(4, 2), B, B)
    grads = {"u": torch.empty_like(u), "A": torch.ones(4, 2)}
    backend.scan_forward(inputs, torch.empty_like(u))
    backend.scan_backward(inputs, None, u, grads)
    weight, grad = torch.ones(4, 3), {"x": u, "weight": torch.ones(4, 3)}
    backend.conv_forward(u, weight, None, False, torch.empty_like(u))
    backend.conv_backward(u, weight, None, False, u, grad)
    assert (grads["A"] == 1).all() and (grad["weight"] == 1).all()
