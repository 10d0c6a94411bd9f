"""The selective scan in torch's own operators, for programs that travel.

A program of ``torch.export`` keeps a scan as one operator of this package,
which must then be imported where the program runs. Within ``plain_scans`` its
loop over time is torch's ``scan`` operator, whose body is a graph of operators
that every runtime of exported programs has. It is slow: nothing is fused.

``selective_scan.py`` calls ``scan`` where it is wanted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch.nn import functional as F

from speechbrain_spmamba.ops.kernel_interface import state_dtype
from speechbrain_spmamba.upstream.private import scan_steps

_wanted = ContextVar("plain_scans", default=False)


@contextmanager
def plain_scans() -> Iterator[None]:
    """Within it, scans are torch's own operators alone.

    Example
    -------
    >>> with plain_scans():
    ...     wanted()
    True
    """
    token = _wanted.set(True)
    try:
        yield
    finally:
        _wanted.reset(token)


def wanted():
    """Whether one is within ``plain_scans``."""
    return _wanted.get()


def scan(
    u: torch.Tensor,
    delta: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor | None,
    z: torch.Tensor | None,
    delta_bias: torch.Tensor | None,
    initial_state: torch.Tensor | None,
    delta_softplus: bool,
    reverse: bool,
) -> tuple:
    """``ops.selective_scan`` of checked tensors: y and the last state.

    Arguments
    ---------
    u, delta, A, B, C, D, z, delta_bias, initial_state
        As in ``ops.selective_scan``; B and C of one group.
    delta_softplus, reverse : bool
        See there.

    Returns
    -------
    tuple
        y, ``[B, L, D]``, and the last state, ``[B, D, N]``.
    """
    dtype = state_dtype(u, delta, A, B, C, D, z, delta_bias)
    x, step, B, C = (t.to(dtype) for t in (u, delta, B, C))
    A = A.to(dtype).t().contiguous()  # [N, D]
    if delta_bias is not None:
        step = step + delta_bias.to(dtype)
    if delta_softplus:
        step = F.softplus(step)
    if initial_state is None:
        state = x.new_zeros(x.shape[0], *A.shape)
    else:
        state = initial_state.to(dtype).transpose(1, 2).contiguous()

    def advance(state, now):
        step, drive, B, C = now  # [B, D] twice, [B, N] twice
        decay = torch.exp(step.unsqueeze(1) * A)  # [B, N, D]
        state = decay * state + B.unsqueeze(2) * drive.unsqueeze(1)
        return state, (C.unsqueeze(1) @ state).squeeze(1)

    sequences = [t.transpose(0, 1) for t in (step, step * x, B, C)]
    state, y = scan_steps(advance, state, sequences, reverse=reverse)
    y = y.transpose(0, 1)
    if D is not None:
        y = y + D.to(dtype) * x
    if z is not None:
        y = y * F.silu(z.to(dtype))
    return y.to(u.dtype), state.transpose(1, 2).contiguous()
