"""A whole path of the grid, forward, by one call of the C kernels.

What `nnet.folded_forward` does in a dozen calls for a block of rows, the C
kernels do row by row: nothing but the result leaves a core's cache, windows are
never made, and no Python runs between. float32 alone, since that is what the C
products have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from speechbrain_spmamba.ops.cpu import library
from speechbrain_spmamba.ops.cpu.call import Call

if TYPE_CHECKING:
    from speechbrain_spmamba.nnet.folded_forward import PathConfig
    from speechbrain_spmamba.nnet.folding import FoldedWeights


def path_forward(
    x: torch.Tensor,
    valid: torch.Tensor | None,
    config: PathConfig,
    weights: FoldedWeights,
    out: torch.Tensor,
    kept: list | None = None,
) -> None:
    """Norm, windows, both Mambas, overlap-add, residual.

    Arguments
    ---------
    x : torch.Tensor
        ``[N, Q, C]``, float32.
    valid : torch.Tensor or None
        Boolean, ``[N, L]``: windows that exist.
    config : PathConfig
        Of ``nnet.folded_forward``.
    weights : FoldedWeights
        Of ``nnet.folding``, all float32.
    out : torch.Tensor
        ``[N, Q, C]``, float32, written.
    kept : list, optional
        For each direction dt, B and C side by side, ``[N, L, R + 2 N]``, and
        the scan's checkpoints, both float32 and contiguous: written.
    """
    call = Call(library.PathArguments)
    arguments = call.arguments
    arguments.items, arguments.positions, arguments.channels = x.shape
    arguments.size, arguments.hop = config.size, config.hop
    arguments.length = (x.shape[1] - config.size) // config.hop + 1
    arguments.inner = len(weights.forward.D)
    arguments.norm_eps, arguments.rms_eps = config.norm_eps, config.rms_eps
    call.read("x", x)
    call.write("out", out)
    for name in weights._fields[:6]:
        call.floats(name, getattr(weights, name).contiguous())
    if valid is not None:
        call.bytes("valid", valid.contiguous())
    directions = []
    for index, direction in enumerate((weights.forward, weights.backward)):
        part = Call(library.DirectionArguments)
        part.floats("x_proj", direction.x_proj.contiguous())
        conv = Call(library.ConvArguments)
        conv.conv_parameters(direction.conv_weight, direction.conv_bias)
        scan = Call(library.ScanArguments)
        scan.scan_parameters(
            direction.A, direction.D, direction.dt_bias, direction.dt_weight
        )
        for sequence in (conv.arguments, scan.arguments):
            sequence.length = arguments.length
            sequence.channels = arguments.inner
            sequence.reverse = index == 1
        scan.arguments.softplus = True
        if kept is not None:
            part.floats("mixed", kept[index][0])
            scan.floats("checkpoints", kept[index][1])
        part.arguments.conv = conv.arguments
        part.arguments.scan = scan.arguments
        arguments.directions[index] = part.arguments
        directions += [part, conv, scan]  # whose tensors must outlive the call
    call.run("path_forward")


def serves(x, config, weights):
    """Whether ``path_forward`` can: all is float32, on a CPU."""
    tensors = (x, *weights.tensors())
    return config.dtype == torch.float32 and all(
        t.dtype == torch.float32 and t.device.type == "cpu" for t in tensors
    )
