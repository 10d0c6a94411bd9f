"""The numbers of the selective scan: values, gradients, dtypes, memory."""

import pytest
import torch
from torch.nn import functional as F

from speechbrain_spmamba.ops import available_backends, selective_scan, tiling

OPTIONAL = ("D", "z", "delta_bias")

# Backends with kernels of their own that run on this CPU, and all that do.
# The C kernels need a compiler at installation; triton has its own tests.
KERNELS = [n for n in ("torch", "cpu") if not available_backends()[n]]
BACKENDS = [*KERNELS, "reference"]

# What a kernel computes in, and how far from float64 it may be.
PRECISIONS = [
    ("torch", torch.float64, 1e-10),
    *((backend, torch.float32, 1e-5) for backend in KERNELS),
]


def make_inputs(
    batch=2, length=7, channels=5, states=8, without=(), softplus=True
):
    """Tensors as a Mamba layer passes them, in float64.

    Step sizes that do not go through a softplus are positive.
    """

    def noise(*shape):
        return torch.randn(*shape, dtype=torch.float64)

    delta = noise(batch, length, channels)
    inputs = {
        "u": noise(batch, length, channels),
        "delta": delta - 1 if softplus else delta.abs() + 0.5,
        "A": -torch.arange(1.0, states + 1) * noise(channels, states).exp(),
        "B": noise(batch, length, states),
        "C": noise(batch, length, states),
        "D": noise(channels),
        "z": noise(batch, length, channels),
        "delta_bias": noise(channels) * (1 if softplus else 0.1),
    }
    return {k: v for k, v in inputs.items() if k not in without}


def value_and_gradients(scan, inputs, dtype=torch.float64, **options):
    """y and the gradient of a fixed weighting of y, by name."""
    leaves = {k: v.detach().clone().to(dtype) for k, v in inputs.items()}
    for leaf in leaves.values():
        leaf.requires_grad_()
    y = scan(**leaves, **options)
    # the same weights for every dtype, and not the same for every element
    weights = torch.linspace(-1, 1, y.numel(), dtype=torch.float64).cos()
    y.backward(weights.view(y.shape).to(y.dtype))
    return {"y": y.detach(), **{k: v.grad for k, v in leaves.items()}}


def assert_close(found, expected, tolerance):
    """Largest error of each tensor, relative to its largest element."""
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        error = (found[name].double() - tensor).abs().max()
        assert error <= tolerance * tensor.abs().max(), name


def closed_form(
    u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=False
):
    """y_t = C_t . sum over j <= t of exp(A sum_{j<i<=t} step_i) step_j u_j B_j.

    No recurrence: all pairs (t, j) at once.
    """
    step = delta if delta_bias is None else delta + delta_bias
    if delta_softplus:
        step = F.softplus(step)
    elapsed = step.cumsum(1)
    elapsed = elapsed[:, :, None] - elapsed[:, None]  # [B, t, j, D]
    causal = torch.ones(u.shape[1], u.shape[1]).tril().bool()[None, :, :, None]
    elapsed = torch.where(causal, elapsed, 0)
    decay = torch.exp(elapsed[..., None] * A) * causal[..., None]
    y = torch.einsum("btn,btjdn,bjd,bjn->btd", C, decay, step * u, B)
    y = y if D is None else y + D * u
    return y if z is None else y * F.silu(z)


def flipped(inputs):
    """Inputs with all sequences flipped in time."""
    return {k: v.flip(1) if v.dim() == 3 else v for k, v in inputs.items()}


def suited(inputs, backend):
    """The inputs in a dtype that the backend takes."""
    if backend != "cpu":
        return inputs
    return {name: tensor.float() for name, tensor in inputs.items()}


def reference(inputs, **options):
    """Value and gradients of the reference backend in float64."""
    return value_and_gradients(
        selective_scan, inputs, backend="reference", **options
    )


@pytest.mark.parametrize("without", [(), OPTIONAL])
@pytest.mark.parametrize("softplus", [False, True])
@pytest.mark.parametrize("length", [1, 2, 7])
def test_reference_is_the_closed_form_sum_in_value_and_every_gradient(
    length, softplus, without
):
    inputs = make_inputs(
        length=length, states=3, without=without, softplus=softplus
    )
    expected = value_and_gradients(closed_form, inputs, delta_softplus=softplus)
    assert_close(reference(inputs, delta_softplus=softplus), expected, 1e-11)


