"""The convolution of ``ops.kernel_interface.Kernels`` in plain torch.

    pre[t] = bias + sum_k weight[k] x[t - (K - 1) + k],   out = silu(pre)

A reversed sequence is convolved from its end. One tap after the other:
``conv1d`` wants channels first, and the two transposed copies would take longer
than the products do.
"""

import torch
from torch.nn import functional as F

from speechbrain_spmamba.ops.kernel_interface import state_dtype


def conv_forward(x, weight, bias, reverse, out):
    """silu of a causal depthwise convolution."""
    pre = _convolve(x, weight, bias, reverse)
    out.copy_(F.silu(pre, inplace=True))


def conv_backward(x, weight, bias, reverse, grad_out, grads):
    """Gradients of ``conv_forward``."""
    pre = _convolve(x, weight, bias, reverse)
    gate = torch.sigmoid(pre)
    slope = pre.mul_(1 - gate).add_(1).mul_(gate)
    grad = slope.mul_(grad_out)
    if "x" in grads:
        taps = weight.to(grad.dtype)
        total = grad * taps[:, -1]
        for here, there, tap in _shifts(x.shape[1], taps, reverse):
            total[:, there].addcmul_(grad[:, here], tap)
        grads["x"].copy_(total)
    if "weight" in grads:
        last = weight.shape[1] - 1
        grads["weight"][:, last].add_((grad * x).sum((0, 1)))
        shifts = _shifts(x.shape[1], weight, reverse)
        for back, (here, there, _) in enumerate(shifts, start=1):
            product = grad[:, here] * x[:, there]
            grads["weight"][:, last - back].add_(product.sum((0, 1)))
    if "bias" in grads:
        grads["bias"] += grad.sum((0, 1))


def _convolve(x, weight, bias, reverse):
    """The convolution before its SiLU, in the state's dtype."""
    dtype = state_dtype(x, weight, bias)
    x, weight = x.to(dtype), weight.to(dtype)
    pre = torch.addcmul(bias.to(dtype), x, weight[:, -1])
    for here, there, tap in _shifts(x.shape[1], weight, reverse):
        pre[:, here].addcmul_(x[:, there], tap)
    return pre


def _shifts(length, weight, reverse):
    """(steps, the steps one, two ... before them, the tap for those)."""
    for back in range(1, min(weight.shape[1], length)):
        later, earlier = slice(back, None), slice(None, length - back)
        tap = weight[:, weight.shape[1] - 1 - back]
        yield (earlier, later, tap) if reverse else (later, earlier, tap)
