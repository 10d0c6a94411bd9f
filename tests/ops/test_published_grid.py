"""The cases that the published scan's own tests run, on every backend.

state-spaces/mamba, tests/ops/test_selective_scan.py: its sizes (two sequences,
four channels, eight states), its distributions, every value that its
parameters list, and its tolerances; of B and C those in two groups and those
that are constant in time as well. Channels-last here, real A. What is compared
with is a loop in float64 that shares nothing with the package.
"""

import functools
import itertools

import pytest
import torch

from speechbrain_spmamba.ops import available_backends, selective_scan
from tests.ops.test_selective_scan import BACKENDS, KERNELS

BATCH, CHANNELS, STATES = 2, 4, 8

# rtol and atol, of values
TOLERANCES = {
    torch.float32: (6e-4, 2e-3),
    torch.float16: (3e-3, 5e-3),
    torch.bfloat16: (3e-2, 5e-2),
}
# and of gradients so many times that; those of parameters, sums over time, are
# of tens or hundreds
RTOL_TIMES = {"u": 2, "delta": 5}
ATOL_TIMES = {"u": 2, "delta": 10, "A": 5}

# B and C: whether they vary in time, and in how many groups of channels
FORMS = [
    (True, True, 1),
    (True, True, 2),
    (True, False, 1),
    (False, True, 1),
    (False, False, 1),
]
# whether there are D, z and delta_bias, and whether there is a softplus
FLAGS = list(itertools.product([False, True], repeat=4))
LENGTHS = [128, 256, 512, 1024, 2048, 4096]


def draw(length, itype, form, has_D, has_z, has_delta_bias, delta_softplus):
    """The tensors of a case and the options of the scan."""
    varies_B, varies_C, groups = form
    generator = torch.Generator().manual_seed(0)

    def normal(*shape, dtype=torch.float32):
        return torch.randn(*shape, generator=generator).to(dtype)

    def uniform(*shape, dtype=torch.float32):
        return torch.rand(*shape, generator=generator).to(dtype)

    def weights(varies):
        if not varies:
            return normal(CHANNELS, STATES)
        middle = (groups,) if groups > 1 else ()
        return normal(BATCH, length, *middle, STATES, dtype=itype)

    sequence = BATCH, length, CHANNELS
    tensors = {
        "A": -0.5 * uniform(CHANNELS, STATES),
        "B": weights(varies_B),
        "C": weights(varies_C),
        "u": normal(*sequence, dtype=itype),
        "delta": 0.5 * uniform(*sequence, dtype=itype),
    }
    if has_D:
        tensors["D"] = normal(CHANNELS)
    if has_z:
        tensors["z"] = normal(*sequence, dtype=itype)
    if has_delta_bias:
        tensors["delta_bias"] = 0.5 * uniform(CHANNELS)
    return tensors, {"delta_softplus": delta_softplus}


def loop(u, delta, A, B, C, D=None, z=None, delta_bias=None, delta_softplus=0):
    """y and the last state; weights of groups by channel, then step by step."""

    def by_channel(weights):  # [B, L, D, N]
        if weights.dim() == 2:
            weights = weights[None, None]
        elif weights.dim() == 3:
            weights = weights[:, :, None]
        repeats = CHANNELS // weights.shape[2]
        weights = weights.repeat_interleave(repeats, 2)
        return weights.expand(*u.shape, STATES)

    # unbound: the gradient of an index is as large as what is indexed
    B, C = by_channel(B).unbind(1), by_channel(C).unbind(1)
    if delta_bias is not None:
        delta = delta + delta_bias
    if delta_softplus:
        delta = torch.log1p(torch.exp(delta))
    state, y = u.new_zeros(BATCH, CHANNELS, STATES), []
    for u_t, step, B_t, C_t in zip(
        u.unbind(1), delta.unbind(1), B, C, strict=True
    ):
        decay = torch.exp(step[:, :, None] * A)
        state = decay * state + (step * u_t)[:, :, None] * B_t
        y.append((C_t * state).sum(-1))
    y = torch.stack(y, 1)
    if D is not None:
        y = y + D * u
    if z is not None:
        y = y * z * torch.sigmoid(z)
    return y, state


def run(scan, tensors, dtype=None, **options):
    """y, the last state, and the gradients of a weighting of both."""
    leaves = {
        k: v.detach().to(dtype or v.dtype).requires_grad_()
        for k, v in tensors.items()
    }
    y, last = scan(**leaves, **options)
    generator = torch.Generator().manual_seed(1)
    weights = [
        torch.randn(t.shape, generator=generator).to(tensors["u"])
        for t in (y, last)
    ]
    torch.autograd.backward(
        (y, last),
        [w.to(t.dtype) for w, t in zip(weights, (y, last), strict=True)],
    )
    return y, last, {name: leaf.grad for name, leaf in leaves.items()}


@functools.lru_cache(maxsize=1)
def expected_case(length, itype, form, *flags):
    """A case, and what the loop makes of it; backends follow each other."""
    tensors, options = draw(length, itype, form, *flags)
    return tensors, options, run(loop, tensors, torch.float64, **options)


def assert_case(backend, length, itype, form, flags, device="cpu"):
    """That a backend's results are those of the loop."""
    tensors, options, expected = expected_case(length, itype, form, *flags)
    tensors = {name: tensor.to(device) for name, tensor in tensors.items()}
    y, last, grads = run(
        selective_scan,
        tensors,
        **options,
        backend=backend,
        return_last_state=True,
    )
    rtol, atol = TOLERANCES[itype]
    assert (y.dtype, last.dtype) == (itype, torch.float32)
    for found, wanted in ((y, expected[0]), (last, expected[1])):
        found = found.double().cpu()
        torch.testing.assert_close(found, wanted, rtol=rtol, atol=atol)
    assert grads.keys() == tensors.keys()
    for name, grad in grads.items():
        assert grad.dtype == tensors[name].dtype
        torch.testing.assert_close(
            grad.double().cpu(),
            expected[2][name],
            rtol=rtol * RTOL_TIMES.get(name, 1),
            atol=atol * ATOL_TIMES.get(name, 1),
            msg=lambda text, name=name: f"gradient of {name}: {text}",
        )


def _of_lengths():
    """Lengths: the longer half takes seconds a case."""
    for length in LENGTHS:
        marks = pytest.mark.slow if length > 512 else ()
        yield pytest.param(length, marks=marks)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("itype", TOLERANCES)
@pytest.mark.parametrize("form", FORMS[:2])
@pytest.mark.parametrize("length", _of_lengths())
def test_every_length_as_published(length, form, itype, backend):
    assert_case(backend, length, itype, form, FLAGS[-1])


@pytest.mark.parametrize("backend", KERNELS)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("flags", FLAGS)
def test_every_form_with_and_without_each_argument(flags, form, backend):
    assert_case(backend, 128, torch.float32, form, flags)


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("itype", TOLERANCES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("length", LENGTHS[:3])
def test_the_whole_grid(length, flags, form, itype, backend):
    assert_case(backend, length, itype, form, flags)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("backend", ["triton", "torch"])
@pytest.mark.parametrize("itype", TOLERANCES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("length", [128, 1024])
def test_on_a_gpu(length, form, itype, backend):
    if available_backends()[backend]:
        pytest.skip(available_backends()[backend])
    assert_case(backend, length, itype, form, FLAGS[-1], device="cuda")