@pytest.mark.parametrize("backend, dtype, tolerance", PRECISIONS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("states", [1, 8, 16])
@pytest.mark.parametrize("length", [1, 2, 7, 63])
def test_kernels_match_float64_autograd_in_value_and_every_gradient(
    length, states, reverse, backend, dtype, tolerance
):
    inputs = make_inputs(length=length, states=states)
    options = {"delta_softplus": True, "reverse": reverse}
    expected = reference(inputs, **options)
    found = value_and_gradients(
        selective_scan, inputs, dtype, backend=backend, **options
    )
    assert_close(found, expected, tolerance)


@pytest.mark.parametrize("backend, dtype, tolerance", PRECISIONS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("softplus", [False, True])
@pytest.mark.parametrize(
    "without", [(), OPTIONAL, *((name,) for name in OPTIONAL)]
)
def test_kernels_match_without_each_optional_argument(
    without, softplus, reverse, backend, dtype, tolerance
):
    inputs = make_inputs(length=11, without=without, softplus=softplus)
    options = {"delta_softplus": softplus, "reverse": reverse}
    found = value_and_gradients(
        selective_scan, inputs, dtype, backend=backend, **options
    )
    assert_close(found, reference(inputs, **options), tolerance)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("segment", [1, 200, 700])
def test_the_size_of_tiles_changes_no_number(monkeypatch, segment, reverse):
    inputs = make_inputs(batch=5, length=23)
    options = {"delta_softplus": True, "reverse": reverse}
    monkeypatch.setattr(tiling, "_CPU_SEGMENT", segment)
    found = value_and_gradients(
        selective_scan, inputs, backend="torch", **options
    )
    assert_close(found, reference(inputs, **options), 1e-10)


@pytest.mark.parametrize("backend", BACKENDS)
def test_reverse_equals_flipping_scanning_and_flipping_back(backend):
    inputs = suited(make_inputs(length=9, softplus=False), backend)
    back = selective_scan(**inputs, reverse=True, backend=backend)
    flip = selective_scan(**flipped(inputs), backend=backend).flip(1)
    torch.testing.assert_close(back, flip)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "dtype, tolerance", [(torch.bfloat16, 1e-2), (torch.float16, 2e-3)]
)
def test_half_precision_costs_only_the_rounding_of_inputs_and_outputs(
    dtype, tolerance, backend
):
    inputs = {k: v.to(dtype).double() for k, v in make_inputs().items()}
    expected = reference(inputs, delta_softplus=True)
    found = value_and_gradients(
        selective_scan, inputs, dtype, delta_softplus=True, backend=backend
    )
    assert {tensor.dtype for tensor in found.values()} == {dtype}
    assert_close(found, expected, tolerance)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_state_of_bfloat16_inputs_is_float32(backend):
    # A running sum of 2000 equal terms; in bfloat16 it would stop at 256.
    ones = torch.ones(1, 2000, 1, dtype=torch.bfloat16)
    A = torch.full((1, 1), -1e-6)
    y = selective_scan(ones, ones, A, ones, ones, backend=backend)
    assert y[0, -1, 0].item() == pytest.approx(2000, rel=1e-2)


@pytest.mark.parametrize("backend", BACKENDS)
def test_each_gradient_has_the_dtype_of_its_input(backend):
    inputs = make_inputs()
    dtypes = dict.fromkeys(inputs, torch.bfloat16)
    dtypes.update(A=torch.float32, D=torch.float32, delta_bias=torch.float32)
    leaves = {k: v.to(dtypes[k]).requires_grad_() for k, v in inputs.items()}
    y = selective_scan(**leaves, delta_softplus=True, backend=backend)
    grads = torch.autograd.grad(y.sum(), list(leaves.values()))
    assert y.dtype == torch.bfloat16
    assert [g.dtype for g in grads] == list(dtypes.values())


@pytest.mark.parametrize("backend", BACKENDS)
def test_autocast_changes_no_bit(backend):
    run = (selective_scan, make_inputs(length=20), torch.float32)
    options = {"delta_softplus": True, "backend": backend}
    plain = value_and_gradients(*run, **options)
    with torch.autocast("cpu", torch.bfloat16):
        found = value_and_gradients(*run, **options)
    for name, tensor in plain.items():
        assert torch.equal(found[name], tensor), name


def test_softplus_keeps_its_relative_accuracy_for_steps_of_any_size():
    delta = torch.linspace(-60, 60, 2001).view(1, 1, -1)
    one = torch.ones(1, 1, 1)
    A = -torch.ones(delta.numel(), 1)
    # one time step from a state of zero: y is the step size itself
    y = selective_scan(
        torch.ones_like(delta), delta, A, one, one, delta_softplus=True
    )
    expected = F.softplus(delta.double(), threshold=100)
    error = ((y.double() - expected) / expected).abs().max()
    assert error < 1e-6


@pytest.mark.parametrize("backend", BACKENDS)
def test_memory_layout_of_the_inputs_does_not_matter(backend):
    inputs = suited(make_inputs(length=6, softplus=False), backend)
    y = selective_scan(**inputs, backend=backend)
    strided = {
        k: v.transpose(0, 1).contiguous().transpose(0, 1)
        if v.dim() > 1
        else torch.stack([v, v], -1)[:, 0]
        for k, v in inputs.items()
    }
    assert not any(v.is_contiguous() for v in strided.values())
    leaves = {k: v.requires_grad_() for k, v in strided.items()}
    found = selective_scan(**leaves, backend=backend)
    torch.testing.assert_close(found, y)
    # the gradient of a sum is one number, expanded
    found = torch.autograd.grad(found.sum(), list(leaves.values()))
    leaves = [v.clone().requires_grad_() for v in inputs.values()]
    y = selective_scan(*leaves, backend=backend)
    expected = torch.autograd.grad(y, leaves, torch.ones_like(y))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("backend", KERNELS)
@pytest.mark.parametrize("name", make_inputs())
def test_a_gradient_asked_for_alone_is_the_same_and_the_others_are_none(
    name, backend
):
    inputs = make_inputs()
    expected = reference(inputs, delta_softplus=True)[name]
    inputs = suited(inputs, backend)
    inputs[name].requires_grad_()
    y = selective_scan(**inputs, delta_softplus=True, backend=backend)
    weights = torch.linspace(-1, 1, y.numel(), dtype=torch.float64).cos()
    y.backward(weights.view(y.shape).to(y.dtype))
    tolerance = 1e-10 if y.dtype == torch.float64 else 1e-5
    assert_close({name: inputs[name].grad}, {name: expected}, tolerance)
    assert all(v.grad is None for k, v in inputs.items() if k != name)


@pytest.mark.parametrize("backend", KERNELS)
@pytest.mark.parametrize("wants_grad", [False, True])
def test_inference_keeps_no_checkpoints_and_no_graph(wants_grad, backend):
    inputs = suited(make_inputs(), backend)
    inputs["A"].requires_grad_(wants_grad)
    kept = []
    with (
        torch.set_grad_enabled(not wants_grad),
        torch.autograd.graph.saved_tensors_hooks(kept.append, lambda t: t),
    ):
        y = selective_scan(**inputs, backend=backend)
    assert y.grad_fn is None and not kept


def _kept_for_backward(inputs, **options):
    """Values that a scan keeps for its gradients."""
    for tensor in inputs.values():
        tensor.requires_grad_()
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda t: kept.append(t.numel()) or t, lambda t: t
    ):
        selective_scan(**inputs, **options)
    return sum(kept)


