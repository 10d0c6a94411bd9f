"""One time step of the selective scan, for what arrives step by step.

``nnet/mamba.py`` calls it. It is no operator of torch's with a gradient, as
``selective_scan`` is, and no more than a kernel and its checks: a step takes as
long as either of them.
"""

import torch

from speechbrain_spmamba.ops.backends import BACKENDS, choose_backend
from speechbrain_spmamba.ops.checks import (
    check_rates,
    check_shapes,
    check_tensor,
)
from speechbrain_spmamba.ops.kernel_interface import (
    ScanInputs,
    state_dtype,
    wants_gradient,
)


def selective_scan_step(
    state: torch.Tensor,
    u: torch.Tensor,
    delta: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor | None = None,
    z: torch.Tensor | None = None,
    delta_bias: torch.Tensor | None = None,
    delta_softplus: bool = False,
    out: torch.Tensor | None = None,
    backend: str = "auto",
) -> torch.Tensor:
    """A time step of ``selective_scan``; updates the state in place.

    Steps from an initial state are the scan from it. For inference: there are
    no gradients.

    Arguments
    ---------
    state : torch.Tensor
        ``[B, D, N]``, contiguous, float32 (float64 when another tensor is
        float64); written.
    u, delta : torch.Tensor
        Input and step sizes, ``[B, D]``.
    A : torch.Tensor
        Decay rates, ``[D, N]``.
    B, C : torch.Tensor
        Input and output weights of the states, ``[B, N]``.
    D : torch.Tensor, optional
        Weight of the skip connection, ``[D]``.
    z : torch.Tensor, optional
        Gate before its silu, ``[B, D]``.
    delta_bias : torch.Tensor, optional
        Added to delta before the softplus, ``[D]``.
    delta_softplus : bool
        Whether the step sizes go through a softplus.
    out : torch.Tensor, optional
        ``[B, D]``, receives y; with it, and with tensors of float32 and
        bfloat16 alone, the backend "cpu" takes no memory.
    backend : str
        As in ``selective_scan``; "mamba_ssm" has no step.

    Returns
    -------
    torch.Tensor
        y, ``[B, D]``, in the dtype of u; ``out`` if given.

    Raises
    ------
    ValueError
        As ``selective_scan``, and if a gradient would be asked for.

    Example
    -------
    >>> u, A, B = torch.ones(1, 4), torch.zeros(4, 2), torch.ones(1, 2)
    >>> state = torch.zeros(1, 4, 2)
    >>> for _ in range(3):
    ...     y = selective_scan_step(state, u, u, A, B, B)
    >>> y
    tensor([[6., 6., 6., 6.]])
    >>> state[0, 0]
    tensor([3., 3.])
    """
    tensors = (u, delta, A, B, C, D, z, delta_bias)
    _check_step(state, *tensors, out)
    inputs = ScanInputs(
        u[:, None],
        delta[:, None],
        A,
        B[:, None],
        C[:, None],
        D,
        None if z is None else z[:, None],
        delta_bias,
        delta_softplus=delta_softplus,
        initial_state=state,
    )
    if torch.is_grad_enabled() and wants_gradient((*tensors, state, out)):
        raise ValueError(
            "a step of the scan has no gradient and a tensor requires one; "
            "step within torch.no_grad(), or call selective_scan"
        )
    kernels = BACKENDS[choose_backend(backend, u, A)]
    if out is None:
        out = torch.empty_like(u)
    if u.numel():
        with torch.autocast(u.device.type, enabled=False):
            kernels.scan_step(inputs, out[:, None])
    return out


def _check_step(state, u, delta, A, B, C, D, z, delta_bias, out):
    """Raises ValueError for the first argument that breaks the contract."""
    check_tensor("u", u, u)
    if u.dim() != 2:
        raise ValueError(
            f"u has shape {list(u.shape)}, expected [B, D]: batch, channels; "
            "for several time steps call selective_scan"
        )
    check_rates(A, u)
    batch, channels = u.shape
    states = A.shape[1]
    check_shapes(
        u,
        A,
        ("delta", delta, "[B, D]", [batch, channels]),
        ("B", B, "[B, N]", [batch, states]),
        ("C", C, "[B, N]", [batch, states]),
        ("D", D, "[D]", [channels]),
        ("z", z, "[B, D]", [batch, channels]),
        ("delta_bias", delta_bias, "[D]", [channels]),
        ("state", state, "[B, D, N]", [batch, channels, states]),
        ("out", u if out is None else out, "[B, D]", [batch, channels]),
    )
    dtype = state_dtype(u, delta, A, B, C, D, z, delta_bias)
    if state.dtype != dtype or not state.is_contiguous():
        layout = "" if state.is_contiguous() else " and is not contiguous"
        raise ValueError(
            f"state has dtype {state.dtype}{layout}, expected contiguous "
            f"{dtype}, to be updated in place; start from torch.zeros"
        )
