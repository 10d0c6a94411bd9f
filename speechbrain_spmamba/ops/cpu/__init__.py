"""The cpu backend: C kernels for the scan and the convolution of a Mamba.

Sixteen channels share a vector register, their states stay in registers, and
time runs in tiles of 32 steps; the backward pass runs every tile again from its
checkpoint. float32 and bfloat16 sequences are read and written as they are,
other types are converted; states and sums are float32. Threads are OpenMP's, as
many as ``torch.get_num_threads()``; the result does not depend on them.

The functions are those of ``ops.kernel_interface.Kernels``.
"""

import math

import torch

from speechbrain_spmamba.ops.cpu import library
from speechbrain_spmamba.ops.cpu.call import LANES, Call
from speechbrain_spmamba.ops.torch_windows import (
    overlap_add,
    windows_backward,
    windows_forward,
)

__all__ = [
    "checkpoint_shape",
    "conv_backward",
    "conv_forward",
    "overlap_add",
    "scan_backward",
    "scan_forward",
    "scan_step",
    "why_not",
    "windows_backward",
    "windows_forward",
]

_TILE = 32

# Channels whose B and C gradients a task of the backward pass adds up: enough
# to pay for the sum over lanes, few enough to share a row among threads.
_SLAB = 256


def why_not(u=None, A=None):
    """Says why this backend cannot run, ``""`` if it can."""
    reason = library.load()[1]
    if reason:
        return reason
    if u is not None and u.device.type != "cpu":
        return f"cpu runs on CPU tensors only and u is on {u.device.type}"
    if u is not None and torch.float64 in (u.dtype, A.dtype):
        return "cpu has no float64 kernel"
    return ""


def checkpoint_shape(u, A):
    """Shape of the states that a forward pass keeps, in float32."""
    tiles = math.ceil(u.shape[1] / _TILE)
    return u.shape[0], tiles, A.shape[1], _padded(u.shape[2])


def scan_forward(inputs, y, checkpoints=None, last_state=None):
    """Selective scan; y may be None, when only checkpoints are wanted."""
    call = Call(library.ScanArguments)
    call.scan(inputs)
    call.write("y", y)
    call.floats("checkpoints", checkpoints)
    call.floats("initial_state", inputs.initial_state)
    call.floats("last_state", last_state)
    call.run("scan_forward")


def scan_backward(
    inputs, checkpoints, grad_y, grads, y=None, grad_last_state=None
):
    """Gradients of a selective scan."""
    batch, length, channels = inputs.u.shape
    states = inputs.A.shape[1]
    call = Call(library.ScanArguments)
    call.scan(inputs)
    call.floats("checkpoints", checkpoints)
    call.read("grad_y", grad_y)
    call.write("grad_u", _or_spare(grads, "u", inputs.u))
    call.write("grad_delta", _or_spare(grads, "delta", inputs.u))
    if inputs.z is not None:
        call.write("grad_z", _or_spare(grads, "z", inputs.z))
    if y is not None:
        call.write("y", y)
    call.arguments.slab = _SLAB
    slabs = math.ceil(channels / _SLAB)
    weights = torch.empty(2, slabs, batch, length, states)
    call.floats("weight_sums", weights)
    sums = torch.empty(batch, states + 2, _padded(channels))
    call.floats("state_sums", sums)
    call.floats("grad_last_state", grad_last_state)
    call.floats("grad_initial_state", grads.get("initial_state"))
    call.run("scan_backward")

    for name, parts in zip("BC", weights, strict=True):
        if name in grads:
            grads[name].copy_(parts[0] if slabs == 1 else parts.sum(0))
    sums = sums.sum(0)[:, :channels]
    for name, total in (
        ("A", sums[:states].t()),
        ("D", sums[states]),
        ("delta_bias", sums[states + 1]),
    ):
        if name in grads:
            grads[name].add_(total)


def scan_step(inputs, y):
    """A scan of one time step that updates its initial state."""
    call = Call(library.StepArguments)
    call.step(inputs)
    call.write("y", y)
    call.floats("state", inputs.initial_state)
    call.run("scan_step")


def conv_forward(x, weight, bias, reverse, out):
    """silu of a causal depthwise convolution."""
    call = Call(library.ConvArguments)
    call.conv(x, weight, bias, reverse)
    call.write("out", out)
    call.run("conv_forward")


def conv_backward(x, weight, bias, reverse, grad_out, grads):
    """Gradients of ``conv_forward``."""
    batch, _, channels = x.shape
    taps = weight.shape[1]
    call = Call(library.ConvArguments)
    call.conv(x, weight, bias, reverse)
    call.read("grad_out", grad_out)
    call.write("grad_x", _or_spare(grads, "x", x))
    sums = torch.empty(batch, taps + 1, _padded(channels))
    call.floats("sums", sums)
    call.run("conv_backward")
    sums = sums.sum(0)[:, :channels]
    if "weight" in grads:
        grads["weight"].add_(sums[:taps].t())
    if "bias" in grads:
        grads["bias"].add_(sums[taps])


def _padded(channels):
    return -(-channels // LANES) * LANES


def _or_spare(grads, name, like):
    """The tensor for a gradient, or one that nobody reads."""
    given = grads.get(name)
    return torch.empty(like.shape) if given is None else given
