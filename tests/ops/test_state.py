"""A scan that starts from a state and returns the last one."""

import pytest
import torch

from speechbrain_spmamba.ops import selective_scan
from tests.ops.test_selective_scan import (
    BACKENDS,
    KERNELS,
    assert_close,
    make_inputs,
    suited,
)

SEQUENCES = ("u", "delta", "B", "C", "z")

# What a backend computes in, and how far from float64 it may be.
PRECISIONS = [
    ("reference", torch.float64, 1e-12),
    ("torch", torch.float64, 1e-10),
    *((backend, torch.float32, 1e-5) for backend in KERNELS),
    *((backend, torch.bfloat16, 3e-2) for backend in KERNELS),
]


def state_inputs(batch=2, length=7, channels=5, states=8, **options):
    """``make_inputs`` with an initial state."""
    inputs = make_inputs(batch, length, channels, states, **options)
    noise = torch.randn(batch, channels, states, dtype=torch.float64)
    return {**inputs, "initial_state": noise}


def scan_parts(inputs, cuts, reverse=False, **options):
    """y and the last state of scans that hand the state on at each cut."""
    length = inputs["u"].shape[1]
    edges = [0, *cuts, length]
    parts = list(zip(edges[:-1], edges[1:], strict=True))
    y, state = {}, inputs["initial_state"]
    for first, end in reversed(parts) if reverse else parts:
        part = {
            k: v[:, first:end] if k in SEQUENCES else v
            for k, v in inputs.items()
        }
        part["initial_state"] = state
        y[first, end], state = selective_scan(
            **part, reverse=reverse, return_last_state=True, **options
        )
    return torch.cat([y[part] for part in parts], 1), state


def results(inputs, dtype, cuts=(), wants=("y", "last"), **options):
    """y, the last state, and gradients of a fixed weighting of both."""
    leaves = {k: v.detach().to(dtype) for k, v in inputs.items()}
    for leaf in leaves.values():
        leaf.requires_grad_()
    y, last = scan_parts(leaves, cuts, delta_softplus=True, **options)
    loss = 0
    for name, tensor in (("y", y), ("last", last)):
        if name in wants:
            count = tensor.numel()
            weights = torch.linspace(-1, 1, count, dtype=torch.float64).cos()
            weighted = tensor.double() * weights.view(tensor.shape)
            loss = loss + weighted.sum()
    grads = torch.autograd.grad(
        loss, leaves.values(), allow_unused=True, materialize_grads=True
    )
    found = dict(zip(leaves, grads, strict=True))
    assert all(grad.dtype == dtype for grad in grads)
    return {"y": y.detach(), "last": last.detach(), **found}


@pytest.mark.parametrize("backend, dtype, tolerance", PRECISIONS)
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_scans_that_hand_over_their_state_are_one_scan(
    seed, reverse, backend, dtype, tolerance
):
    generator = torch.Generator().manual_seed(seed)

    def draw(low, high, count=1):
        return torch.randint(low, high, (count,), generator=generator)

    length, channels = int(draw(2, 80)), int(draw(1, 40))
    inputs = state_inputs(3, length, channels, int(draw(1, 20)))
    inputs = {k: v.to(dtype).double() for k, v in inputs.items()}
    cuts = sorted(draw(0, length + 1, seed + 1).tolist())
    expected = results(
        inputs, torch.float64, backend="reference", reverse=reverse
    )
    for at in ([], cuts):
        found = results(inputs, dtype, at, backend=backend, reverse=reverse)
        assert_close(found, expected, tolerance)


@pytest.mark.parametrize("backend, dtype, tolerance", PRECISIONS)
@pytest.mark.parametrize("wants", ["y", "last"])
def test_a_loss_may_look_at_one_of_the_results(
    wants, backend, dtype, tolerance
):
    inputs = state_inputs(length=40)
    inputs = {k: v.to(dtype).double() for k, v in inputs.items()}
    expected = results(
        inputs, torch.float64, wants=(wants,), backend="reference"
    )
    found = results(inputs, dtype, wants=(wants,), backend=backend)
    assert_close(found, expected, tolerance)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("reverse", [False, True])
def test_a_state_of_zero_and_one_to_return_change_no_bit(reverse, backend):
    inputs = suited(make_inputs(length=35), backend)
    options = {"reverse": reverse, "backend": backend, "delta_softplus": True}
    y = selective_scan(**inputs, **options)
    zero = inputs["u"].new_zeros(2, 5, 8)
    found, last = selective_scan(
        **inputs, **options, initial_state=zero, return_last_state=True
    )
    assert torch.equal(found, y)
    _, same = selective_scan(**inputs, **options, return_last_state=True)
    assert torch.equal(last, same)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_state_is_float32_or_float64_as_the_other_inputs_say(backend):
    for dtype, given, expected in (
        (torch.bfloat16, torch.float64, torch.float32),
        (torch.float32, torch.float16, torch.float32),
        (torch.float64, torch.bfloat16, torch.float64),
    ):
        if (backend, dtype) == ("cpu", torch.float64):
            continue
        inputs = {k: v.to(dtype) for k, v in state_inputs().items()}
        state = inputs["initial_state"].to(given).requires_grad_()
        inputs["initial_state"] = state
        y, last = selective_scan(
            **inputs,
            delta_softplus=True,
            backend=backend,
            return_last_state=True,
        )
        assert (y.dtype, last.dtype) == (dtype, expected)
        last.sum().backward()
        assert state.grad.dtype == given


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_state_may_lie_in_memory_as_it_likes_and_is_not_written_to(backend):
    inputs = suited(state_inputs(length=6), backend)
    expected = selective_scan(
        **inputs, delta_softplus=True, backend=backend, return_last_state=True
    )
    before = inputs["initial_state"]
    turned = before.transpose(0, 2).contiguous().transpose(0, 2)
    inputs["initial_state"] = turned
    found = selective_scan(
        **inputs, delta_softplus=True, backend=backend, return_last_state=True
    )
    assert torch.equal(turned, before)
    for tensor, other in zip(found, expected, strict=True):
        assert torch.equal(tensor, other)


