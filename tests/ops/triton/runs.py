"""Runs of the Triton kernels and what they should give.

    python -m tests.ops.triton.runs FILE

runs the small cases in Triton's interpreter, on the CPU, and saves what comes
out. It has a process of its own because Triton decides at its first import
whether it interprets.
"""

import os
import sys

import torch
from torch.nn import functional as F

from speechbrain_spmamba.ops import reference
from speechbrain_spmamba.ops import triton as backend
from speechbrain_spmamba.ops.kernel_interface import ScanInputs
from speechbrain_spmamba.ops.triton import layout
from tests.ops import test_extremes
from tests.ops.test_selective_scan import make_inputs
from tests.ops.triton import map_runs
from tests.ops.triton.map_runs import weights_like

OPTIONAL = ("D", "z", "delta_bias")

# For the interpreter, which takes a millisecond for each instruction: an eighth
# of the steps of an interval and of a tile.
INTERVAL, TILE, STRETCH = 6, 8, 4

# Of the sizes, 2 steps are a segment, 32 channels a block of up to 16 states.
SCANS = {
    "two intervals": {"length": 8, "channels": 20, "states": 8},
    "two intervals, reverse": {"length": 7, "channels": 9, "reverse": True},
    "a single step": {"length": 1, "channels": 3},
    "no optional argument": {
        "length": 5,
        "channels": 33,
        "states": 5,
        "without": OPTIONAL,
        "reverse": True,
    },
    "no softplus": {"length": 4, "channels": 8, "softplus": False},
    "a single state": {"length": 3, "channels": 33, "states": 1},
    "3 states": {"length": 3, "channels": 33, "states": 3},
    "32 states": {"length": 4, "channels": 18, "states": 32},
    "100 states": {"length": 3, "channels": 5, "states": 100},
    "low rank": {
        "length": 4,
        "channels": 33,
        "rank": 3,
        "reverse": True,
    },
    "rows of one matrix": {"length": 4, "rank": 8, "rows": True},
    "rows of one matrix, not as wide as the kernel's": {
        "length": 3,
        "rank": 3,
        "states": 5,
        "rows": True,
    },
    "a rank too large for the kernel": {
        "length": 3,
        "channels": 33,
        "rank": 20,
    },
    "columns of larger matrices": {
        "batch": 2,
        "length": 5,
        "channels": 10,
        "rank": 8,
        "layout": "columns",
    },
    "channels first": {
        "length": 5,
        "channels": 10,
        "layout": "channels first",
        "reverse": True,
    },
    "a state": {"batch": 2, "length": 8, "channels": 37, "state": True},
    "a state, reverse": {
        "length": 7,
        "channels": 9,
        "states": 5,
        "state": True,
        "reverse": True,
    },
    "a state, a step": {
        "length": 1,
        "channels": 4,
        "states": 32,
        "state": True,
        "dtype": torch.bfloat16,
    },
    "bfloat16": {
        "length": 5,
        "channels": 33,
        "rank": 8,
        "dtype": torch.bfloat16,
    },
    "float16": {"length": 5, "channels": 8, "dtype": torch.float16},
}

STATES = ("a state", "a state, reverse")

CONVOLUTIONS = {
    "two tiles": {"length": 11},
    "two tiles, reverse": {"length": 10, "reverse": True},
    "two sequences of two blocks": {"batch": 2, "length": 5, "channels": 140},
    "shorter than the taps": {"length": 2, "reverse": True},
    "one tap": {"length": 6, "taps": 1},
    "two taps without bias": {"length": 9, "taps": 2, "bias": False},
    "columns of larger matrices": {"length": 9, "layout": "columns"},
    "channels first": {"length": 9, "layout": "channels first"},
    "bfloat16": {"length": 9, "dtype": torch.bfloat16},
}

# of the arguments of any size
SIZES = (0.0, 1.0, 1e15, 3e38)

# step sizes before the softplus
STEPS = torch.linspace(-60, 60, 241).view(1, 1, -1)

# errors relative to the largest element of a tensor
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 1e-2, torch.float16: 2e-3}


def assert_repeats(again, y):
    """That an output and its repetition differ by rounding alone."""
    tolerance = 8 * torch.finfo(y.dtype).eps * float(y.abs().max())
    torch.testing.assert_close(again, y, rtol=0, atol=tolerance)


