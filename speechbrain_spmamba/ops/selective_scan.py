"""The public selective scan: its contract.

``nnet/mamba.py`` calls it. From here to the numbers:

    selective_scan -> custom_op.scan -> choose_backend -> its scan_forward
    selective_scan -> choose_backend -> its scan (mamba_ssm, reference)

with as many scans as B and C have groups.
"""

from typing import Any

import torch

from speechbrain_spmamba.ops import custom_op
from speechbrain_spmamba.ops.backends import BACKENDS, KERNELS, choose_backend
from speechbrain_spmamba.ops.checks import check_scan
from speechbrain_spmamba.ops.groups import split_groups
from speechbrain_spmamba.ops.kernel_interface import (
    state_dtype,
    wants_gradient,
)


def selective_scan(
    u: torch.Tensor,
    delta: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor | None = None,
    z: torch.Tensor | None = None,
    delta_bias: torch.Tensor | None = None,
    delta_softplus: bool = False,
    reverse: bool = False,
    backend: str = "auto",
    initial_state: torch.Tensor | None = None,
    return_last_state: bool = False,
) -> torch.Tensor | Any:
    """Selective scan of Mamba-1, differentiable in every tensor argument.

    With ``step = delta + delta_bias`` (through a softplus if asked), for each
    sequence and each channel, over the N states and from a state of zero, or
    the one that is given:

        state_t = exp(step_t * A) * state_{t-1} + step_t * u_t * B_t
        y_t     = (sum over N of C_t * state_t + D * u_t) * silu(z_t)

    This is Mamba, arXiv 2312.00752, Algorithm 2, with the gate of its block.
    The state and all sums are float32 whatever the inputs, and under autocast
    too (float64 when an input is float64). Double backward is not supported.

    Arguments
    ---------
    u : torch.Tensor
        Input sequences, ``[B, L, D]``; B or L may be 0.
    delta : torch.Tensor
        Step sizes, ``[B, L, D]``.
    A : torch.Tensor
        Decay rates, ``[D, N]``, real and negative: already ``-exp(A_log)``.
    B, C : torch.Tensor
        Input and output weights of the states, ``[B, L, N]``. Or, each by
        itself, ``[B, L, G, N]``: a row for each of G groups of D / G channels,
        and ``[D, N]``: one for each channel, the same at all times. These take
        a scan for each group, or for each channel.
    D : torch.Tensor, optional
        Weight of the skip connection, ``[D]``.
    z : torch.Tensor, optional
        Gate before its silu, ``[B, L, D]``.
    delta_bias : torch.Tensor, optional
        Added to delta before the softplus, ``[D]``.
    delta_softplus : bool
        Whether the step sizes go through a softplus.
    reverse : bool
        Run from the last time step to the first. Equal to flipping all
        sequences in time, scanning, and flipping the result.
    backend : str
        "auto", "triton", "cpu", "torch", "mamba_ssm" or "reference". "auto"
        takes triton for CUDA tensors and cpu for CPU tensors where they can
        run, else torch, and logs its choice once.
    initial_state : torch.Tensor, optional
        The state before the first step, ``[B, D, N]``, as an earlier scan has
        left it. Computed with in the dtype of the state.
    return_last_state : bool
        Whether to return the state after the last step as well, which with
        ``reverse`` is that of time 0.

    Returns
    -------
    torch.Tensor
        y, ``[B, L, D]``, in the dtype of u. With ``return_last_state`` a tuple:
        y and the last state, ``[B, D, N]``, float32 (or float64). A loss may
        depend on both.

    Raises
    ------
    ValueError
        If a shape, dtype or device does not fit, if the backend is unknown,
        or if the backend asked for cannot run here, or not with a state.

    Example
    -------
    >>> u, delta = torch.rand(2, 7, 4), torch.rand(2, 7, 4)
    >>> A, B, C = -torch.rand(4, 3), torch.rand(2, 7, 3), torch.rand(2, 7, 3)
    >>> y = selective_scan(u, delta, A, B, C, delta_softplus=True)
    >>> y.shape
    torch.Size([2, 7, 4])
    >>> last_first = [t.flip(1) for t in (u, delta, B, C)]
    >>> back = selective_scan(u, delta, A, B, C, reverse=True)
    >>> u, delta, B, C = last_first
    >>> flipped = selective_scan(u, delta, A, B, C).flip(1)
    >>> torch.allclose(back, flipped)
    True
    >>> _, state = selective_scan(
    ...     *(u[:, :5], delta[:, :5], A, B[:, :5], C[:, :5]),
    ...     return_last_state=True,
    ... )
    >>> rest = selective_scan(
    ...     *(u[:, 5:], delta[:, 5:], A, B[:, 5:], C[:, 5:]),
    ...     initial_state=state,
    ... )
    >>> torch.allclose(rest, flipped.flip(1)[:, 5:])
    True
    """
    tensors = (u, delta, A, B, C, D, z, delta_bias, initial_state)
    check_scan(*tensors)
    if initial_state is not None:
        state = initial_state.to(state_dtype(*tensors[:8]))
        tensors = (*tensors[:8], state)
    options = delta_softplus, reverse, str(backend), return_last_state
    if B.dim() == C.dim() == 3:
        y, last_state = _scan(tensors, *options)
    else:
        scans = [_scan(part, *options) for part in split_groups(*tensors)]
        y = torch.cat([y for y, _ in scans], -1)
        if return_last_state:
            last_state = torch.cat([state for _, state in scans], 1)
    return (y, last_state) if return_last_state else y


def _scan(tensors, delta_softplus, reverse, backend, return_last_state):
    """y and the last state; what that is when it is not asked for, is open."""
    u, A = tensors[0], tensors[2]
    if backend in BACKENDS and backend not in KERNELS:
        module = BACKENDS[choose_backend(backend, u, A)]
        if u.numel():
            with torch.autocast(u.device.type, enabled=False):
                found = module.scan(
                    *tensors[:8],
                    delta_softplus,
                    reverse,
                    initial_state=tensors[8],
                    return_last_state=return_last_state,
                )
            return found if return_last_state else (found, None)
        backend = "torch"  # of an empty scan there are only shapes
    # The operator chooses: a choice is nothing that torch can trace.
    keep = torch.is_grad_enabled() and wants_gradient(tensors)
    y, _, last_state = custom_op.scan(
        *tensors, delta_softplus, reverse, backend, keep, return_last_state
    )
    return y, last_state