@pytest.mark.parametrize("backend", ["auto", *BACKENDS])
@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("batch, length", [(0, 5), (2, 0), (0, 0)])
def test_after_no_step_the_last_state_is_the_first(
    batch, length, given, backend
):
    inputs = suited(state_inputs(batch, length), backend)
    state = inputs.pop("initial_state").requires_grad_()
    y, last = selective_scan(
        **inputs,
        backend=backend,
        initial_state=state if given else None,
        return_last_state=True,
    )
    assert y.shape == inputs["u"].shape
    expected = state if given else torch.zeros_like(state)
    assert torch.equal(last, expected)
    if given:
        (grad,) = torch.autograd.grad((3 * last).sum(), state)
        assert torch.equal(grad, torch.full_like(state, 3))
        y, _ = selective_scan(
            **inputs,
            backend=backend,
            initial_state=state,
            return_last_state=True,
        )
        (grad,) = torch.autograd.grad(y.sum(), state)
        assert torch.equal(grad, torch.zeros_like(state))


def test_a_state_of_another_shape_is_refused_in_one_line():
    inputs = state_inputs()
    inputs["initial_state"] = inputs["initial_state"].transpose(1, 2)
    expected = (
        r"initial_state has shape \[2, 8, 5\], expected \[B, D, N\] = "
        r"\[2, 5, 8\]"
    )
    with pytest.raises(ValueError, match=expected) as error:
        selective_scan(**inputs)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "groups_B, groups_C", [(1, 2), (2, 1), (3, 2), (6, 3), (0, 1), (1, 0)]
)
def test_weights_of_groups_are_those_of_each_channel(
    groups_B, groups_C, backend
):
    # zero groups stand for weights that are constant in time
    inputs = state_inputs(length=5, channels=6, states=3, without=("D",))
    for name, groups in (("B", groups_B), ("C", groups_C)):
        shape = (2, 5, groups, 3) if groups else (6, 3)
        inputs[name] = torch.randn(shape, dtype=torch.float64)

    def by_channel(u, delta, A, B, C, z, delta_bias, initial_state, **options):
        y, last = [], []
        for d in range(6):
            weights = [
                w[d].expand(2, 5, 3)
                if w.dim() == 2
                else w[:, :, d * w.shape[2] // 6]
                for w in (B, C)
            ]
            one = slice(d, d + 1)
            channel = selective_scan(
                *(u[..., one], delta[..., one], A[one], *weights),
                z=z[..., one],
                delta_bias=delta_bias[one],
                initial_state=initial_state[:, one],
                **options,
            )
            y.append(channel[0])
            last.append(channel[1])
        return torch.cat(y, 2), torch.cat(last, 1)

    def run(scan, dtype, backend):
        leaves = {k: v.to(dtype).requires_grad_() for k, v in inputs.items()}
        y, last = scan(
            **leaves,
            delta_softplus=True,
            backend=backend,
            return_last_state=True,
        )
        loss = (y * y.detach().cos()).sum() + last.sin().sum()
        grads = torch.autograd.grad(loss, list(leaves.values()))
        return {"y": y, "last": last, **dict(zip(leaves, grads, strict=True))}

    expected = run(by_channel, torch.float64, "reference")
    dtype = torch.float32 if backend == "cpu" else torch.float64
    found = run(selective_scan, dtype, backend)
    tolerance = 1e-5 if backend == "cpu" else 1e-10
    assert_close(found, expected, tolerance)


@pytest.mark.parametrize(
    "name, shape, message",
    [
        ("B", (2, 7, 2, 8), r"\[B, L, G, N\] with a G that divides D = 5"),
        ("C", (2, 7, 0, 8), r"\[B, L, G, N\] with a G that divides D = 5"),
        ("C", (2, 7, 5, 7), r"\[B, L, G, N\] = \[2, 7, 5, 8\]"),
        ("B", (4, 8), r"\[D, N\] = \[5, 8\]"),
    ],
)
def test_weights_of_no_form_are_refused_in_one_line(name, shape, message):
    inputs = make_inputs()
    inputs[name] = torch.ones(shape, dtype=torch.float64)
    with pytest.raises(ValueError, match=message) as error:
        selective_scan(**inputs)
    assert "\n" not in str(error.value)


def test_complex_rates_are_left_out():
    inputs = make_inputs()
    inputs["A"] = inputs["A"] + 0j
    with pytest.raises(ValueError, match="complex numbers are left out"):
        selective_scan(**inputs)
