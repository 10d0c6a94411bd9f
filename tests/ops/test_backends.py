"""Choice of a backend, the mamba_ssm adapter, and refused arguments."""

import logging
import os
import subprocess
import sys
import types

import pytest
import torch
from torch.nn import functional as F

from speechbrain_spmamba.ops import (
    available_backends,
    backends,
    cpu,
    mamba_ssm,
    reference,
    selective_scan,
    triton,
)
from tests.ops.test_selective_scan import (
    assert_close,
    make_inputs,
    value_and_gradients,
)

INTERFACE = "mamba_ssm.ops.selective_scan_interface"


@pytest.fixture(autouse=True)
def forget():
    """Every test looks for the package, and logs, as if for the first time."""
    mamba_ssm._probe.cache_clear()
    backends._log_choice.cache_clear()
    yield
    mamba_ssm._probe.cache_clear()
    backends._log_choice.cache_clear()


@pytest.fixture
def no_package(monkeypatch):
    """Any import of mamba_ssm raises ImportError."""
    for name in [m for m in sys.modules if m.split(".")[0] == "mamba_ssm"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mamba_ssm", None)


@pytest.fixture
def fake_package(monkeypatch):
    """Puts a package with the given attributes in place of mamba_ssm."""

    def install(**attributes):
        for name in ("mamba_ssm", "mamba_ssm.ops", INTERFACE):
            monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
        for name, value in attributes.items():
            setattr(sys.modules[INTERFACE], name, value)

    return install


def channels_first_scan(
    u,
    delta,
    A,
    B,
    C,
    D=None,
    z=None,
    delta_bias=None,
    delta_softplus=False,
    return_last_state=False,
):
    """Contract of mamba_ssm's kernel: [B, D, L], forward, strict dtypes."""
    sequences = [t for t in (u, delta, B, C, z) if t is not None]
    assert {t.dtype for t in sequences} == {u.dtype}
    assert all(t.stride(-1) == 1 for t in sequences)
    parameters = [t for t in (A, D, delta_bias) if t is not None]
    assert all(t.dtype == torch.float32 for t in parameters)

    dtype, (u, delta, B, C) = u.dtype, (t.float() for t in (u, delta, B, C))
    if delta_bias is not None:
        delta = delta + delta_bias[:, None]
    if delta_softplus:
        delta = F.softplus(delta)
    state, y = 0, []
    for t in range(u.shape[-1]):
        step = delta[:, :, t, None]
        state = state * torch.exp(step * A)
        state = state + step * u[:, :, t, None] * B[:, None, :, t]
        y.append(torch.einsum("bdn,bn->bd", state, C[:, :, t]))
    y = torch.stack(y, -1)
    y = y if D is None else y + D[:, None] * u
    y = y if z is None else y * F.silu(z.float())
    return (y.to(dtype), state) if return_last_state else y.to(dtype)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("without", [(), ("D", "z", "delta_bias")])
def test_adapter_maps_layout_and_direction_in_value_and_every_gradient(
    reverse, without
):
    inputs = make_inputs(without=without)
    options = {"delta_softplus": True, "reverse": reverse}

    def adapted(u, delta, A, B, C, D=None, z=None, delta_bias=None, **options):
        return mamba_ssm.call_channels_first(
            channels_first_scan,
            *(u, delta, A, B, C, D, z, delta_bias),
            **options,
        )

    expected = value_and_gradients(
        selective_scan, inputs, backend="reference", **options
    )
    found = value_and_gradients(adapted, inputs, torch.float32, **options)
    assert_close(found, expected, 1e-5)


@pytest.mark.parametrize("reverse", [False, True])
def test_adapter_returns_the_last_state(reverse):
    inputs = {k: v.float() for k, v in make_inputs().items()}
    args = (*inputs.values(), True, reverse)
    found = mamba_ssm.call_channels_first(
        channels_first_scan, *args, return_last_state=True
    )
    expected = reference.scan(*args, return_last_state=True)
    torch.testing.assert_close(found, expected)


def test_adapter_refuses_what_the_kernel_cannot_do_with_a_state():
    state, asking = torch.ones(2, 5, 8), torch.ones(1, requires_grad=True)
    with pytest.raises(ValueError, match="cannot start from a state") as error:
        mamba_ssm.check_state((), state, False)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="no gradient of the last") as error:
        mamba_ssm.check_state((None, asking), None, True)
    assert "\n" not in str(error.value)
    with torch.no_grad():
        mamba_ssm.check_state((None, asking), None, True)
    with pytest.raises(ValueError, match="has no step; use 'auto'"):
        mamba_ssm.scan_step(None, None)


