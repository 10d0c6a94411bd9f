"""What the backends with kernels have in common: ``Kernels``.

``custom_op.py`` (the scan by itself) and ``nnet/folded_forward.py`` and
``nnet/folded_backward.py`` (whole paths) call these functions of ``cpu/``,
``triton/`` and ``torch_loop.py``.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple, Protocol

import torch


class ScanInputs(NamedTuple):
    """Arguments of a scan, as in ``ops.selective_scan``, and two more.

    Arguments
    ---------
    delta_weight : torch.Tensor, optional
        ``[D, R]``: delta is given in a low-rank form, ``[B, L, R]``, and the
        steps are ``delta @ delta_weight.T``. The gradient "delta" of a backward
        pass is always that of the product, ``[B, L, D]``.
    rows : torch.Tensor, optional
        ``[B, L, R + 2 N]``: low-rank delta, B and C side by side, of which the
        three are views, for kernels that read them together.
    initial_state : torch.Tensor, optional
        ``[B, D, N]``, contiguous, of ``state_dtype``; missing, it is zero.

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
    rows: torch.Tensor | None = None
    initial_state: torch.Tensor | None = None


class WindowInputs(NamedTuple):
    """A map, its layer norm, and the windows that are taken of it.

    Arguments
    ---------
    x : torch.Tensor
        ``[n, Q, C]``: n rows of Q positions.
    weight, bias : torch.Tensor
        Of the norm over C, ``[C]``.
    valid : torch.Tensor or None
        Boolean, ``[n, L]``: windows that exist; the others are zero.
    size, hop : int
        Positions of a window, and from one to the next.
    norm_eps, rms_eps : float
        Added to the variance of a position and to the mean square of a window.
    """

    x: torch.Tensor
    weight: torch.Tensor
    bias: torch.Tensor
    valid: torch.Tensor | None
    size: int
    hop: int
    norm_eps: float
    rms_eps: float


class Windows(NamedTuple):
    """Windows as ``Kernels.windows_forward`` leaves them.

    Arguments
    ---------
    values : torch.Tensor
        Over their root mean squares, ``[n, L, K C]``, by tap, then channel.
    rms : torch.Tensor
        ``[n, L, 1]``.
    kept : object
        What ``windows_backward`` of the same backend wants to know.
    """

    values: torch.Tensor
    rms: torch.Tensor
    kept: object


