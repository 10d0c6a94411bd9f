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

_NAMES = "u delta A B C D z delta_bias initial_state".split()
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
    initial_state: torch.Tensor | None,
    delta_softplus: bool,
    reverse: bool,
    backend: str,
    keep: bool,
    return_last_state: bool,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The scan, and what its backward pass starts from.

    Arguments
    ---------
    u, delta, A, B, C, D, z, delta_bias, delta_softplus, reverse
        As in ``speechbrain_spmamba.ops.selective_scan``; B and C of one group.
    initial_state : torch.Tensor, optional
        ``[B, D, N]``, of ``state_dtype``.
    backend : str
        "auto" or a key of ``KERNELS``.
    keep : bool
        Whether a gradient will be asked for.
    return_last_state : bool
        Whether the last state will be.

    Returns
    -------
    tuple
        y, ``[B, L, D]``, in the dtype of u, the checkpoints, which are empty
        unless ``keep``, and the last state, ``[B, D, N]``, which is empty
        unless asked for.
    """
    tensors = u, delta, A, B, C, D, z, delta_bias, initial_state
    inputs = _inputs(tensors, delta_softplus, reverse)
    kernels = KERNELS[choose_backend(backend, u, A)]
    results = y, checkpoints, last_state = _results(
        inputs, kernels, keep, return_last_state
    )
    if u.numel() == 0:
        if last_state.numel():
            # no step that would change it
            last_state.copy_(_or_zero(inputs.initial_state))
        return results
    # Matrix products under autocast would round the state to half precision.
    with torch.autocast(u.device.type, enabled=False):
        kernels.scan_forward(
            inputs,
            y,
            checkpoints if keep else None,
            last_state if return_last_state else None,
        )
    return results


@scan.register_fake
def _(*arguments):
    *tensors, softplus, reverse, backend, keep, return_last_state = arguments
    inputs = _inputs(tensors, softplus, reverse)
    kernels = KERNELS[choose_backend(backend, inputs.u, inputs.A)]
    return _results(inputs, kernels, keep, return_last_state)


@torch.library.custom_op("spmamba::selective_scan_backward", mutates_args=())
def scan_backward(
    tensors: list[torch.Tensor | None],
    checkpoints: torch.Tensor,
    grad_y: torch.Tensor,
    grad_last_state: torch.Tensor | None,
    needs: list[bool],
    delta_softplus: bool,
    reverse: bool,
    backend: str,
) -> list[torch.Tensor]:
    """Gradients of ``scan``.

    Arguments
    ---------
    tensors : list
        The nine tensor arguments, in order.
    checkpoints : torch.Tensor
        From ``scan``.
    grad_y : torch.Tensor
        Gradient of y, ``[B, L, D]``.
    grad_last_state : torch.Tensor, optional
        Gradient of the last state, ``[B, D, N]``.
    needs : list
        Which of the nine gradients are asked for.
    delta_softplus, reverse, backend
        As in ``scan``.

    Returns
    -------
    list
        The gradients that are needed, each in the dtype of its input.
    """
    inputs = _inputs(tensors, delta_softplus, reverse)
    grads = _gradients(tensors, needs)
    if grad_last_state is not None:
        grad_last_state = grad_last_state.contiguous()
    if grad_y.numel():
        kernels = KERNELS[choose_backend(backend, inputs.u, inputs.A)]
        with torch.autocast(grad_y.device.type, enabled=False):
            kernels.scan_backward(
                inputs,
                checkpoints,
                grad_y,
                grads,
                grad_last_state=grad_last_state,
            )
    elif "initial_state" in grads:
        grads["initial_state"].copy_(_or_zero(grad_last_state))
    return [
        grads[name].to(tensor.dtype)
        for name, tensor in zip(_NAMES, tensors, strict=True)
        if tensor is not None and name in grads
    ]


@scan_backward.register_fake
def _(tensors, checkpoints, grad_y, grad_last_state, needs, *options):
    chosen = [t for t, need in zip(tensors, needs, strict=True) if need]
    return [t.new_empty(t.shape) for t in chosen]


def _setup_context(ctx, inputs, output):
    *tensors, ctx.softplus, ctx.reverse, ctx.backend, _, has_last = inputs
    _, checkpoints, last_state = output
    ctx.save_for_backward(*tensors, checkpoints)
    ctx.mark_non_differentiable(
        checkpoints, *(() if has_last else (last_state,))
    )
    ctx.set_materialize_grads(False)


def _backward(ctx, grad_y, _, grad_last_state):
    *tensors, checkpoints = ctx.saved_tensors
    if grad_y is None:  # the loss is one of the last state alone
        grad_y = torch.zeros_like(tensors[0])
    needs = list(ctx.needs_input_grad[: len(_NAMES)])
    found = iter(
        scan_backward(
            tensors,
            checkpoints,
            grad_y,
            grad_last_state,
            needs,
            ctx.softplus,
            ctx.reverse,
            ctx.backend,
        )
    )
    grads = [next(found) if need else None for need in needs]
    return (*grads, None, None, None, None, None)


scan.register_autograd(_backward, setup_context=_setup_context)


def _inputs(tensors, delta_softplus, reverse):
    """The nine tensors as backends take them."""
    *others, state = tensors
    inputs = ScanInputs(*others, None, delta_softplus, reverse)
    if state is None:
        return inputs
    return inputs._replace(initial_state=state.contiguous())


def _or_zero(state):
    return torch.zeros(()) if state is None else state


def _results(inputs, kernels, keep, return_last_state):
    """Room for y, the checkpoints and the last state."""
    y = inputs.u.new_empty(inputs.u.shape)
    shape = last_shape = (0,)
    if keep and inputs.u.numel():
        shape = kernels.checkpoint_shape(inputs.u, inputs.A)
    dtype = state_dtype(*inputs[:9])
    if return_last_state:
        last_shape = len(inputs.u), *inputs.A.shape
    return (
        y,
        inputs.u.new_empty(shape, dtype=dtype),
        inputs.u.new_empty(last_shape, dtype=dtype),
    )


def _gradients(tensors, needs):
    """Room for the gradients needed; sums start at zero, in full precision."""
    grads = {}
    dtype = state_dtype(*tensors[:8])
    for name, tensor, need in zip(_NAMES, tensors, needs, strict=True):
        if need and name in _PARAMETERS:
            grads[name] = tensor.new_zeros(tensor.shape, dtype=dtype)
        elif need:
            # an empty scan has no step that would write, only zeros to give
            make = tensor.new_empty if tensors[0].numel() else tensor.new_zeros
            grads[name] = make(tensor.shape)
    return grads