def place(tensor, layout):
    """A copy of a tensor whose sequences have the layout that is named."""
    if tensor.dim() != 3 or layout == "contiguous":
        return tensor.clone(memory_format=torch.contiguous_format)
    if layout == "channels first":
        return tensor.transpose(1, 2).contiguous().transpose(1, 2)
    *shape, channels = tensor.shape
    wide = tensor.new_zeros(*shape, channels + 7)
    wide[..., 3 : 3 + channels] = tensor
    return wide[..., 3 : 3 + channels]


def scan_inputs(
    batch=1,
    length=7,
    channels=5,
    states=16,
    rank=0,
    softplus=True,
    without=(),
    reverse=False,
    dtype=torch.float32,
    layout="contiguous",
    rows=False,
    state=False,
):
    """ScanInputs of random numbers; sequences are of ``dtype``."""
    torch.manual_seed(0)
    tensors = make_inputs(batch, length, channels, states, without, softplus)
    if rank:
        noise = torch.randn(batch, length, rank, dtype=torch.float64)
        tensors["delta"] = noise
        noise = torch.randn(channels, rank, dtype=torch.float64)
        tensors["delta_weight"] = noise / rank**0.5
    for name, tensor in tensors.items():
        is_sequence = tensor.dim() == 3
        tensor = tensor.to(dtype if is_sequence else torch.float32)
        tensors[name] = place(tensor, layout)
    if rows:
        names = ["delta", "B", "C"]
        whole = torch.cat([tensors[name] for name in names], -1)
        parts = whole.split([rank, states, states], -1)
        tensors |= zip(names, parts, strict=True)
        tensors["rows"] = whole
    if state:
        tensors["initial_state"] = torch.randn(batch, channels, states)
    return ScanInputs(**tensors, delta_softplus=softplus, reverse=reverse)


def to(device, inputs):
    """The same inputs on another device, in the same layout."""
    return ScanInputs(
        *(t.to(device) if isinstance(t, torch.Tensor) else t for t in inputs)
    )


def run_scan(inputs, layout="contiguous", keep=True, names=None):
    """Value and gradients by the Triton backend.

    Arguments
    ---------
    inputs : ScanInputs
        As ``scan_inputs`` makes them.
    layout : str
        Of the outputs, see ``place``.
    keep : bool
        Whether the backward pass is given the forward pass's checkpoints.
    names : collection, optional
        Gradients to ask for; all of them when it is missing.

    Returns
    -------
    dict
        "y", "y again" from the backward pass, and the gradients by name; those
        of parameters added to ones. From an initial state also "last state",
        whose gradient is then one too.
    """
    y = place(torch.zeros_like(inputs.u), layout)
    checkpoints = None
    if keep:
        shape = backend.checkpoint_shape(inputs.u, inputs.A)
        checkpoints = torch.empty(shape, device=inputs.u.device)
    found, state, grad_state = {}, inputs.initial_state, None
    if state is not None:
        found["last state"] = torch.full_like(state, torch.nan)
        grad_state = weights_like(state)
    backend.scan_forward(inputs, y, checkpoints, found.get("last state"))
    grads = {}
    for name, tensor in inputs._asdict().items():
        if not isinstance(tensor, torch.Tensor):
            continue
        if name in ("delta_weight", "rows"):
            continue
        if names is not None and name not in names:
            continue
        # the gradient of the product, [B, L, D]
        like = inputs.u if name == "delta" else tensor
        grads[name] = place(torch.ones_like(like), layout)
    again = place(torch.zeros_like(inputs.u), layout)
    weights = place(weights_like(inputs.u), layout)
    backend.scan_backward(
        inputs, checkpoints, weights, grads, again, grad_state
    )
    return {"y": y, "y again": again, **found, **grads}


def run_softplus(delta):
    """The step sizes of one time step: y of a scan from a state of zero."""
    ones, u = torch.ones(1, 1, 1), torch.ones_like(delta)
    A = -torch.ones(delta.shape[2], 1)
    inputs = ScanInputs(u, delta, A, ones, ones, delta_softplus=True)
    y = torch.empty_like(delta)
    backend.scan_forward(inputs, y)
    return y


def expected_scan(inputs):
    """What ``run_scan`` should return, in float64 by autograd."""
    leaves = {
        name: tensor.detach().double()
        for name, tensor in inputs._asdict().items()
        if isinstance(tensor, torch.Tensor) and name != "rows"
    }
    weight = leaves.pop("delta_weight", None)
    if weight is not None:
        leaves["delta"] = leaves["delta"] @ weight.T
    for leaf in leaves.values():
        leaf.requires_grad_()
    arguments = dict.fromkeys(OPTIONAL) | leaves
    y, state = reference.scan(
        **arguments,
        delta_softplus=inputs.delta_softplus,
        reverse=inputs.reverse,
        return_last_state=True,
    )
    expected = {"y": y.detach(), "y again": y.detach()}
    results, weights = [y], [weights_like(inputs.u).double()]
    if "initial_state" in leaves:
        expected["last state"] = state.detach()
        results.append(state)
        weights.append(weights_like(state))
    torch.autograd.backward(results, weights)
    for name, leaf in leaves.items():
        added = name in ("A", "D", "delta_bias")
        expected[name] = leaf.grad + (1 if added else 0)
    return expected


