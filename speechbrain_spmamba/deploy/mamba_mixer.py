"""What a pair of Mambas makes of windows, as text of an ONNX function.

In the folded form of `nnet.folding`: one in-projection and one out-projection
for both directions, the transposed convolution of the path in the latter.

From and to `deploy.path_function`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from speechbrain_spmamba.deploy.scan_function import ints, scan_text
from speechbrain_spmamba.nnet.folding import (
    Direction,
    FoldedWeights,
    fold_weights,
)

if TYPE_CHECKING:
    import torch

    from speechbrain_spmamba.nnet.mamba_path import MambaPath


# The norm and the bias of the path, then those of the mixer.
INPUTS = [
    *FoldedWeights._fields[:6],
    *(f"f_{name}" for name in Direction._fields),
    *(f"b_{name}" for name in Direction._fields),
]
# Values of a block of rows in its widest tensor: they stay in a CPU's cache.
VALUES = 2**20


def tensors(path: MambaPath) -> list[torch.Tensor]:
    """What ``INPUTS`` are of a path.

    Arguments
    ---------
    path : MambaPath
        The path.

    Returns
    -------
    list of torch.Tensor
        Matrices to multiply with from the right, taps and states on the first
        axis.
    """
    (weights,) = fold_weights([path])

    def of(direction):
        matrices = ("conv_weight", "x_proj", "dt_weight", "A")
        return direction._replace(
            **{name: getattr(direction, name).t() for name in matrices}
        )

    turned = weights._replace(
        in_proj=weights.in_proj.t(),
        forward=of(weights.forward),
        backward=of(weights.backward),
    )
    return [tensor.detach().contiguous() for tensor in turned.tensors()]


def windows_of_block(path):
    """How many windows go through it at a time."""
    return VALUES // (4 * len(path.mixer.forward_branch.mamba.D))


def text(path):
    """From ``taken`` to ``given``, both ``[R, L, K C]``."""
    mamba = path.mixer.forward_branch.mamba
    inner, states = mamba.A_log.shape
    taps = mamba.conv1d.weight.shape[-1]
    sizes = mamba.dt_rank, states, states
    rms_eps = path.mixer.forward_branch.norm.eps
    return f"""
    squares = Mul (taken, taken)
    {ints("last", -1)}
    energy = ReduceMean (squares, last)
    rms_eps = Constant <value_float = {rms_eps}> ()
    level = Add (energy, rms_eps)
    root = Sqrt (level)
    unit = Div (taken, root)
    xz = MatMul (unit, in_proj)
    {ints("quarters", inner, inner, inner, inner)}
    f_x, f_z, b_x, b_z = Split <axis = -1> (xz, quarters)
    {_direction("f", taps, sizes, reverse=0)}
    {_direction("b", taps, sizes, reverse=1)}
    y_both = Concat <axis = -1> (f_y, b_y)
    mapped = MatMul (y_both, out_proj)
    passed = MatMul (taken, residual)
    given = Add (mapped, passed)"""


def _direction(d, taps, sizes, reverse):
    """What stands between the projections of a Mamba: from x and z to y."""
    return f"""
    {_convolve(d, taps, reverse)}
    {d}_gate = Sigmoid ({d}_conv)
    {d}_u = Mul ({d}_conv, {d}_gate)
    {d}_row = Shape <start = 0, end = 1> ({d}_u)
    {d}_state_size = Shape ({d}_A)
    {d}_state_shape = Concat <axis = 0> ({d}_row, {d}_state_size)
    {d}_state = ConstantOfShape ({d}_state_shape)
    {scan_text(d, sizes, reverse)}"""


def _convolve(d, taps, reverse):
    """The causal convolution of x before its silu, a tap at a time."""
    past = taps - 1
    around = (0, 0, 0, 0, past, 0) if reverse else (0, past, 0, 0, 0, 0)
    names = ", ".join(f"{d}_tap_{tap}" for tap in range(taps))
    text = f"""
    {ints(f"{d}_around", *around)} {ints(f"{d}_time_axis", 1)}
    {d}_long = Pad ({d}_x, {d}_around)
    {names} = Split <axis = 0, num_outputs = {taps}> ({d}_conv_weight)"""
    for tap in range(taps):
        start = past - tap if reverse else tap
        end = 2**31 - 1 if start == past else start - past
        text += f"""
    {ints(f"{d}_begin_{tap}", start)} {ints(f"{d}_stop_{tap}", end)}
    {d}_moved_{tap} = Slice
        ({d}_long, {d}_begin_{tap}, {d}_stop_{tap}, {d}_time_axis)
    {d}_times_{tap} = Mul ({d}_moved_{tap}, {d}_tap_{tap})"""
    terms = ", ".join(f"{d}_times_{tap}" for tap in range(taps))
    return f"{text}\n    {d}_conv = Sum ({terms}, {d}_conv_bias)"
