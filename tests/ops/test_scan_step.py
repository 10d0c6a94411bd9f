"""One time step of the selective scan, again and again."""

import pytest
import torch

from speechbrain_spmamba.ops import selective_scan, selective_scan_step
from tests.ops.test_selective_scan import (
    BACKENDS,
    KERNELS,
    OPTIONAL,
    assert_close,
)
from tests.ops.test_state import SEQUENCES, state_inputs

PRECISIONS = [
    ("reference", torch.float64, 1e-12),
    ("torch", torch.float64, 1e-12),
    *((backend, torch.float32, 1e-5) for backend in KERNELS),
    *((backend, torch.bfloat16, 1e-2) for backend in KERNELS),
    *((backend, torch.float16, 2e-3) for backend in KERNELS),
]


def at(inputs, t):
    """What a step is given of the inputs of a scan."""
    return {
        k: v[:, t] if k in SEQUENCES else v
        for k, v in inputs.items()
        if k != "initial_state"
    }


def steps(inputs, out=None, **options):
    """y and the last state, step by step."""
    wide = inputs["u"].dtype == torch.float64
    state = inputs["initial_state"].to(torch.float64 if wide else torch.float32)
    state = state.clone()
    y = torch.empty_like(inputs["u"])
    for t in range(y.shape[1]):
        y[:, t] = selective_scan_step(
            state, **at(inputs, t), out=out, **options
        )
    return {"y": y, "last": state}


@pytest.mark.parametrize("backend, dtype, tolerance", PRECISIONS)
@pytest.mark.parametrize("softplus", [False, True])
@pytest.mark.parametrize("without", [(), OPTIONAL])
@pytest.mark.parametrize(
    "channels, states", [(1, 1), (5, 8), (16, 16), (33, 3), (40, 37)]
)
def test_steps_are_the_scan(
    channels, states, without, softplus, backend, dtype, tolerance
):
    inputs = state_inputs(
        2, 6, channels, states, without=without, softplus=softplus
    )
    inputs = {k: v.to(dtype) for k, v in inputs.items()}
    expected = selective_scan(
        **{k: v.double() for k, v in inputs.items()},
        delta_softplus=softplus,
        backend="reference",
        return_last_state=True,
    )
    found = steps(inputs, delta_softplus=softplus, backend=backend)
    assert_close(found, dict(zip(found, expected, strict=True)), tolerance)


@pytest.mark.parametrize("backend", KERNELS)
def test_the_result_lands_in_a_column_of_any_matrix(backend):
    inputs = {k: v.float() for k, v in state_inputs().items()}
    options = {"backend": backend, "delta_softplus": True}
    expected = steps(inputs, **options)
    wide = torch.full((2, 5, 3), 7.0)
    out = wide[..., 1]
    found = steps(inputs, out, **options)
    assert all(torch.equal(found[name], expected[name]) for name in found)
    assert (wide[..., ::2] == 7).all()
    step = selective_scan_step(
        torch.zeros(2, 5, 8), **at(inputs, 0), out=out, backend=backend
    )
    assert step is out


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_step_in_c_takes_no_memory(dtype):
    if "cpu" not in KERNELS:
        pytest.skip("the C kernels are not built")
    inputs = {k: v.to(dtype) for k, v in state_inputs(channels=21).items()}
    state, out = torch.zeros(2, 21, 8), torch.empty(2, 21, dtype=dtype)
    arguments = {**at(inputs, 0), "out": out, "backend": "cpu"}
    with torch.profiler.profile(
        profile_memory=True, acc_events=True
    ) as profile:
        selective_scan_step(state, **arguments)
        torch.empty(3)
    taken = [e.name for e in profile.events() if e.cpu_memory_usage > 0]
    assert taken == ["aten::empty"]  # the one that says that it would be seen


def test_threads_change_no_bit_of_a_step():
    sizes = {"batch": 3, "channels": 1000, "states": 16, "length": 1}
    inputs = {k: v.float() for k, v in state_inputs(**sizes).items()}
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            found.append(steps(inputs, delta_softplus=True))
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_rates_and_steps_of_any_size_stay_finite(backend):
    A = torch.tensor([-0.0, -1.0, -1e15, -3e38]).repeat(4, 1)
    delta = torch.tensor([[0.0, 1.0, 1e15, 3e38]])
    one = torch.ones(1, 4)
    state = torch.ones(1, 4, 4)
    y = selective_scan_step(state, 0 * one, delta, A, one, one, backend=backend)
    kept = torch.tensor([1, 1 / torch.e, 0, 0])
    expected = torch.stack([torch.ones(4), kept, kept > 0.9, kept > 0.9])
    torch.testing.assert_close(state[0], expected)
    torch.testing.assert_close(y[0], expected.sum(1))


@pytest.mark.parametrize("backend", BACKENDS)
def test_of_no_items_there_is_no_result(backend):
    inputs = {k: v.float() for k, v in state_inputs(batch=0).items()}
    y = selective_scan_step(
        inputs["initial_state"], **at(inputs, 0), backend=backend
    )
    assert y.shape == (0, 5)


def test_a_gradient_is_refused_and_without_one_weights_may_be_parameters():
    inputs = {k: v.float() for k, v in state_inputs().items()}
    state = inputs["initial_state"]
    inputs["A"].requires_grad_()
    with pytest.raises(ValueError, match="has no gradient") as error:
        selective_scan_step(state, **at(inputs, 0))
    assert "\n" not in str(error.value)
    with torch.no_grad():
        y = selective_scan_step(state, **at(inputs, 0))
    assert not y.requires_grad


@pytest.mark.parametrize(
    "name, change, message",
    [
        (
            "u",
            lambda t: t[:, None],
            r"u has shape \[2, 1, 5\], expected \[B, D\]",
        ),
        ("u", lambda t: 3, r"u is int"),
        ("A", lambda t: t.T, r"A has shape \[8, 5\]"),
        ("B", lambda t: t[:, :-1], r"B has shape \[2, 7\]"),
        ("state", lambda t: t[0], r"state has shape \[5, 8\]"),
        (
            "state",
            lambda t: t.double(),
            r"float64, expected contiguous.*float32",
        ),
        (
            "state",
            lambda t: t.mT.contiguous().mT,
            r"is not contiguous, expected",
        ),
        ("out", lambda t: t[0], r"out has shape \[5\]"),
        ("backend", lambda t: "no", r"unknown scan backend 'no'"),
    ],
)
def test_a_wrong_argument_is_named_in_one_line(name, change, message):
    inputs = {k: v.float() for k, v in state_inputs().items()}
    arguments = {
        "state": inputs["initial_state"],
        **at(inputs, 0),
        "out": torch.empty(2, 5),
        "backend": "auto",
    }
    arguments[name] = change(arguments[name])
    with pytest.raises(ValueError, match=message) as error:
        selective_scan_step(**arguments)
    assert "\n" not in str(error.value)
