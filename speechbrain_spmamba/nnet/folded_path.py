"""The folded form of a path as one function that autograd knows.

``folding.py`` derives the form, ``folded_forward.py`` and
``folded_backward.py`` compute it, a block of rows at a time. What is kept of a
block for the backward pass is a choice; the rest is computed again:

    memory      kept for each window, in values      computed again
    speed       4 D + 2 (R + 2 N) + states            convolution, states
    balanced    2 (R + 2 N) + states                  ... and in-projection
    low         nothing; the path's input only        the whole block

D, R and N as in ``nnet.mamba``; `states` are the checkpoints of both scans,
2 D N every 32 windows or so. Norms, states and sums are float32 under
autocast; matrix products have the autocast's dtype.

From `nnet.mamba_path`; to `nnet.folded_forward`, in training also to
`nnet.folded_backward`, and back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from speechbrain_spmamba.nnet.folded_backward import BackwardPass
from speechbrain_spmamba.nnet.folded_forward import ForwardPass
from speechbrain_spmamba.nnet.folding import FoldedWeights

if TYPE_CHECKING:
    from speechbrain_spmamba.nnet.folded_forward import PathConfig


# What is kept of a block, from most to least.
MEMORY = ("speed", "balanced", "low")


def run_folded(
    x: torch.Tensor,
    weights: FoldedWeights,
    ready: FoldedWeights,
    config: PathConfig,
    valid: torch.Tensor | None = None,
) -> torch.Tensor:
    """Norm, windows, both Mambas, overlap-add, residual.

    Arguments
    ---------
    x : torch.Tensor
        Shape ``[N, Q, C]``: N rows of Q positions.
    weights, ready : FoldedWeights
        See ``Folding``: those that gradients flow to; as kernels take them.
    config : PathConfig
        The dtype is that of the matrix products.
    valid : torch.Tensor, optional
        Boolean, shape ``[N, L]``: windows that exist.

    Returns
    -------
    torch.Tensor
        Shape of ``x``.
    """
    tensors = weights.tensors()
    if torch.is_grad_enabled() and (
        x.requires_grad or any(t.requires_grad for t in tensors)
    ):
        return _FoldedPath.apply(x, valid, config, ready, *tensors)
    return ForwardPass(x, valid, config, ready).run()[0]


class _FoldedPath(torch.autograd.Function):
    """Connects both passes to autograd."""

    @staticmethod
    def forward(ctx, x, valid, config, ready, *tensors):
        out, kept = ForwardPass(x, valid, config, ready).run(training=True)
        ctx.config, ctx.blocks, ctx.size = config, len(kept), len(tensors)
        kept = [tensor for block in kept for tensor in block]
        ctx.save_for_backward(x, valid, *tensors, *ready.tensors(), *kept)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        x, valid, *rest = ctx.saved_tensors
        tensors, ready = rest[: ctx.size], rest[ctx.size : 2 * ctx.size]
        kept = rest[2 * ctx.size :]
        size = len(kept) // ctx.blocks
        kept = [kept[i * size : (i + 1) * size] for i in range(ctx.blocks)]
        weights = FoldedWeights.of_tensors(ready)
        backward_pass = BackwardPass(x, valid, ctx.config, weights)
        grad_x, sums = backward_pass.run_backward(
            grad.contiguous(), kept, tensors
        )
        return (grad_x, None, None, None, *sums)
