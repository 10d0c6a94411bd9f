"""The backends with kernels as one operator that torch knows.

``selective_scan.py`` calls ``scan``, which calls ``scan_forward`` of the
backend that ``backends.py`` chooses; its gradient calls ``scan_backward``. With
a fake implementation (shapes without values) and that gradient, the scan goes
through ``torch.compile``, activation checkpointing and autocast as an operator
of torch's own does.
"""

import torch

from speechbrain_spmamba.ops.backends import KERNELS, choose_backend
from speechbrain_spmamba.ops.kernel_interface import ScanInputs, state_dtype

_NAMES = ("u", "delta", "A", "B", "C", "D", "z", "delta_bias")
_PARAMETERS = ("A", "D", "delta_bias")


@torch.library.custom_op("spmamba::selective_scan", mutates_args=())
def scan(
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
    backend: str,
    keep: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The scan, and what its backward pass starts from.

    Arguments
    ---------
    u, delta, A, B, C, D, z, delta_bias, delta_softplus, reverse
        As in ``speechbrain_spmamba.ops.selective_scan``.
    backend : str
        "auto" or a key of ``KERNELS``.
    keep : bool
        Whether a gradient will be asked for.

    Returns
    -------
    tuple
        y, ``[B, L, D]``, in the dtype of u, and the checkpoints, which are
        empty unless ``keep``.
    """
    tensors = u, delta, A, B, C, D, z, delta_bias
    inputs = ScanInputs(*tensors, None, delta_softplus, reverse)
    kernels = KERNELS[choose_backend(backend, u, A)]
    y, checkpoints = _results(inputs, kernels, keep)
    if u.numel() == 0:
        return y, checkpoints
    # Matrix products under autocast would round the state to half precision.
    with torch.autocast(u.device.type, enabled=False):
        kernels.scan_forward(inputs, y, checkpoints if keep else None)
    return y, checkpoints


@scan.register_fake
def _(*arguments):
    *tensors, delta_softplus, reverse, backend, keep = arguments
    inputs = ScanInputs(*tensors, None, delta_softplus, reverse)
    kernels = KERNELS[choose_backend(backend, inputs.u, inputs.A)]
    return _results(inputs, kernels, keep)


@torch.library.custom_op("spmamba::selective_scan_backward", mutates_args=())
def scan_backward(
    tensors: list[torch.Tensor | None],
    checkpoints: torch.Tensor,
    grad_y: torch.Tensor,
    needs: list[bool],
    delta_softplus: bool,
    reverse: bool,
    backend: str,
) -> list[torch.Tensor]:
    """Gradients of ``scan``.

    Arguments
    ---------
    tensors : list
        The eight tensor arguments, in order.
    checkpoints : torch.Tensor
        From ``scan``.
    grad_y : torch.Tensor
        Gradient of y, ``[B, L, D]``.
    needs : list
        Which of the eight gradients are asked for.
    delta_softplus, reverse, backend
        As in ``scan``.

    Returns
    -------
    list
        The gradients that are needed, each in the dtype of its input.
    """
    inputs = ScanInputs(*tensors, None, delta_softplus, reverse)
    grads = _gradients(tensors, needs)
    if grad_y.numel():
        kernels = KERNELS[choose_backend(backend, inputs.u, inputs.A)]
        with torch.autocast(grad_y.device.type, enabled=False):
            kernels.scan_backward(inputs, checkpoints, grad_y, grads)
    return [
        grads[name].to(tensor.dtype)
        for name, tensor in zip(_NAMES, tensors, strict=True)
        if name in grads
    ]


@scan_backward.register_fake
def _(tensors, checkpoints, grad_y, needs, delta_softplus, reverse, backend):
    chosen = [t for t, need in zip(tensors, needs, strict=True) if need]
    return [t.new_empty(t.shape) for t in chosen]


def _setup_context(ctx, inputs, output):
    *tensors, ctx.softplus, ctx.reverse, ctx.backend, _ = inputs
    ctx.save_for_backward(*tensors, output[1])
    ctx.mark_non_differentiable(output[1])
    ctx.set_materialize_grads(False)


def _backward(ctx, grad_y, _):
    *tensors, checkpoints = ctx.saved_tensors
    needs = list(ctx.needs_input_grad[: len(_NAMES)])
    found = iter(
        scan_backward(
            tensors,
            checkpoints,
            grad_y,
            needs,
            ctx.softplus,
            ctx.reverse,
            ctx.backend,
        )
    )
    grads = [next(found) if need else None for need in needs]
    return (*grads, None, None, None, None)


scan.register_autograd(_backward, setup_context=_setup_context)


def _results(inputs, kernels, keep):
    """Room for y and the checkpoints."""
    y = inputs.u.new_empty(inputs.u.shape)
    shape = [0]
    if keep and inputs.u.numel():
        shape = kernels.checkpoint_shape(inputs.u, inputs.A)
    dtype = state_dtype(*inputs[:9])
    return y, inputs.u.new_empty(shape, dtype=dtype)


def _gradients(tensors, needs):
    """Room for the gradients needed; sums start at zero, in full precision."""
    grads = {}
    dtype = state_dtype(*tensors)
    for name, tensor, need in zip(_NAMES, tensors, needs, strict=True):
        if need and name in _PARAMETERS:
            grads[name] = tensor.new_zeros(tensor.shape, dtype=dtype)
        elif need:
            # an empty scan has no step that would write, only zeros to give
            make = tensor.new_empty if tensors[0].numel() else tensor.new_zeros
            grads[name] = make(tensor.shape)
    return grads
