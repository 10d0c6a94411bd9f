"""Multiply-accumulates of a model, operator by operator, as torch runs it.

    model + mixture -> operators that torch runs -> MACs by module and kind

Nothing is known of any model. torch shows every operator as it is called, so
that weights used as raw matrices, products without a layer and the scan count
like everything else; hooks on the modules tell where it was called. A mixture
without values (``without_values``) is enough: shapes are all that counts.

What a MAC is, for operators over whole batches:

    product of [M, K] and [K, N]     M K N
    convolution                      values out x (channels in / groups) x taps
    transposed convolution           values in x (channels out / groups) x taps
    attention                        both products, all positions
    recurrent layer                  positions x values of its matrices
    real FFT of n points             n log2(n); complex: 2 n log2(n)
    selective scan                   half of SCAN_OPERATIONS a state and step

Multiplications with padded zeros count. Whatever works value by value does
not: norms, activations, gates, softmax, additions of biases, windows,
interpolation, pooling.

torch has a counter of its own, ``FlopCounterMode``, and tests hold that it
agrees. It is not used: what it counts for a module includes what runs inside,
which cannot be told apart where a part is called past its owner (Conv-TasNet),
and an operator that it does not know is a zero.
"""

import math
from collections import Counter
from contextlib import ExitStack, contextmanager

import torch
from torch.overrides import TorchFunctionMode

from speechbrain_spmamba.ops import torch_windows
from speechbrain_spmamba.ops.backends import replaced_kernels
from speechbrain_spmamba.upstream.private import OperatorMode, has_values

# Additions and multiplications of a scan in each step, channel and state, by
# the formula of issue 110 of the Mamba repository; one more a channel for D and
# one for the gate. A MAC is two of them.
SCAN_OPERATIONS = 9

_RECURRENT = ("lstm", "gru", "rnn_tanh", "rnn_relu")
# Their last two arguments are multiplied.
_PRODUCTS = ("mm", "bmm", "mv", "dot", "addmm", "addmm_", "addmv", "addbmm")
_PRODUCTS += ("baddbmm", "baddbmm_")


def count_operators(model: torch.nn.Module, mix: torch.Tensor) -> Counter:
    """Counts the MACs of one forward pass.

    Arguments
    ---------
    model : torch.nn.Module
        Any model; its weights stay as they are.
    mix : torch.Tensor
        Its input. If made ``without_values``, nothing is computed, and
        checks of the input's values are told that all is well.

    Returns
    -------
    collections.Counter
        (name of the module, kind of operator) -> MACs. Kinds are product,
        convolution, attention, recurrent, transform and scan.

    Raises
    ------
    ValueError
        The model calls an operator of another library, whose cost is unknown.

    Example
    -------
    >>> model = torch.nn.Sequential(torch.nn.Conv1d(1, 4, 3))
    >>> dict(count_operators(model, torch.zeros(1, 1, 12)))
    {('0', 'convolution'): 120}
    """
    places, counts = [""], Counter()

    def add(kind, macs):
        if macs:
            counts[places[-1], kind] += macs

    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        stack.enter_context(_modules_on(places, model))
        if not has_values(mix):
            stack.enter_context(replaced_kernels(_CountedKernels(add)))
        stack.enter_context(_RecurrentLayers(add))
        stack.enter_context(_Operators(add))
        model(mix)
    return counts