def test_training_keeps_about_sqrt_of_length_states_beside_the_inputs():
    inputs = make_inputs(length=100)
    given = sum(t.numel() for t in inputs.values())
    state = 2 * 5 * 8
    kept = _kept_for_backward(inputs, backend="torch")
    assert kept == given + 10 * state


def test_the_inputs_are_not_written_to():
    # One row, one dtype: a tile could alias the input instead of copying it.
    inputs = make_inputs(batch=1)
    before = {k: v.clone() for k, v in inputs.items()}
    value_and_gradients(selective_scan, inputs, delta_softplus=True)
    for tensor in inputs.values():
        tensor.requires_grad_()
    selective_scan(**inputs, delta_softplus=True).sum().backward()
    assert all(torch.equal(inputs[k], v) for k, v in before.items())


@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
@pytest.mark.parametrize("batch, length", [(0, 5), (2, 0), (0, 0)])
def test_an_empty_input_has_an_empty_result_and_zero_gradients(
    batch, length, backend
):
    inputs = suited(make_inputs(batch=batch, length=length), backend)
    dtype = inputs["u"].dtype
    found = value_and_gradients(selective_scan, inputs, dtype, backend=backend)
    assert found["y"].shape == inputs["u"].shape
    assert all((found[name] == 0).all() for name in inputs)


def test_double_backward_is_refused():
    inputs = make_inputs()
    u = inputs["u"].requires_grad_()
    y = selective_scan(**inputs, backend="torch")
    (grad,) = torch.autograd.grad((y**2).sum(), u, create_graph=True)
    with pytest.raises(RuntimeError, match="no autograd formula"):
        grad.sum().backward()
