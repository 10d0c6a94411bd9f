"""A grid path with a bidirectional Mamba, without its windows: the choice.

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
"""

import torch

from speechbrain_spmamba.nnet.folded_backward import BackwardPass
from speechbrain_spmamba.nnet.folded_forward import ForwardPass
from speechbrain_spmamba.nnet.folding import Direction, FoldedWeights

# What is kept of a block, from most to least.
MEMORY = ("speed", "balanced", "low")


def run_path(x, weights, settings, valid=None):
    """Norm, windows, both Mambas, overlap-add, residual.

    Arguments
    ---------
    x : torch.Tensor
        Shape ``[N, Q, C]``: N rows of Q positions.
    weights : FoldedWeights
        See ``folding.fold_weights``.
    settings : Settings
        The dtype is that of the matrix products.
    valid : torch.Tensor, optional
        Boolean, shape ``[N, L]``: windows that exist.

    Returns
    -------
    torch.Tensor
        Shape of ``x``.
    """
    flat = (*weights[:6], *weights.forward, *weights.backward)
    if torch.is_grad_enabled() and (
        x.requires_grad or any(t.requires_grad for t in flat)
    ):
        return _Path.apply(x, valid, settings, *flat)
    return ForwardPass(x, valid, settings, flat).run()[0]


class _Path(torch.autograd.Function):
    """Connects the passes to autograd."""

    @staticmethod
    def forward(ctx, x, valid, settings, *flat):
        passes = ForwardPass(x, valid, settings, flat)
        out, kept = passes.run(training=True)
        ctx.settings, ctx.blocks = settings, len(kept)
        kept = [tensor for block in kept for tensor in block]
        ctx.save_for_backward(x, valid, *flat, *kept)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, grad):
        x, valid, *rest = ctx.saved_tensors
        flat, kept = rest[:_COUNT], rest[_COUNT:]
        size = len(kept) // ctx.blocks
        kept = [kept[i * size : (i + 1) * size] for i in range(ctx.blocks)]
        passes = BackwardPass(x, valid, ctx.settings, flat)
        grad_x, sums = passes.run_backward(grad.contiguous(), kept)
        return (grad_x, None, None, *sums)


# Tensors of FoldedWeights, its two directions flattened.
_COUNT = len(FoldedWeights._fields) - 2 + 2 * len(Direction._fields)