def test_adapter_widens_mixed_dtypes_instead_of_rounding_them():
    inputs = {k: v.float() for k, v in make_inputs().items()}
    inputs["u"] = inputs["u"].bfloat16()
    args = (*inputs.values(), True, False)
    y = mamba_ssm.call_channels_first(channels_first_scan, *args)
    assert y.dtype == torch.bfloat16
    assert torch.equal(y, reference.scan(*args))


def test_loops_are_available_everywhere():
    found = available_backends()
    names = ["triton", "cpu", "torch", "mamba_ssm", "reference"]
    assert list(found) == names
    assert found["torch"] == found["reference"] == ""


@pytest.fixture
def broken_package(monkeypatch, tmp_path):
    """Puts a package that raises on import in place of mamba_ssm."""

    def install(error):
        folder = tmp_path / "mamba_ssm"
        folder.mkdir()
        message = "libcudart.so.12: cannot open\\nand so on"
        (folder / "__init__.py").write_text(f'raise {error}("{message}")\n')
        monkeypatch.syspath_prepend(tmp_path)
        for name in [m for m in sys.modules if m.startswith("mamba_ssm")]:
            monkeypatch.delitem(sys.modules, name)
        return tmp_path

    return install


@pytest.mark.parametrize(
    "error", ["ImportError", "OSError", "RuntimeError", "AttributeError"]
)
def test_a_broken_mamba_ssm_is_reported_in_one_line(broken_package, error):
    broken_package(error)
    reason = available_backends()["mamba_ssm"]
    assert error in reason
    assert reason.endswith("libcudart.so.12: cannot open")


def test_without_triton_and_beside_a_broken_mamba_ssm_our_package_works(
    broken_package,
):
    program = """
import sys, torch
sys.modules["triton"] = None
from speechbrain_spmamba.models import spmamba
from speechbrain_spmamba.ops import selective_scan, triton
assert "torch._dynamo" not in sys.modules  # the compiler, a second of import
assert not torch.cuda.is_initialized()
assert triton.why_not() == "triton is not installed"
u, A, B = torch.ones(1, 3, 2), -torch.ones(2, 4), torch.ones(1, 3, 4)
assert selective_scan(u, u, A, B, B).shape == u.shape
assert "mamba_ssm" not in sys.modules
assert not torch.cuda.is_initialized()
"""
    folder = broken_package("OSError")
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def test_a_build_without_the_kernel_is_reported(fake_package):
    fake_package(selective_scan_fn=print, selective_scan_cuda=None)
    reason = available_backends()["mamba_ssm"]
    assert reason == "mamba_ssm was built without selective_scan_cuda"


def test_a_package_without_the_function_is_reported(fake_package):
    fake_package()
    assert "AttributeError" in available_backends()["mamba_ssm"]


def test_a_good_package_runs_on_cuda_tensors_only(fake_package):
    fake_package(selective_scan_fn=channels_first_scan)
    with pytest.raises(ValueError, match="CUDA only"):
        selective_scan(**make_inputs(), backend="mamba_ssm")


def test_an_explicit_backend_that_cannot_run_is_an_error(no_package):
    with pytest.raises(ValueError, match="mamba_ssm does not import") as error:
        selective_scan(**make_inputs(), backend="mamba_ssm")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("backend", ["cuda", "C", "", None])