class Kernels(Protocol):
    """The functions of a backend, which is a module.

    Results go into tensors that the caller has made. Gradients of sequences
    and of the initial state are written, those of parameters (A, D, delta_bias;
    weight and bias of the convolution and of the norm) are added to what is
    there, so that a batch can be worked off in parts. A name that is missing in
    ``grads`` is not computed.

    Every sequence may be a view with any strides, as long as its last axis, the
    channels, is contiguous (stride 1): results land in the columns of a larger
    matrix without a copy.
    """

    def why_not(
        self, u: torch.Tensor | None = None, A: torch.Tensor | None = None
    ) -> str:
        """Says why this backend cannot run.

        Arguments
        ---------
        u, A : torch.Tensor, optional
            What it would be given. Without them the question is about this
            machine only.

        Returns
        -------
        str
            ``""`` when it can run, else the reason in one line.
        """

    def checkpoint_shape(self, u: torch.Tensor, A: torch.Tensor) -> tuple:
        """Shape of the states that a forward pass leaves for the backward pass.

        Arguments
        ---------
        u, A : torch.Tensor
            See ``ops.selective_scan``.

        Returns
        -------
        tuple
            Of a contiguous tensor of ``state_dtype``.
        """

    def scan_forward(
        self,
        inputs: ScanInputs,
        y: torch.Tensor,
        checkpoints: torch.Tensor | None = None,
        last_state: torch.Tensor | None = None,
    ) -> None:
        """Selective scan.

        Arguments
        ---------
        inputs : ScanInputs
            All tensors on one device.
        y : torch.Tensor
            ``[B, L, D]``, written.
        checkpoints : torch.Tensor, optional
            Of ``checkpoint_shape``, written.
        last_state : torch.Tensor, optional
            Of the form of ``inputs.initial_state``, written; may be that very
            tensor, which is then updated in place.
        """

    def scan_backward(
        self,
        inputs: ScanInputs,
        checkpoints: torch.Tensor,
        grad_y: torch.Tensor,
        grads: dict,
        y: torch.Tensor | None = None,
        grad_last_state: torch.Tensor | None = None,
    ) -> None:
        """Gradients of a selective scan.

        Arguments
        ---------
        inputs : ScanInputs
            As the forward pass got them.
        checkpoints : torch.Tensor
            As the forward pass left them.
        grad_y : torch.Tensor
            Gradient of the output, ``[B, L, D]``.
        grads : dict
            Name of an input -> tensor for its gradient.
        y : torch.Tensor, optional
            ``[B, L, D]``: receives the output once more.
        grad_last_state : torch.Tensor, optional
            Gradient of the last state, ``[B, D, N]``, contiguous, of
            ``state_dtype``; missing, it is zero.
        """

    def scan_step(self, inputs: ScanInputs, y: torch.Tensor) -> None:
        """A scan of one time step, which updates its initial state in place.

        Arguments
        ---------
        inputs : ScanInputs
            Of length 1, with an initial state: written. No ``delta_weight``.
        y : torch.Tensor
            ``[B, 1, D]``, written.
        """

    def conv_forward(
        self,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        reverse: bool,
        out: torch.Tensor,
    ) -> None:
        """silu of a causal depthwise convolution over time.

        With K taps and x of zero outside the sequence,

            out_t = silu(bias + sum over k < K of weight_k x_{t - (K-1) + k}).

        Arguments
        ---------
        x : torch.Tensor
            ``[B, L, D]``.
        weight : torch.Tensor
            Taps of each channel, the present step last, ``[D, K]``.
        bias : torch.Tensor
            ``[D]``.
        reverse : bool
            Look ahead in time instead of back: the same taps, mirrored, on
            x_{t + (K-1) - k}.
        out : torch.Tensor
            ``[B, L, D]``, written.
        """

    def conv_backward(
        self,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        reverse: bool,
        grad_out: torch.Tensor,
        grads: dict,
    ) -> None:
        """Gradients of ``conv_forward``.

        Arguments
        ---------
        x, weight, bias, reverse
            As the forward pass got them.
        grad_out : torch.Tensor
            Gradient of its result, ``[B, L, D]``.
        grads : dict
            Tensors for the gradients "x", "weight" and "bias".
        """

    def windows_forward(
        self, inputs: WindowInputs, values: torch.Tensor
    ) -> Windows:
        """Windows of a normalised map, each over its root mean square.

        Arguments
        ---------
        inputs : WindowInputs
            The map.
        values : torch.Tensor
            ``[n, L, K C]``, contiguous, written.

        Returns
        -------
        Windows
            With ``values``.
        """

    def windows_backward(
        self,
        inputs: WindowInputs,
        windows: Windows,
        grad_values: torch.Tensor,
        grad_windows: torch.Tensor,
        grad_out: torch.Tensor,
        grad_x: torch.Tensor,
        grads: dict,
    ) -> None:
        """Gradients of ``windows_forward``, and of what goes past it.

        Arguments
        ---------
        inputs : WindowInputs
            As the forward pass got them.
        windows : Windows
            As the forward pass gave them.
        grad_values : torch.Tensor
            Of its result, ``[n, L, K C]``.
        grad_windows : torch.Tensor
            Of the windows before they are divided, of the same shape; zero
            where there is none.
        grad_out : torch.Tensor
            Of the map itself, ``[n, Q, C]``, added.
        grad_x : torch.Tensor
            ``[n, Q, C]``, written.
        grads : dict
            Tensors for the gradients "weight" and "bias" of the norm.
        """

    def overlap_add(
        self,
        x: torch.Tensor,
        bias: torch.Tensor,
        windows: torch.Tensor,
        hop: int,
        out: torch.Tensor,
    ) -> None:
        """A map, plus a bias, plus windows at their places.

        Arguments
        ---------
        x : torch.Tensor
            ``[n, Q, C]``.
        bias : torch.Tensor
            ``[C]``.
        windows : torch.Tensor
            ``[n, L, K C]``, contiguous.
        hop : int
            From one window to the next.
        out : torch.Tensor
            ``[n, Q, C]``, written.
        """


def state_dtype(*tensors: torch.Tensor | None) -> torch.dtype:
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
    for tensor in tensors:
        if tensor is not None and tensor.dtype == torch.float64:
            return torch.float64
    return torch.float32


def wants_gradient(tensors: Iterable) -> bool:
    """Whether one of the inputs asks for a gradient.

    Arguments
    ---------
    tensors : iterable
        Tensors and None.

    Returns
    -------
    bool
        Whether or not gradients are enabled at the moment.

    Example
    -------
    >>> wants_gradient([None, torch.ones(1, requires_grad=True)])
    True
    """
    for tensor in tensors:
        if tensor is not None and tensor.requires_grad:
            return True
    return False


def base_two(rates: torch.Tensor) -> torch.Tensor:
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
