"""One call of a C kernel: its arguments, and the tensors that must outlive it.

Tensors become pointers here: converted where the kernels do not know their
dtype, padded where they want whole vectors, copied back where they were written
for a result of another kind.
"""

import ctypes

import torch
import torch.nn.functional as F

from speechbrain_spmamba.ops.cpu import library
from speechbrain_spmamba.ops.kernel_interface import base_two

LANES = 16


class Call:
    """Arguments of one call, and the tensors that must outlive it."""

    def __init__(self, structure):
        self.arguments = structure(threads=torch.get_num_threads())
        self._alive = []
        self._copy_back = []

    def scan(self, inputs):
        """Fills in what both passes of the scan read."""
        arguments = self.arguments
        arguments.items, arguments.length, arguments.channels = inputs.u.shape
        arguments.reverse = inputs.reverse
        arguments.softplus = inputs.delta_softplus
        self.read("u", inputs.u)
        self.read("z", inputs.z)
        for name, rows in (("B", inputs.B), ("C", inputs.C)):
            narrow = rows.dtype != torch.float32
            self.read(name, rows.float() if narrow else rows)
        delta = inputs.delta
        self.read(
            "delta", delta if inputs.delta_weight is None else delta.float()
        )
        self.scan_parameters(
            inputs.A, inputs.D, inputs.delta_bias, inputs.delta_weight
        )
        assert inputs.A.shape[0] == arguments.channels

    def scan_parameters(self, A, D, delta_bias, delta_weight):
        """A and D, and what makes steps of delta."""
        self.arguments.states = A.shape[1]
        self.channels_last("A2", base_two(A.t().float()))
        self.channels_last("D", D)
        self.channels_last("bias", delta_bias)
        if delta_weight is not None:
            self.arguments.rank = delta_weight.shape[1]
            self.channels_last("delta_weight", delta_weight.t())

    def step(self, inputs):
        """Fills in what a single time step reads."""
        arguments = self.arguments
        arguments.items, _, arguments.channels = inputs.u.shape
        arguments.states = inputs.A.shape[1]
        arguments.softplus = inputs.delta_softplus
        for name in ("u", "delta", "z", "B", "C"):
            self.read(name, getattr(inputs, name))
        self.read("A", inputs.A[None])
        for name, tensor in (("D", inputs.D), ("bias", inputs.delta_bias)):
            if tensor is not None:
                self.read(name, tensor[None, None])

    def conv(self, x, weight, bias, reverse):
        """Fills in what both passes of the convolution read."""
        arguments = self.arguments
        arguments.items, arguments.length, arguments.channels = x.shape
        arguments.reverse = reverse
        self.read("x", x)
        self.conv_parameters(weight, bias)

    def conv_parameters(self, weight, bias):
        """Taps and bias."""
        self.arguments.taps = weight.shape[1]
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
        tensor, missing = tensor.float(), -tensor.shape[-1] % LANES
        tensor = F.pad(tensor, (0, missing)) if missing else tensor
        self.floats(name, tensor.contiguous())

    def floats(self, name, tensor):
        """A contiguous float32 tensor, read or written."""
        if tensor is None:
            return
        assert tensor.dtype == torch.float32 and tensor.is_contiguous()
        self._alive.append(tensor)
        setattr(self.arguments, name, tensor.data_ptr())

    def bytes(self, name, tensor):
        """A contiguous tensor of one byte each, read."""
        assert tensor.element_size() == 1 and tensor.is_contiguous()
        self._alive.append(tensor)
        setattr(self.arguments, name, tensor.data_ptr())

    def run(self, name):
        """Calls the kernel, then moves results to where they belong."""
        function = getattr(library.load()[0], f"spmamba_{name}")
        if function(ctypes.byref(self.arguments)):
            raise MemoryError(f"no memory for {name} of the cpu backend")
        for tensor, made in self._copy_back:
            tensor.copy_(made)