@contextmanager
def _modules_on(places, model):
    """Keeps the name of the module that is running on top of a list."""
    handles = []
    for name, module in model.named_modules():
        enter = module.register_forward_pre_hook(
            lambda *_, name=name: places.append(name)
        )
        leave = module.register_forward_hook(
            lambda *_: places.pop() and None, always_call=True
        )
        handles += [enter, leave]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Operators(OperatorMode):
    """Counts what reaches torch's dispatcher: composed functions are apart."""

    def __init__(self, add):
        super().__init__()
        self.add = add

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name == "_local_scalar_dense" and not has_values(args[0]):
            return True  # "is every sample finite?"
        out = func(*args, **(kwargs or {}))
        if func.namespace == "spmamba":
            self.add("scan", _scan_macs(args[0], args[2], args[5], args[6]))
        elif func.namespace not in ("aten", "prim", "prims"):
            raise ValueError(
                f"the model calls {func}, whose cost is unknown; count a "
                "model of torch's own operators"
            )
        elif name.startswith("_scaled_dot_product"):
            self.add("attention", _attention_macs(*args[:3]))
        elif name.startswith("_fft"):
            self.add("transform", _transform_macs(args[0], args[1], out))
        elif name == "convolution":
            self.add("convolution", _convolution_macs(args, out))
        elif name in _PRODUCTS:
            self.add("product", _product_macs(*args[-2:]))
        return out


class _RecurrentLayers(TorchFunctionMode):
    """Counts recurrent layers as a whole and returns zeros in their place.

    Without it they would come apart into steps, and a minute has thousands.
    """

    def __init__(self, add):
        super().__init__()
        self.add = add

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if getattr(func, "__name__", "") not in _RECURRENT:
            return func(*args, **(kwargs or {}))
        x, *rest = args
        if isinstance(rest[0], torch.Tensor) and rest[0].dim() == 1:
            rest = rest[1:]  # packed: x [positions, features], batch sizes
        states, weights, bidirectional = rest[0], rest[1], rest[6]
        matrices = sum(w.numel() for w in weights if w.dim() == 2)
        self.add("recurrent", x[..., 0].numel() * matrices)
        one = isinstance(states, torch.Tensor)
        last = [torch.zeros_like(s) for s in ([states] if one else states)]
        width = last[0].shape[-1] * (1 + bidirectional)
        return x.new_zeros(*x.shape[:-1], width), *last


class _CountedKernels:
    """Stands in for a backend of the scan, and counts.

    A folded path calls the kernels as plain functions, which no dispatcher
    sees. Windows have no product.
    """

    windows_forward = staticmethod(torch_windows.windows_forward)
    overlap_add = staticmethod(torch_windows.overlap_add)

    def __init__(self, add):
        self.add = add

    def conv_forward(self, x, weight, bias, reverse, out):
        """Depthwise: every channel has its own taps."""
        self.add("convolution", x.numel() * weight.shape[1])

    def scan_forward(self, inputs, y, checkpoints=None, last_state=None):
        """The scan, and the product that its step sizes come from."""
        if inputs.delta_weight is not None:
            steps = inputs.delta[..., 0].numel()
            self.add("product", steps * inputs.delta_weight.numel())
        self.add("scan", _scan_macs(inputs.u, inputs.A, inputs.D, inputs.z))


def _scan_macs(u, A, D, z):
    """u [B, L, D], A [D, N]; skip weights and gate, if there are any."""
    channel = SCAN_OPERATIONS * A.shape[1] + (D is not None) + (z is not None)
    return u.numel() * channel // 2


def _attention_macs(query, key, value):
    """[..., L, E] and [..., S, E] and [..., S, V]: scores, then averages."""
    return key.shape[-2] * (
        query.numel() + query[..., 0].numel() * value.shape[-1]
    )


def _product_macs(left, right):
    """[..., M, K] and [..., K, N], or vectors in the place of matrices."""
    return left.numel() * (right.shape[-1] if right.dim() > 1 else 1)


def _convolution_macs(args, out):
    x, weight, transposed = args[0], args[1], args[6]
    return (x if transposed else out).numel() * weight[0].numel()


def _transform_macs(x, axes, out):
    """n / 2 log2(n) butterflies of one complex product, four real ones.

    From or to real values it is half of that.
    """
    real = [values for values in (x, out) if not values.is_complex()]
    values = real[0] if real else x
    points = math.prod(values.shape[axis] for axis in axes)
    return round((1 if real else 2) * values.numel() * math.log2(points))
