"""Kernels for GPUs, written in Triton: the backend ``triton``.

    layout.py            sizes of blocks, shape of the checkpoints, no Triton
    device_functions.py  what kernels call: softplus, sums over channels, loads
    forward.py           selective scan
    backward.py          its gradients, by the parts in
    segment.py           a few time steps of them
    convolution.py       depthwise convolution with silu, and its gradients
    windows.py           windows of a normalised map, and their overlap-add
    head_norm.py         PReLU and norm of an attention's heads

A program of a scan is one warp and works through the time steps one after
another; each of its lanes holds one channel, with the states of that channel in
registers. So the sum over states needs no other lane, nothing but the inputs
and outputs goes through memory, and both directions are the same kernel with
mirrored indices. SPMamba has enough sequences at once to fill a GPU that way.

There are no atomic operations: what is summed over programs is written out as
partial sums and added in a fixed order, so that a run repeats bit for bit.

The functions are those of ``ops.kernel_interface.Kernels``. The files with
kernels are imported by the first call; Triton may be missing until then. They
also run on CPU tensors, and very slowly, when the environment variable
``TRITON_INTERPRET`` is 1 before the first import of Triton: the tests do so.
"""

import functools
import importlib
import os

import torch

from speechbrain_spmamba.ops.triton.layout import MAX_STATES, checkpoint_shape

__all__ = [
    "checkpoint_shape",
    "conv_backward",
    "conv_forward",
    "head_norm_backward",
    "head_norm_forward",
    "overlap_add",
    "scan_backward",
    "scan_forward",
    "scan_step",
    "why_not",
    "windows_backward",
    "windows_forward",
]


# The oldest version that has compiled the kernels.
_OLDEST = (3, 6)


@functools.cache
def _probe():
    """Imports Triton once; returns (whether it interprets, reason or "")."""
    try:
        # absolute: this folder has the same name as the package it uses
        triton = importlib.import_module("triton")
        version = tuple(map(int, triton.__version__.split(".")[:2]))
    except ImportError:
        return False, "triton is not installed"
    except Exception as error:
        first_line = (str(error).splitlines() or [""])[0]
        name = type(error).__name__
        return False, f"triton does not import: {name}: {first_line}"
    if version < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        return False, f"triton is {triton.__version__}, {oldest} is needed"
    return os.environ.get("TRITON_INTERPRET") == "1", ""


def why_not(u=None, A=None):
    """Says why this backend cannot run, ``""`` if it can.

    Example
    -------
    >>> reason = why_not(torch.zeros(1, 2, 3, dtype=torch.float64))
    >>> bool(reason)
    True
    """
    interpreted, reason = _probe()
    if reason:
        return reason
    if not interpreted:
        if not torch.cuda.is_available():
            return "triton needs a CUDA device and torch sees none"
        if u is not None and u.device.type != "cuda":
            return f"triton runs on CUDA only and u is on {u.device.type}"
    for name, tensor in (("u", u), ("A", A)):
        if tensor is not None and tensor.dtype == torch.float64:
            return f"triton has no float64 kernel here and {name} is float64"
    if A is not None and A.shape[1] > MAX_STATES:
        return f"triton takes {MAX_STATES} states, A has {A.shape[1]}"
    return ""


def scan_forward(inputs, y, checkpoints=None, last_state=None):
    """Selective scan; no tensor may be float64."""
    from speechbrain_spmamba.ops.triton import forward

    forward.scan_forward(inputs, y, checkpoints, last_state)


def scan_backward(
    inputs, checkpoints, grad_y, grads, y=None, grad_last_state=None
):
    """Gradients of a selective scan; without checkpoints they are made."""
    from speechbrain_spmamba.ops.triton import backward

    backward.scan_backward(
        inputs, checkpoints, grad_y, grads, y, grad_last_state
    )


def scan_step(inputs, y):
    """A scan of one time step that updates its initial state."""
    scan_forward(inputs, y, last_state=inputs.initial_state)


def conv_forward(x, weight, bias, reverse, out):
    """silu of a causal depthwise convolution; bias may be None."""
    from speechbrain_spmamba.ops.triton import convolution

    convolution.conv_forward(x, weight, bias, reverse, out)


def conv_backward(x, weight, bias, reverse, grad_out, grads):
    """Gradients of ``conv_forward``."""
    from speechbrain_spmamba.ops.triton import convolution

    convolution.conv_backward(x, weight, bias, reverse, grad_out, grads)


def windows_forward(inputs, values):
    """Windows of a normalised map over their root mean squares."""
    from speechbrain_spmamba.ops.triton import windows

    return windows.windows_forward(inputs, values)


def windows_backward(*arguments) -> None:
    """Gradients of ``windows_forward``."""
    from speechbrain_spmamba.ops.triton import windows

    windows.windows_backward(*arguments)


def overlap_add(x, bias, windows, hop, out):
    """A map and its bias, with windows added at their places."""
    from speechbrain_spmamba.ops.triton import windows as kernels

    kernels.overlap_add(x, bias, windows, hop, out)


def head_norm_forward(*arguments) -> None:
    """PReLU and norm of an attention's heads, see ``head_norm.py``."""
    from speechbrain_spmamba.ops.triton import head_norm

    head_norm.head_norm_forward(*arguments)


def head_norm_backward(*arguments):
    """Gradients of ``head_norm_forward``."""
    from speechbrain_spmamba.ops.triton import head_norm

    return head_norm.head_norm_backward(*arguments)