def test_an_unknown_backend_is_an_error_that_lists_the_known_ones(backend):
    known = "auto, triton, cpu, torch, mamba_ssm, reference"
    with pytest.raises(ValueError, match=known):
        selective_scan(**make_inputs(), backend=backend)


@pytest.mark.parametrize("device, preferred", [("cpu", cpu), ("cuda", triton)])
@pytest.mark.parametrize("reason", ["", "not here"])
def test_auto_takes_the_fastest_that_runs_and_says_once_why_not(
    monkeypatch, caplog, device, preferred, reason
):
    name = preferred.__name__.rpartition(".")[2]
    monkeypatch.setattr(preferred, "why_not", lambda u=None, A=None: reason)
    given = types.SimpleNamespace(device=torch.device(device))
    expected = "torch" if reason else name
    with caplog.at_level(logging.INFO, logger=backends.__name__):
        for _ in range(3):
            assert backends.choose_backend("auto", given, None) == expected
    (record,) = caplog.records
    found = record.getMessage()
    assert found.startswith(f"selective_scan: backend '{expected}' on {device}")
    assert reason in found


def test_auto_computes_what_its_choice_computes():
    inputs = {k: v.float() for k, v in make_inputs().items()}
    inputs["delta_softplus"] = True
    name = backends.choose_backend("auto", inputs["u"], inputs["A"])
    y = selective_scan(**inputs)
    assert torch.equal(y, selective_scan(**inputs, backend=name))


def test_auto_computes_float64_in_float64():
    inputs = {**make_inputs(), "delta_softplus": True}
    y = selective_scan(**inputs)
    expected = selective_scan(**inputs, backend="reference")
    torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("u", lambda t: t[0], r"u has shape \[7, 5\], expected \[B, L, D\]"),
        ("u", lambda t: t.long(), r"u has dtype torch.int64"),
        ("u", lambda t: t.tolist(), r"u is list"),
        ("delta", lambda t: t.transpose(1, 2), r"delta has shape \[2, 5, 7\]"),
        ("A", lambda t: t.T, r"A has shape \[8, 5\], expected \[D, N\]"),
        ("A", lambda t: t + 0j, r"A has dtype torch.complex128"),
        ("B", lambda t: t[:, :-1], r"B has shape \[2, 6, 8\]"),
        ("B", lambda t: None, r"B is NoneType"),
        ("C", lambda t: t[..., :-1], r"C has shape \[2, 7, 7\]"),
        ("D", lambda t: t[:-1], r"D has shape \[4\], expected \[D\] = \[5\]"),
        ("z", lambda t: t[:1], r"z has shape \[1, 7, 5\]"),
        ("delta_bias", lambda t: t[None], r"delta_bias has shape \[1, 5\]"),
        ("C", lambda t: t.to("meta"), r"C is on meta, expected cpu"),
    ],
)
def test_a_wrong_argument_is_named_with_what_was_found(name, change, message):
    inputs = make_inputs()
    inputs[name] = change(inputs[name])
    with pytest.raises(ValueError, match=message) as error:
        selective_scan(**inputs)
    assert "\n" not in str(error.value)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("backend", ["triton", "torch", "mamba_ssm"])
def test_backends_match_the_reference_on_cuda(backend, reverse):
    if available_backends()[backend]:
        pytest.skip(available_backends()[backend])
    inputs = {k: v.cuda() for k, v in make_inputs(length=63).items()}
    options = {"delta_softplus": True, "reverse": reverse}

    def run(dtype, backend):
        leaves = {k: v.to(dtype).requires_grad_() for k, v in inputs.items()}
        y = selective_scan(**leaves, backend=backend, **options)
        grads = torch.autograd.grad(y.sum(), list(leaves.values()))
        return {"y": y.detach(), **dict(zip(leaves, grads, strict=True))}

    expected = run(torch.float64, "reference")
    assert_close(run(torch.float32, backend), expected, 1e-4)
