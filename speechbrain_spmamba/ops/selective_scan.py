"""The public selective scan: contract and checks.

``nnet/mamba.py`` calls it. From here to the numbers:

    selective_scan -> custom_op.scan -> choose_backend -> its scan_forward
    selective_scan -> choose_backend -> its scan (mamba_ssm, reference)
"""

import torch

from speechbrain_spmamba.ops import custom_op
from speechbrain_spmamba.ops.backends import BACKENDS, KERNELS, choose_backend


def selective_scan(
    u,
    delta,
    A,
    B,
    C,
    D=None,
    z=None,
    delta_bias=None,
    delta_softplus=False,
    reverse=False,
    backend="auto",
):
    """Selective scan of Mamba-1, differentiable in every tensor argument.

    With ``step = delta + delta_bias`` (through a softplus if asked), for each
    sequence and each channel, over the N states and from a state of zero:

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
    B : torch.Tensor
        Input weights of the states, ``[B, L, N]``.
    C : torch.Tensor
        Output weights of the states, ``[B, L, N]``.
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

    Returns
    -------
    torch.Tensor
        y, ``[B, L, D]``, in the dtype of u.

    Raises
    ------
    ValueError
        If a shape, dtype or device does not fit, if the backend is unknown,
        or if the backend asked for cannot run here.

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
    """
    _check(u, delta, A, B, C, D, z, delta_bias)
    tensors = (u, delta, A, B, C, D, z, delta_bias)
    options = delta_softplus, reverse
    if backend in BACKENDS.keys() - KERNELS.keys():
        module = BACKENDS[choose_backend(backend, u, A)]
        if u.numel():
            with torch.autocast(u.device.type, enabled=False):
                return module.scan(*tensors, *options)
        backend = "torch"  # of an empty scan there are only shapes
    # The operator chooses: a choice is nothing that torch can trace.
    keep = torch.is_grad_enabled() and any(
        t is not None and t.requires_grad for t in tensors
    )
    return custom_op.scan(*tensors, *options, str(backend), keep)[0]


def _check(u, delta, A, B, C, D, z, delta_bias):
    """Raises ValueError for the first argument that breaks the contract."""
    _check_tensor("u", u, u)
    if u.dim() != 3:
        raise ValueError(
            f"u has shape {list(u.shape)}, expected [B, L, D]: batch, time, "
            "channels; transpose channels-first input"
        )
    _check_tensor("A", A, u)
    batch, length, channels = u.shape
    if A.dim() != 2 or A.shape[0] != channels:
        raise ValueError(
            f"A has shape {list(A.shape)}, expected [D, N] with D = {channels}"
            f" as in u {list(u.shape)}; pass -exp(A_log)"
        )
    states = A.shape[1]
    for name, tensor, axes, shape in (
        ("delta", delta, "[B, L, D]", [batch, length, channels]),
        ("B", B, "[B, L, N]", [batch, length, states]),
        ("C", C, "[B, L, N]", [batch, length, states]),
        ("D", D, "[D]", [channels]),
        ("z", z, "[B, L, D]", [batch, length, channels]),
        ("delta_bias", delta_bias, "[D]", [channels]),
    ):
        if tensor is None and name in ("D", "z", "delta_bias"):
            continue
        _check_tensor(name, tensor, u)
        if list(tensor.shape) != shape:
            raise ValueError(
                f"{name} has shape {list(tensor.shape)}, expected {axes} = "
                f"{shape} from u {list(u.shape)} and A {list(A.shape)}; all "
                "sequences are channels-last"
            )


def _check_tensor(name, tensor, u):
    """Raises ValueError unless ``tensor`` is a real tensor on u's device."""
    if not isinstance(tensor, torch.Tensor):
        raise ValueError(
            f"{name} is {type(tensor).__name__}, expected a torch.Tensor"
        )
    if not tensor.is_floating_point():
        raise ValueError(
            f"{name} has dtype {tensor.dtype}, expected a real floating point "
            "dtype; convert it with .float()"
        )
    if tensor.device != u.device:
        raise ValueError(
            f"{name} is on {tensor.device}, expected {u.device} as u; move it "
            "with .to(u.device)"
        )