def conv_inputs(
    batch=1,
    length=9,
    channels=5,
    taps=4,
    bias=True,
    reverse=False,
    dtype=torch.float32,
    layout="contiguous",
):
    """x, weight, bias and direction of a convolution; random numbers."""
    torch.manual_seed(0)
    x = place(torch.randn(batch, length, channels).to(dtype), layout)
    bias = torch.randn(channels) if bias else None
    return x, torch.randn(channels, taps), bias, reverse


def run_conv(x, weight, bias, reverse, layout="contiguous"):
    """Value and gradients by the Triton backend; see ``run_scan``."""
    y = place(torch.zeros_like(x), layout)
    backend.conv_forward(x, weight, bias, reverse, y)
    grads = {"x": place(torch.zeros_like(x), layout)}
    grads["weight"] = torch.ones_like(weight)
    if bias is not None:
        grads["bias"] = torch.ones_like(bias)
    weights = place(weights_like(x), layout)
    backend.conv_backward(x, weight, bias, reverse, weights, grads)
    return {"y": y, **grads}


def expected_conv(x, weight, bias, reverse):
    """What ``run_conv`` should return, in float64 by autograd."""
    tensors = {"x": x, "weight": weight, "bias": bias}
    leaves = {
        name: tensor.detach().double().requires_grad_()
        for name, tensor in tensors.items()
        if tensor is not None
    }
    padded = leaves["x"].flip(1) if reverse else leaves["x"]
    padded = F.pad(padded.transpose(1, 2), (weight.shape[1] - 1, 0))
    taps = leaves["weight"][:, None]
    y = F.conv1d(padded, taps, leaves.get("bias"), groups=len(weight))
    y = F.silu(y).transpose(1, 2)
    y = y.flip(1) if reverse else y
    y.backward(weights_like(x).double())
    expected = {"y": y.detach(), "x": leaves.pop("x").grad}
    return expected | {name: leaf.grad + 1 for name, leaf in leaves.items()}


def layout_of(case):
    """The layout that a case asks for."""
    return case.get("layout", "contiguous")


def main(path):
    """Runs all small cases and some of them again, and saves the results."""
    # before the kernels are imported and read them
    layout.INTERVAL, layout.STRETCH = INTERVAL, STRETCH
    from speechbrain_spmamba.ops.triton import convolution, windows
    from tests.ops.triton import state_runs  # which imports this file

    convolution.TILE, windows.STRETCH = TILE, map_runs.STRETCH
    found = {
        ("scan", name): run_scan(scan_inputs(**case), layout_of(case))
        for name, case in SCANS.items()
    }
    for name, case in CONVOLUTIONS.items():
        inputs = conv_inputs(**case)
        found["conv", name] = run_conv(*inputs, layout_of(case))
    for name, case in map_runs.HEADS.items():
        inputs = map_runs.head_inputs(**case)
        found["heads", name] = map_runs.run_head_norm(*inputs)
    for name, case in map_runs.WINDOWS.items():
        inputs = map_runs.window_inputs(**case)
        found["windows", name] = map_runs.run_windows(*inputs)
    for name in STATES:
        inputs = scan_inputs(**SCANS[name])
        found["parts", name] = state_runs.run_parts(inputs, cut=3)
        if not inputs.reverse:
            found["steps"] = state_runs.run_steps(inputs)
    inputs = scan_inputs(**SCANS["no softplus"])
    found["repeated"] = run_scan(inputs)
    found["without checkpoints"] = run_scan(inputs, keep=False)
    found["only B"] = run_scan(inputs, names={"B"})
    found["only D"] = run_scan(inputs, names={"D"})
    found["softplus"] = run_softplus(STEPS)
    found["extreme scan"] = test_extremes.run_scan("triton", SIZES)
    found["extreme conv"] = test_extremes.run_convolution("triton", SIZES)
    torch.save(found, path)


if __name__ == "__main__":
    assert os.environ.get("TRITON_INTERPRET") == "1"
    main(sys.argv[1])
