"""A GPU that is not there, for counting what would be done on it.

    with pretended_gpu(launched, operators): ...

Tensors have shapes and no values (``upstream.private.without_values``) and say
that they are on ``cuda:0``, so that torch and this package choose what they
would choose there: the backend ``triton``, its blocks of rows, its dtypes.
Triton kernels are handed over, not compiled or run.

Each pretence stands beside its reason below. Autograd is the odd one: it has a
thread for each GPU that it finds, and finds none. Python reads the device of
such a tensor from its attribute, torch's C++ asks the dispatcher: so C++ is
told "cpu". Three things it then does otherwise, and they are done here in its
place: the casts of autocast, copies between the devices, the choice of an
attention.
"""

import warnings
from contextlib import ExitStack, contextmanager, nullcontext
from types import SimpleNamespace
from unittest import mock

import torch
from torch.autograd.graph import _engine_run_backward
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from triton.runtime.jit import JITFunction

from speechbrain_spmamba.ops import triton
from speechbrain_spmamba.upstream.private import (
    OperatorMode,
    has_values,
    without_values,
)

GPU = torch.device("cuda:0")
# Of the lists of autocast for CUDA, what networks call by these names.
_LOWER = set(
    "linear matmul mm bmm addmm baddbmm conv1d conv2d conv_transpose1d "
    "conv_transpose2d prelu".split()
)
_SINGLE = set(
    "layer_norm group_norm softmax log_softmax softplus pow square sum prod "
    "cumsum norm exp log log10 log2 log1p reciprocal rsqrt".split()
)
_MOVES = (torch.Tensor.to, torch.Tensor.cpu, torch.Tensor.cuda)


@contextmanager
def pretended_gpu(launched, operators, memory=80 * 2**30):
    """Within it, tensors are made without values, on ``GPU`` if so asked.

    Arguments
    ---------
    launched : callable
        Told of each Triton kernel: name, arguments by name, grid.
    operators : OperatorMode
        Shown each operator of torch.
    memory : int
        Bytes of the GPU.
    """

    def run(kernel, *arguments, grid, warmup=False, **further):
        named = dict(zip(kernel.arg_names, arguments, strict=False)) | further
        launched(kernel.fn.__name__, named, grid)

    card = SimpleNamespace(total_memory=memory)
    pretences = (
        (JITFunction, "run", run),
        (triton, "why_not", lambda u=None, A=None: ""),
        # They would initialise CUDA.
        (torch.cuda, "device_of", lambda tensor: nullcontext()),
        (torch.cuda, "set_device", lambda device: None),
        # Asked by optimizers, in C++.
        (torch._C, "_group_tensors_by_device_and_dtype", _grouped),
        # A module is built where it shall be: its parameters cannot be moved.
        (torch.nn.Module, "to", lambda module, *_, **further: module),
        (torch.cuda, "is_bf16_supported", lambda *_: True),
        (torch.cuda, "get_device_properties", lambda device: card),
        # Without it, autocast for CUDA switches itself off.
        (torch.cuda.amp.common, "amp_definitely_not_available", lambda: False),
    )
    with ExitStack() as stack:
        for place, name, pretence in pretences:
            stack.enter_context(mock.patch.object(place, name, pretence))
        stack.enter_context(warnings.catch_warnings())
        # Folded weights are told apart by their place in memory.
        warnings.filterwarnings("ignore", "Accessing the data pointer of Fake")
        stack.enter_context(without_values())
        stack.enter_context(operators)
        stack.enter_context(_InPlaceOfCpp())
        stack.enter_context(_AskedByCpp())
        yield


class _InPlaceOfCpp(TorchFunctionMode):
    """Does in C++'s place what it would do for tensors of a GPU."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.Tensor.backward:
            return self.run_backward(args[0])
        asked = getattr(func, "__self__", None)
        if asked is torch.Tensor.is_cuda and not has_values(args[0]):
            return args[0].device == GPU
        if func in _MOVES and not has_values(args[0]):
            return _moved(func, *args, **(kwargs or {}))
        if func is F.scaled_dot_product_attention:
            return _attention(*args, **(kwargs or {}))
        if torch.is_autocast_enabled("cuda"):
            args = _autocast(getattr(func, "__name__", ""), args)
        return func(*args, **(kwargs or {}))

    def run_backward(self, loss):
        """``loss.backward()``, within which this mode goes on.

        A mode is off while it stands in for a function, and checkpoints compute
        again in this one.
        """
        with self:
            _engine_run_backward(
                (loss,), (torch.ones_like(loss),), False, False, (),
                allow_unreachable=True, accumulate_grad=True,
            )  # fmt: skip


def _grouped(lists, with_indices=False):
    """(device, dtype) -> the lists of its tensors, and their indices."""
    kinds = [(tensor.device, tensor.dtype) for tensor in lists[0]]
    groups = {}
    for kind in dict.fromkeys(kinds):
        chosen = [i for i, found in enumerate(kinds) if found == kind]
        of_kind = [[values[i] for i in chosen if values] for values in lists]
        groups[kind] = of_kind, chosen if with_indices else []
    return groups


def _autocast(name, args):
    """Arguments of a function in the dtype that autocast gives them."""
    name = name.strip("_")
    if name in _LOWER:
        dtype = torch.get_autocast_dtype("cuda")
    elif name in _SINGLE:
        dtype = torch.float32
    else:
        return args
    return [
        value.to(dtype)
        if isinstance(value, torch.Tensor) and value.is_floating_point()
        else value
        for value in args
    ]


def _moved(func, tensor, *args, **kwargs):
    """A copy elsewhere, which torch would leave out between two "cpu"."""
    place = {torch.Tensor.cpu: ["cpu"], torch.Tensor.cuda: [GPU]}.get(func, [])
    device, dtype, non_blocking, _ = torch._C._nn._parse_to(
        *place, *args, **kwargs
    )
    if device is None or torch.device(device) == tensor.fake_device:
        return tensor if dtype is None else tensor.type(dtype)
    return torch.ops.aten._to_copy(
        tensor, device=device, dtype=dtype, non_blocking=non_blocking
    )


class _AskedByCpp(OperatorMode):
    """Tells the dispatcher that all tensors are on the CPU.

    What a backward pass then makes or brings there (a gradient, zeros in the
    place of one) belongs on the GPU.
    """

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.ops.prim.device.default:
            return torch.device("cpu")
        backward = torch._C._current_graph_task_id() != -1
        if backward and "device" in kwargs:
            kwargs = {**kwargs, "device": GPU}
        return func(*args, **kwargs)


def _attention(query, key, value, attn_mask=None, dropout_p=0.0, scale=None):
    """The kernel that torch chooses for these shapes on an H100.

    The memory-efficient one takes heads of any multiple of 16 bytes (and flash,
    up to 256 and without a mask, is launched as often); else scores go
    through memory.
    """
    dtype = query.dtype
    if torch.is_autocast_enabled("cuda"):
        dtype = torch.get_autocast_dtype("cuda")
    sizes = query.shape[-1], value.shape[-1]
    query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    if any(n * dtype.itemsize % 16 for n in sizes):
        math = torch.ops.aten._scaled_dot_product_attention_math
        return math(query, key, value, attn_mask, dropout_p, scale=scale)[0]
    if attn_mask is not None:
        shape = (*query.shape[:-1], key.shape[-2])
        attn_mask = torch.zeros((), dtype=dtype, device=GPU).expand(shape)
    efficient = torch.ops.aten._scaled_dot_product_efficient_attention
    logarithms = query.requires_grad
    return efficient(
        query, key, value, attn_mask, logarithms, dropout_p, scale=scale
    )[0]
