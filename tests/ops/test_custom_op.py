"""The scan is an operator that torch can trace, compile and recompute."""

import pytest
import torch
from torch.utils.checkpoint import checkpoint

from speechbrain_spmamba.models import build_model
from speechbrain_spmamba.ops import custom_op, selective_scan
from tests.ops.test_selective_scan import (
    KERNELS,
    assert_close,
    make_inputs,
    value_and_gradients,
)


def float_inputs(**sizes):
    return {k: v.float() for k, v in make_inputs(**sizes).items()}


@pytest.mark.parametrize("backend", KERNELS)
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("has_state", [False, True])
def test_schema_fake_and_gradient_agree_with_the_kernel(
    has_state, backend, keep
):
    inputs = float_inputs(length=9)
    inputs["initial_state"] = torch.randn(2, 5, 8) if has_state else None
    for tensor in filter(torch.is_tensor, inputs.values()):
        tensor.requires_grad_(keep)
    args = (*inputs.values(), True, False, backend, keep, has_state)
    torch.library.opcheck(custom_op.scan, args)


@pytest.mark.parametrize("backend", KERNELS)
def test_a_compiled_scan_is_one_graph_with_the_same_gradients(backend):
    inputs = float_inputs(length=9)
    options = {"backend": backend, "delta_softplus": True, "reverse": True}

    def twice(**tensors):
        return selective_scan(**tensors, **options) * 2

    compiled = torch.compile(twice, backend="aot_eager", fullgraph=True)
    expected = value_and_gradients(twice, inputs, torch.float32)
    found = value_and_gradients(compiled, inputs, torch.float32)
    assert_close(found, expected, 1e-6)


@pytest.mark.parametrize("backend", KERNELS)
def test_a_compiled_scan_with_a_state_is_one_graph_too(backend):
    inputs = {**float_inputs(length=9), "initial_state": torch.randn(2, 5, 8)}

    def both(**tensors):
        y, state = selective_scan(
            **tensors,
            backend=backend,
            delta_softplus=True,
            return_last_state=True,
        )
        return torch.cat([y.flatten(), state.flatten()])

    compiled = torch.compile(both, backend="aot_eager", fullgraph=True)
    expected = value_and_gradients(both, inputs, torch.float32)
    found = value_and_gradients(compiled, inputs, torch.float32)
    assert_close(found, expected, 1e-6)


@pytest.mark.parametrize("backend", KERNELS)
def test_activation_checkpointing_recomputes_the_scan(backend):
    inputs = float_inputs(length=9)

    def scan(**tensors):
        return selective_scan(**tensors, delta_softplus=True, backend=backend)

    def again(**tensors):
        return checkpoint(scan, use_reentrant=False, **tensors)

    expected = value_and_gradients(scan, inputs, torch.float32)
    found = value_and_gradients(again, inputs, torch.float32)
    assert_close(found, expected, 0)


@pytest.mark.parametrize(
    "memory", ["balanced", pytest.param("low", marks=pytest.mark.slow)]
)
def test_a_compiled_model_computes_the_same(memory):
    sizes = {"n_fft": 64, "hop_length": 32, "num_blocks": 1, "emb_dim": 4}
    model = build_model("spmamba", memory=memory, **sizes)
    mix = torch.randn(2, 400)

    def run(network):
        est = network(mix)
        grads = torch.autograd.grad(
            est.square().sum(), list(model.parameters())
        )
        return est, *grads

    expected = run(model)
    compiled = torch.compile(model, backend="aot_eager")
    for found, wanted in zip(run(compiled), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
