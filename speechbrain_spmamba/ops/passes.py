"""What a kernel backend is given and what it fills in.

The backends ``cpu``, ``triton`` and ``torch`` are modules with the same
functions, each writing into tensors that the caller has made:

    why_not(u=None, A=None) -> str
    checkpoint_shape(u, A) -> tuple
    scan_forward(inputs, y, checkpoints=None)
    scan_backward(inputs, checkpoints, grad_y, grads, y=None)
    conv_forward(x, weight, bias, reverse, out)
    conv_backward(x, weight, bias, reverse, grad_out, grads)

`inputs` is a ``ScanInputs``; `checkpoints` holds the states that the forward
pass leaves for the backward pass; `grads` maps names of inputs to tensors.
Gradients of sequences are written, those of parameters (A, D, delta_bias, the
convolution's weight and bias) are added to what is there, so that a batch can
be worked off in parts. A name that is missing is not computed.

Every sequence may be a view with any strides, as long as its last axis, the
channels, is contiguous (stride 1): results land in the columns of a larger
matrix without a copy.
"""

import math
from typing import NamedTuple

import torch


class ScanInputs(NamedTuple):
    """Arguments of a selective scan, see ``ops.selective_scan``.

    Arguments
    ---------
    u : torch.Tensor
        Input sequences, ``[B, L, D]``.
    delta : torch.Tensor
        Step sizes, ``[B, L, D]``; with ``delta_weight`` their low-rank form,
        ``[B, L, R]``.
    A : torch.Tensor
        Decay rates, ``[D, N]``.
    B, C : torch.Tensor
        Input and output weights of the states, ``[B, L, N]``.
    D : torch.Tensor, optional
        Weight of the skip connection, ``[D]``.
    z : torch.Tensor, optional
        Gate before its silu, ``[B, L, D]``.
    delta_bias : torch.Tensor, optional
        Added to the step sizes, ``[D]``.
    delta_weight : torch.Tensor, optional
        ``[D, R]``: the steps are ``delta @ delta_weight.T``. The gradient
        "delta" of a backward pass is always that of the product, ``[B, L, D]``.
    delta_softplus : bool
        Whether the step sizes go through a softplus.
    reverse : bool
        Whether the scan runs from the last step to the first.

    Example
    -------
    >>> u, B, A = torch.ones(1, 3, 4), torch.ones(1, 3, 2), -torch.ones(4, 2)
    >>> ScanInputs(u, u, A, B, B).reverse
    False
    """

    u: torch.Tensor
    delta: torch.Tensor
    A: torch.Tensor
    B: torch.Tensor
    C: torch.Tensor
    D: torch.Tensor | None = None
    z: torch.Tensor | None = None
    delta_bias: torch.Tensor | None = None
    delta_weight: torch.Tensor | None = None
    delta_softplus: bool = False
    reverse: bool = False


def state_dtype(*tensors):
    """The dtype of states and sums: float32, or float64 if an input has it.

    Arguments
    ---------
    *tensors : torch.Tensor or None
        The inputs.

    Returns
    -------
    torch.dtype
        ``torch.float64`` or ``torch.float32``.

    Example
    -------
    >>> state_dtype(torch.ones(1, dtype=torch.bfloat16), None)
    torch.float32
    """
    wide = any(t is not None and t.dtype == torch.float64 for t in tensors)
    return torch.float64 if wide else torch.float32


def base_two(rates):
    """Rates log2(e), with which exp(step rate) is 2^(step result).

    Arguments
    ---------
    rates : torch.Tensor
        Decay rates of any size.

    Returns
    -------
    torch.Tensor
        Finite where ``rates`` is, since a step of zero must leave a state as
        it is: 0 times infinity is no number.

    Example
    -------
    >>> base_two(torch.tensor([-1.0, -3e38])).tolist()
    [-1.4426950216293335, -3.4028234663852886e+38]
    """
    limit = torch.finfo(rates.dtype).max
    return (rates * math.log2(math.e)).clamp(-limit, limit)
