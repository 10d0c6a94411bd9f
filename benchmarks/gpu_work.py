"""What a GPU is given to do, operator by operator.

Launches, host waits, bytes and multiply-adds of whatever runs within
``GPUWork.watch()``, on the pretended GPU.

* A view, a shape or new memory launches nothing; every other operator one
  kernel, or as many as ``LAUNCHES`` says. A layer of cuDNN counts as one.
* The host waits where it reads a value of the device, or copies between the
  two without being told not to wait.
* Bytes are those that operators other than products read and write; an
  expanded tensor is as large as its memory.
* Memory is counted by storages: they begin with the operator that makes them
  and end when Python or autograd lets go of them. What an allocator rounds up
  or keeps, and the workspace of libraries, comes on top.
"""

import sys
import weakref
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from pretended_gpu import GPU, pretended_gpu
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from speechbrain_spmamba.upstream.private import OperatorMode

# Operators that launch more than one kernel.
LAUNCHES = {
    "native_layer_norm_backward": 2,  # of the input; of gain and bias
    "convolution_backward": 3,  # of input, weight and bias
    "_scaled_dot_product_efficient_attention_backward": 2,
}
# No view by its schema, and still no kernel.
_MEMORY = ("_unsafe_view", "lift_fresh", "set_", "resize_")


@dataclass
class Kernel:
    """One launch, or the launches of one operator.

    Arguments
    ---------
    name : str
        Of the operator, or of the Triton kernel.
    launches : int
        How many.
    bytes : int
        Read and written.
    macs : int
        Multiply-adds of a product, a convolution or an attention.
    steps : int
        Of a Triton kernel: programs times time steps.
    place : str
        ``file:line`` of this package or the toolkit that launched it; in a
        backward pass "autograd" but for functions of our own.
    """

    name: str
    launches: int = 1
    bytes: int = 0
    macs: int = 0
    steps: int = 0
    place: str = ""


@dataclass
class GPUWork:
    """What has been seen so far; ``watch`` adds to it.

    Arguments
    ---------
    torch, triton : list of Kernel
        What torch launched and what this package's own kernels.
    waits : collections.Counter
        ``file:line`` of this package or the toolkit -> waits there.
    live, peak : int
        Bytes of the device's memory in use, and their maximum.
    """

    torch: list = field(default_factory=list)
    triton: list = field(default_factory=list)
    waits: Counter = field(default_factory=Counter)
    live: int = 0
    peak: int = 0

    @property
    def kernels(self):
        """All of them."""
        return self.torch + self.triton

    def launches(self):
        """Launches of torch, and of this package."""
        return sum(k.launches for k in self.torch), len(self.triton)

    @contextmanager
    def watch(self, **gpu):
        """Adds what runs on the pretended GPU within it."""
        with pretended_gpu(self._add_triton, Operators(self), **gpu):
            yield self

    def part(self, call):
        """Runs a call and says what it alone brought; ``peak`` is of all.

        Arguments
        ---------
        call : callable
            Without arguments, within ``watch``.

        Returns
        -------
        tuple
            What the call returned; a ``GPUWork``.
        """
        before = len(self.torch), len(self.triton), Counter(self.waits)
        result = call()
        found = GPUWork(
            self.torch[before[0] :],
            self.triton[before[1] :],
            self.waits - before[2],
            self.live,
            self.peak,
        )
        return result, found

    def add_memory(self, tensor):
        """Counts the storage of a tensor until it is let go."""
        storage = tensor.untyped_storage()
        if storage in self._storages:
            return
        size = storage.nbytes()
        self._storages.add(storage)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._free, size).atexit = False

    def _free(self, size):
        self.live -= size

    def __post_init__(self):
        self._storages = weakref.WeakSet()

    def _add_triton(self, name, arguments, grid):
        tensors = [t for t in tree_leaves(arguments) if _is_tensor(t)]
        steps = grid[0] * arguments["length"] if "scan" in name else 0
        size = sum(map(_size, tensors))
        self.triton.append(
            Kernel(name, bytes=size, steps=steps, place=_place())
        )


class Operators(OperatorMode):
    """Sees what torch dispatches."""

    def __init__(self, work):
        super().__init__()
        self.work = work

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func.overloadpacket.__name__
        given = [t for t in tree_leaves((args, kwargs)) if _is_tensor(t)]
        if _waits(name, given, kwargs):
            self.work.waits[_place()] += 1
        if name == "_local_scalar_dense":
            # The GPU is asked whether all is finite; the host whether anything
            # is padded, and for the number of the step.
            on_gpu = args[0].fake_device == GPU
            return on_gpu if args[0].dtype == torch.bool else 1
        out = func(*args, **kwargs)
        made = [t for t in tree_leaves(out) if _is_tensor(t)]
        on_gpu = [t for t in (*given, *made) if t.fake_device == GPU]
        if not on_gpu:
            return out
        for tensor in made:
            if tensor.fake_device == GPU:
                self.work.add_memory(tensor)
        if func.is_view or "empty" in name or name in _MEMORY:
            return out
        macs = _macs(func, args, kwargs, out)
        size = 0 if macs else sum(map(_size, (*given, *made)))
        if name == "copy_":
            size -= _size(given[0])  # is written alone
        launches = LAUNCHES.get(name, 1)
        kernel = Kernel(name, launches, size, macs, place=_place())
        self.work.torch.append(kernel)
        return out


def _is_tensor(value):
    return isinstance(value, torch.Tensor) and hasattr(value, "fake_device")


def _size(tensor):
    """Bytes of a tensor, or of its memory, if that has less."""
    size = tensor.numel() * tensor.element_size()
    return min(size, tensor.untyped_storage().nbytes())


def _waits(name, given, kwargs):
    """Whether the host has to wait for the device.

    Shapes that follow from values (``nonzero``) are an error without values.
    """
    devices = {tensor.fake_device for tensor in given}
    if name in ("_to_copy", "copy_"):
        if kwargs.get("device"):
            devices.add(torch.device(kwargs["device"]))
        return len(devices) == 2 and not kwargs.get("non_blocking", False)
    return name == "_local_scalar_dense" and GPU in devices


def _place():
    """Innermost line of this package or of the toolkit."""
    frame = sys._getframe(1)
    while frame and "/speechbrain" not in frame.f_code.co_filename:
        frame = frame.f_back
    if frame is None:
        return "autograd"
    return f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}"


def _macs(func, args, kwargs, out):
    """Multiply-adds by torch's own formulas; 0 of all that has none.

    Without a GPU, a recurrent layer is that of mkldnn: x, matrices of input
    and of state.
    """
    packet = func.overloadpacket
    if packet is torch.ops.aten.mkldnn_rnn_layer:
        return args[0][..., 0].numel() * (args[1].numel() + args[2].numel())
    if packet is torch.ops.aten.mkldnn_rnn_layer_backward:
        return 2 * args[0][..., 0].numel() * sum(w.numel() for w in args[1:3])
    name = packet.__name__.removesuffix("_")
    packet = getattr(torch.ops.aten, name, packet)
    formula = flop_registry.get(packet)
    return formula(*args, **kwargs, out_val=out) // 2 if formula else 0
