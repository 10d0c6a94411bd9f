"""The selective scan as one reads it in the paper: a loop over time.

Nothing here is tuned. The file is the definition that the other backends are
tested against; autograd derives the gradients, keeping ``[B, D, N]`` tensors of
every time step, so memory grows with the length. Any real dtype goes in; the
state is float32, or float64 when an input is float64.
"""

import torch
from torch.nn import functional as F


def why_not(u=None, A=None):
    """Says why this backend cannot run.

    Arguments
    ---------
    u, A : torch.Tensor, optional
        The tensors that the backend would be given.

    Returns
    -------
    str
        Always ``""``: it runs everywhere.
    """
    return ""


def scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus, reverse):
    """Selective scan, one time step after another.

    Mamba (arXiv 2312.00752), Algorithm 2 with the step of section 3.6: zero
    order hold for A, Euler for B.

    Arguments
    ---------
    u, delta, A, B, C, D, z, delta_bias, delta_softplus, reverse
        As in ``speechbrain_spmamba.ops.selective_scan``; all are required, the
        tensors have been checked, and D, z and delta_bias may be None.

    Returns
    -------
    torch.Tensor
        y, ``[B, L, D]``, in the dtype of u.

    Example
    -------
    >>> u = torch.ones(1, 3, 1)
    >>> B = torch.ones(1, 3, 1)
    >>> A = torch.tensor([[0.5]]).log()
    >>> y = scan(u, u, A, B, B, None, None, None, False, False)
    >>> y.flatten().tolist()
    [1.0, 1.5, 1.75]
    """
    given = [t for t in (u, delta, A, B, C, D, z, delta_bias) if t is not None]
    wide = torch.float64 in {t.dtype for t in given}
    dtype = torch.float64 if wide else torch.float32

    x, step, A, B, C = (t.to(dtype) for t in (u, delta, A, B, C))
    if delta_bias is not None:
        step = step + delta_bias.to(dtype)
    if delta_softplus:
        step = F.softplus(step)

    batch, length, channels = u.shape
    state = x.new_zeros(batch, channels, A.shape[1])
    y = [None] * length
    for t in reversed(range(length)) if reverse else range(length):
        decay = torch.exp(step[:, t, :, None] * A)
        drive = (step[:, t] * x[:, t])[..., None] * B[:, t, None, :]
        state = decay * state + drive
        y[t] = (state * C[:, t, None, :]).sum(-1)
    y = torch.stack(y, dim=1)

    if D is not None:
        y = y + D.to(dtype) * x
    if z is not None:
        y = y * F.silu(z.to(dtype))
    return y.to(u.dtype)
