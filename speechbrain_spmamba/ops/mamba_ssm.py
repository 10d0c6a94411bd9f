"""Adapter to the CUDA kernel of the ``mamba_ssm`` package, when it is there.

The package is optional and often half-installed: it needs a binary that fits
the installed torch and CUDA, and importing a broken build raises whatever the
loader raises (ImportError, OSError, RuntimeError, AttributeError). So it is
imported on first demand, never with our package, and what went wrong is kept
as a sentence for ``available_backends``.

What differs from our operation: the kernel is channels-first (``[B, D, L]``,
B and C ``[B, N, L]``), it only runs forward in time, it wants A, D and
delta_bias in float32 and everything else in one dtype, never float64. It starts
from a state of zero and has no gradient of the last state.
"""

import functools
import importlib
from collections.abc import Callable

import torch

from speechbrain_spmamba.ops.kernel_interface import wants_gradient

# MAX_DSTATE in the kernel's source: larger states abort inside CUDA
_MAX_STATES = 256


@functools.cache
def _probe():
    """Imports the kernel once; returns (function or None, reason or "")."""
    try:
        # absolute: this file has the same name as the package it adapts
        module = importlib.import_module(
            "mamba_ssm.ops.selective_scan_interface"
        )
        kernel = module.selective_scan_fn
        # builds without the CUDA sources import well and fail when called
        if getattr(module, "selective_scan_cuda", kernel) is None:
            return None, "mamba_ssm was built without selective_scan_cuda"
    except Exception as error:
        first_line = (str(error).splitlines() or [""])[0]
        name = type(error).__name__
        return None, f"mamba_ssm does not import: {name}: {first_line}"
    return kernel, ""


def why_not(u=None, A=None):
    """Says why this backend cannot run, ``""`` if it can."""
    reason = _probe()[1]
    if reason:
        return reason
    if not torch.cuda.is_available():
        return "mamba_ssm runs on CUDA only and torch sees no CUDA device"
    if u is not None and u.device.type != "cuda":
        return f"mamba_ssm runs on CUDA only and u is on {u.device.type}"
    if u is not None and u.dtype == torch.float64:
        return "mamba_ssm has no float64 kernel"
    if A is not None and A.shape[1] > _MAX_STATES:
        return f"mamba_ssm takes {_MAX_STATES} states, A has {A.shape[1]}"
    return ""


def scan(*arguments, initial_state, return_last_state):
    """``ops.selective_scan`` of checked tensors by mamba_ssm's kernel."""
    check_state(arguments[:8], initial_state, return_last_state)
    return call_channels_first(
        _probe()[0], *arguments, return_last_state=return_last_state
    )


def scan_step(inputs, y):
    """The kernel starts from a state of zero only."""
    raise ValueError(
        "scan backend 'mamba_ssm' cannot start from a state and so has no "
        "step; use 'auto'"
    )


def check_state(
    tensors: tuple, initial_state: torch.Tensor | None, return_last_state: bool
) -> None:
    """Raises ValueError where the package's kernel cannot serve a state.

    Arguments
    ---------
    tensors : tuple
        The other tensors of the scan.
    initial_state, return_last_state
        As in ``ops.selective_scan``.

    Example
    -------
    >>> check_state((), None, return_last_state=True)
    >>> check_state((), torch.ones(1, 4, 2), return_last_state=False)
    Traceback (most recent call last):
    ...
    ValueError: scan backend 'mamba_ssm' cannot start from a state; use ...
    """
    if initial_state is not None:
        raise ValueError(
            "scan backend 'mamba_ssm' cannot start from a state; use 'auto' or "
            "leave initial_state out"
        )
    keep = torch.is_grad_enabled() and wants_gradient(tensors)
    if return_last_state and keep:
        raise ValueError(
            "scan backend 'mamba_ssm' has no gradient of the last state; use "
            "'auto', or scan within torch.no_grad()"
        )


def call_channels_first(
    kernel: Callable,
    u: torch.Tensor,
    delta: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor | None,
    z: torch.Tensor | None,
    delta_bias: torch.Tensor | None,
    delta_softplus: bool,
    reverse: bool,
    return_last_state: bool = False,
) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
    """Calls a channels-first, forward-in-time scan with our arguments.

    Arguments
    ---------
    kernel : callable
        ``kernel(u, delta, A, B, C, D=, z=, delta_bias=, delta_softplus=)``
        with u, delta, z and the result ``[B, D, L]``, B and C ``[B, N, L]``;
        with ``return_last_state=True`` also the last state, ``[B, D, N]``.
    u, delta, A, B, C, D, z, delta_bias, delta_softplus, reverse
        As in ``ops.selective_scan``, as is the result.
    return_last_state : bool
        Likewise.

    Example
    -------
    >>> def double(u, delta, A, B, C, **options):
    ...     return 2 * u
    >>> u, A, B = torch.ones(1, 5, 4), -torch.rand(4, 2), torch.rand(1, 5, 2)
    >>> options = (None, None, None, False, False)
    >>> call_channels_first(double, u, u, A, B, B, *options).shape
    torch.Size([1, 5, 4])
    """
    # One dtype for all sequences; the widest, so that nothing is rounded.
    dtype = u.dtype
    for sequence in (delta, B, C, z):
        if sequence is not None:
            dtype = torch.promote_types(dtype, sequence.dtype)

    def channels_first(sequence):
        if sequence is None:
            return None
        if reverse:
            sequence = sequence.flip(1)
        return sequence.to(dtype).transpose(1, 2).contiguous()

    def parameter(tensor):
        return None if tensor is None else tensor.float().contiguous()

    options = {"return_last_state": True} if return_last_state else {}
    y = kernel(
        channels_first(u),
        channels_first(delta),
        parameter(A),
        channels_first(B),
        channels_first(C),
        D=parameter(D),
        z=channels_first(z),
        delta_bias=parameter(delta_bias),
        delta_softplus=delta_softplus,
        **options,
    )
    y, *last_state = y if return_last_state else (y,)
    y = y.transpose(1, 2)
    y = (y.flip(1) if reverse else y).to(u.dtype)
    return (y, *last_state) if return_last_state else y
