"""Runs of the Triton scan in parts and steps; ``runs.py`` has the cases."""

import torch

from speechbrain_spmamba.ops import triton as backend
from tests.ops.triton.runs import run_scan, weights_like

SEQUENCES = ("u", "delta", "B", "C", "z")
PARAMETERS = ("A", "D", "delta_bias")


def run_parts(inputs, cut):
    """``run_scan``, whose arguments need a state, as two scans: y again apart.

    The state goes from the first scan to the second, its gradient back.
    """
    parts = [slice(0, cut), slice(cut, None)]
    if inputs.reverse:
        parts.reverse()
    whole = run_scan(inputs)
    state, given, kept = inputs.initial_state, [], []
    for part in parts:
        given.append(
            inputs._replace(
                **{n: getattr(inputs, n)[:, part] for n in SEQUENCES},
                initial_state=state,
            )
        )
        shape = backend.checkpoint_shape(given[-1].u, inputs.A)
        kept.append(torch.empty(shape))
        state = torch.full_like(state, torch.nan)
        y = whole["y"][:, part].fill_(torch.nan)
        backend.scan_forward(given[-1], y, kept[-1], state)
    whole["last state"] = state
    grad_state = weights_like(state)
    sums = {n: torch.ones_like(getattr(inputs, n)) for n in PARAMETERS}
    for part, inputs, states in zip(
        parts[::-1], given[::-1], kept[::-1], strict=True
    ):
        grads = {n: whole[n][:, part].fill_(torch.nan) for n in SEQUENCES}
        grads["initial_state"] = torch.full_like(state, torch.nan)
        weights = weights_like(whole["y"])[:, part]
        backend.scan_backward(
            inputs, states, weights, grads | sums, grad_last_state=grad_state
        )
        grad_state = grads["initial_state"]
    return {**whole, **sums, "initial_state": grad_state}


def run_steps(inputs):
    """y and the last state of a forward scan, step by step."""
    y = torch.full_like(inputs.u, torch.nan)
    inputs = inputs._replace(initial_state=inputs.initial_state.clone())
    for t in range(y.shape[1]):
        now = slice(t, t + 1)
        step = {n: getattr(inputs, n)[:, now] for n in SEQUENCES}
        backend.scan_step(inputs._replace(**step), y[:, now])
    return {"y": y, "last state": inputs.initial_state}
