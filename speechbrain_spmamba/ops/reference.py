"""The selective scan as one reads it in the paper: read this file first.

Mamba (arXiv 2312.00752), Algorithm 2 with the step of section 3.6: zero order
hold for A, Euler for B. For each of B sequences and D channels, over N states
and from a state of zero or one that is given,

    step_t  = softplus(delta_t + delta_bias)
    state_t = exp(step_t A) state_{t-1} + step_t u_t B_t
    y_t     = (C_t . state_t + D u_t) silu(z_t)

Nothing here is tuned. The file is the definition that the other backends are
tested against; autograd derives the gradients, keeping ``[B, D, N]`` tensors of
every time step, so memory grows with the length. Any real dtype goes in; the
state is float32, or float64 when an input is float64.

``selective_scan.py`` calls ``scan`` for ``backend="reference"``.
"""

import torch
from torch.nn import functional as F

from speechbrain_spmamba.ops.kernel_interface import state_dtype


def why_not(u=None, A=None):
    """It runs everywhere."""
    return ""


def scan(
    u,
    delta,
    A,
    B,
    C,
    D,
    z,
    delta_bias,
    delta_softplus,
    reverse,
    initial_state=None,
    return_last_state=False,
):
    """``ops.selective_scan`` of checked tensors, one time step after another.

    Example
    -------
    >>> u = torch.ones(1, 3, 1)
    >>> B = torch.ones(1, 3, 1)
    >>> A = torch.tensor([[0.5]]).log()
    >>> y = scan(u, u, A, B, B, None, None, None, False, False)
    >>> y.flatten().tolist()
    [1.0, 1.5, 1.75]
    """
    dtype = state_dtype(u, delta, A, B, C, D, z, delta_bias)
    x, step, A, B, C = (t.to(dtype) for t in (u, delta, A, B, C))
    if delta_bias is not None:
        step = step + delta_bias.to(dtype)
    if delta_softplus:
        step = F.softplus(step)

    batch, length, channels = u.shape
    state = initial_state  # [B, D, N]
    if state is None:
        state = x.new_zeros(batch, channels, A.shape[1])
    state = state.to(dtype)
    y = [None] * length
    for t in reversed(range(length)) if reverse else range(length):
        step_t, x_t = step[:, t, :, None], x[:, t, :, None]  # [B, D, 1]
        B_t, C_t = B[:, t, None, :], C[:, t, None, :]  # [B, 1, N]
        decay = torch.exp(step_t * A)  # [B, D, N]
        state = decay * state + step_t * x_t * B_t  # [B, D, N]
        y[t] = (state * C_t).sum(-1)  # [B, D]
    y = torch.stack(y, dim=1)  # [B, L, D]

    if D is not None:
        y = y + D.to(dtype) * x
    if z is not None:
        y = y * F.silu(z.to(dtype))
    y = y.to(u.dtype)
    return (y, state) if return_last_state else y


def scan_step(inputs, y):
    """``Kernels.scan_step`` by ``scan``: a time step that updates a state."""
    arguments = (*inputs[:8], inputs.delta_softplus, False)
    result, state = scan(*arguments, inputs.initial_state, True)
    y.copy_(result)
    inputs.initial_state.copy_(state)
