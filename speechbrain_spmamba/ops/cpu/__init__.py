"""The cpu backend: C kernels for the scan and the convolution of a Mamba.

Sixteen channels share a vector register, their states stay in registers, and
time runs in tiles of 32 steps; the backward pass runs every tile again from its
checkpoint. float32 and bfloat16 sequences are read and written as they are,
other types are converted; states and sums are float32. Threads are OpenMP's, as
many as ``torch.get_num_threads()``; the result does not depend on them.

The functions are those of ``ops.kernel_interface.Kernels``.
"""

import ctypes
import math

import torch
import torch.nn.functional as F

from speechbrain_spmamba.ops.cpu import library
from speechbrain_spmamba.ops.kernel_interface import base_two

_LANES, _TILE = 16, 32

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


def scan_forward(inputs, y, checkpoints=None):
    """Selective scan; y may be None, when only checkpoints are wanted."""
    call = _Call(library.ScanArguments)
    call.scan(inputs)
    call.write("y", y)
    call.floats("checkpoints", checkpoints)
    call.run("scan_forward")


def scan_backward(inputs, checkpoints, grad_y, grads, y=None):
    """Gradients of a selective scan."""
    batch, length, channels = inputs.u.shape
    states = inputs.A.shape[1]
    call = _Call(library.ScanArguments)
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


def conv_forward(x, weight, bias, reverse, out):
    """silu of a causal depthwise convolution."""
    call = _Call(library.ConvArguments)
    call.conv(x, weight, bias, reverse)
    call.write("out", out)
    call.run("conv_forward")


def conv_backward(x, weight, bias, reverse, grad_out, grads):
    """Gradients of ``conv_forward``."""
    batch, _, channels = x.shape
    taps = weight.shape[1]
    call = _Call(library.ConvArguments)
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


class _Call:
    """Arguments of one call, and the tensors that must outlive it."""

    def __init__(self, structure):
        self.arguments = structure(threads=torch.get_num_threads())
        self._alive = []
        self._copy_back = []

    def scan(self, inputs):
        """Fills in what both passes of the scan read."""
        arguments, channels = self.arguments, inputs.u.shape[2]
        arguments.items, arguments.length, arguments.channels = inputs.u.shape
        arguments.states = inputs.A.shape[1]
        arguments.reverse = inputs.reverse
        arguments.softplus = inputs.delta_softplus
        self.read("u", inputs.u)
        self.read("z", inputs.z)
        self.read("B", inputs.B.float())
        self.read("C", inputs.C.float())
        if inputs.delta_weight is None:
            self.read("delta", inputs.delta)
        else:
            arguments.rank = inputs.delta_weight.shape[1]
            self.read("delta", inputs.delta.float())
            self.channels_last("delta_weight", inputs.delta_weight.t())
        self.channels_last("A2", base_two(inputs.A.t().float()))
        self.channels_last("D", inputs.D)
        self.channels_last("bias", inputs.delta_bias)
        assert inputs.A.shape[0] == channels

    def conv(self, x, weight, bias, reverse):
        """Fills in what both passes of the convolution read."""
        arguments = self.arguments
        arguments.items, arguments.length, arguments.channels = x.shape
        arguments.taps, arguments.reverse = weight.shape[1], reverse
        self.read("x", x)
        self.channels_last("weight", weight.t())
        self.channels_last("bias", bias)

    def read(self, name, tensor):
        """A sequence that the kernel reads; converted when it must be."""
        if tensor is None:
            return
        if tensor.dtype not in library.TYPES:
            tensor = tensor.float()
        if tensor.stride(2) != 1:
            tensor = tensor.contiguous()
        self._sequence(name, tensor)

    def write(self, name, tensor):
        """A sequence that the kernel writes."""
        if tensor is None:
            return
        if tensor.dtype not in library.TYPES or tensor.stride(2) != 1:
            made = torch.empty(tensor.shape)
            self._copy_back.append((tensor, made))
            tensor = made
        self._sequence(name, tensor)

    def _sequence(self, name, tensor):
        self._alive.append(tensor)
        sequence = library.Sequence(
            tensor.data_ptr(),
            tensor.stride(0),
            tensor.stride(1),
            library.TYPES[tensor.dtype],
        )
        setattr(self.arguments, name, sequence)

    def channels_last(self, name, tensor):
        """A parameter ``[..., D]`` in float32, padded to whole vectors."""
        if tensor is None:
            return
        missing = -tensor.shape[-1] % _LANES
        tensor = F.pad(tensor.float(), (0, missing)) if missing else tensor
        self.floats(name, tensor.float().contiguous())

    def floats(self, name, tensor):
        """A contiguous float32 tensor, read or written."""
        if tensor is None:
            return
        assert tensor.dtype == torch.float32 and tensor.is_contiguous()
        self._alive.append(tensor)
        pointer = ctypes.cast(tensor.data_ptr(), ctypes.POINTER(ctypes.c_float))
        setattr(self.arguments, name, pointer)

    def run(self, name):
        """Calls the kernel, then moves results to where they belong."""
        function = getattr(library.load()[0], f"spmamba_{name}")
        if function(ctypes.byref(self.arguments)):
            raise MemoryError(f"no memory for {name} of the cpu backend")
        for tensor, made in self._copy_back:
            tensor.copy_(made)


def _padded(channels):
    return -(-channels // _LANES) * _LANES


def _or_spare(grads, name, like):
    """The tensor for a gradient, or one that nobody reads."""
    given = grads.get(name)
    return torch.empty(like.shape) if given is None else given
