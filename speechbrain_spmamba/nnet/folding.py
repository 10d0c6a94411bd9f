"""The weights of a grid path with a bidirectional Mamba, folded.

What the plain form computes for each window of a normalised map (U, its values
in a row; one direction; P the in-projection, w the gain of the RMS norm, O the
out-projection, T the transposed convolution as a matrix):

    (U + O mamba(P (w U r))) T,      r = 1 / sqrt(mean(U^2) + eps)

* r is a number for each window, so P w can be one matrix, applied to U r; and
  mean(U^2) is a box filter over the map's energy. Neither needs the windows of
  all positions at once, and both directions share U r: their in-projections
  are stacked into one.
* O and T are linear with nothing between them: O T is one matrix, and the
  outputs of both directions, side by side, meet both at once.
* The residual U T is a small product whose result joins the same overlap-add.

No step needs a flip: the reversed direction reads time from its end. Window
values are ordered by tap, then by channel (the map is channels-last, so that a
window is a stretch of memory); the parameters' order is channel, then tap.

All paths of a model are folded at once: a fold of one path is a dozen small
kernels on a GPU, and so is that of all.

From the parameters of a model's `nnet.mamba_path`; to `nnet.folded_path`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    from speechbrain_spmamba.nnet.mamba_path import MambaPath


class Direction(NamedTuple):
    """What is left of a Mamba between its projections.

    ``conv_weight`` [D, K], ``conv_bias`` [D], ``x_proj`` [R + 2 N, D],
    ``dt_weight`` [D, R], ``dt_bias`` [D], ``A`` [D, N], ``D`` [D].
    """

    conv_weight: torch.Tensor
    conv_bias: torch.Tensor
    x_proj: torch.Tensor
    dt_weight: torch.Tensor
    dt_bias: torch.Tensor
    A: torch.Tensor
    D: torch.Tensor


class FoldedWeights(NamedTuple):
    """Weights of a path, window values ordered by (tap, channel).

    ``norm_weight``, ``norm_bias`` and ``bias`` [C], ``in_proj`` [4 D, K C]
    with the rows of forward u, forward z, backward u, backward z; ``out_proj``
    [2 D, K C]; ``residual`` [K C, K C].
    """

    norm_weight: torch.Tensor
    norm_bias: torch.Tensor
    bias: torch.Tensor
    in_proj: torch.Tensor
    out_proj: torch.Tensor
    residual: torch.Tensor
    forward: Direction
    backward: Direction

    def tensors(self):
        """All of them in a row, the two directions last."""
        return (*self[:6], *self.forward, *self.backward)

    @classmethod
    def of_tensors(cls, tensors):
        """The inverse of ``tensors``."""
        size = len(Direction._fields)
        forward, backward = tensors[6 : 6 + size], tensors[6 + size :]
        return cls(*tensors[:6], Direction(*forward), Direction(*backward))


def fold_weights(paths: list[MambaPath]) -> list[FoldedWeights]:
    """Folds the parameters of paths of one shape; gradients flow back to them.

    Arguments
    ---------
    paths : list of MambaPath
        Those of a model.

    Returns
    -------
    list of FoldedWeights
        In the dtype of the parameters.

    Example
    -------
    >>> from speechbrain_spmamba.nnet.mamba_path import MambaPath
    >>> path = MambaPath(emb_dim=2, emb_ks=4, emb_hs=1)
    >>> (weights,) = fold_weights([path])
    >>> [list(matrix.shape) for matrix in weights[3:6]]
    [[64, 8], [32, 8], [8, 8]]
    """
    taps = paths[0].emb_ks
    branches = [
        branch
        for path in paths
        for branch in (path.mixer.forward_branch, path.mixer.backward_branch)
    ]
    mambas = [branch.mamba for branch in branches]

    def by_tap(matrix):
        """[*, (channel, tap)] -> [*, (tap, channel)]."""
        return matrix.unflatten(-1, (-1, taps)).transpose(-1, -2).flatten(-2)

    def of_path(matrices):
        """[paths and directions, n, m] -> for each path [2 n, m]."""
        return matrices.unflatten(0, (-1, 2)).flatten(1, 2).unbind()

    gain = torch.stack([branch.norm.weight for branch in branches])
    in_proj = torch.stack([mamba.in_proj.weight for mamba in mambas])
    in_proj = by_tap(in_proj * gain.unsqueeze(1))
    # [2 d_model, C, K] -> forward and backward [d_model, (tap, channel)]
    deconv = torch.stack([path.deconv.weight for path in paths])
    deconv = deconv.transpose(2, 3).flatten(2).unflatten(1, (2, -1))
    out_proj = torch.stack([mamba.out_proj.weight for mamba in mambas])
    # in this order, so that its gradient is laid out as the parameters are
    out_proj = (deconv.flatten(0, 1).transpose(1, 2) @ out_proj).transpose(1, 2)
    residual = by_tap(deconv.sum(1).transpose(1, 2)).transpose(1, 2)
    rates = torch.stack([mamba.A_log for mamba in mambas])
    rates = -torch.exp(rates.float()).to(rates.dtype)
    directions = [
        Direction(
            mamba.conv1d.weight.squeeze(1),
            mamba.conv1d.bias,
            mamba.x_proj.weight,
            mamba.dt_proj.weight,
            mamba.dt_proj.bias,
            A,
            mamba.D,
        )
        for mamba, A in zip(mambas, rates, strict=True)
    ]
    folded = zip(
        of_path(in_proj),
        of_path(out_proj),
        residual.unbind(),
        directions[::2],
        directions[1::2],
        strict=True,
    )
    biases: list[Any] = [path.deconv.bias for path in paths]
    return [
        FoldedWeights(path.norm.weight, path.norm.bias, bias, *rest)
        for path, bias, rest in zip(paths, biases, folded, strict=True)
    ]


@torch.no_grad()
def ready(
    weights: list[FoldedWeights], dtype: torch.dtype
) -> list[FoldedWeights]:
    """Folded weights as kernels take them.

    The matrices of products are cast; of the small ones of the scans and
    convolutions, the channels are laid side by side.

    Arguments
    ---------
    weights : list of FoldedWeights
        From ``fold_weights``.
    dtype : torch.dtype
        That of the products.

    Returns
    -------
    list of FoldedWeights
        Of the same values and shapes, without gradient.
    """
    directions = [direction for w in weights for direction in w[6:]]

    def cast(name, owners):
        matrices = [getattr(owner, name) for owner in owners]
        if matrices[0].dtype == dtype:
            return matrices
        return torch.stack(matrices).to(dtype).unbind()

    names = ("conv_weight", "dt_weight", "A")
    small = [getattr(d, name) for d in directions for name in names]
    columns = torch.cat([matrix.t() for matrix in small])
    columns = iter(columns.split([matrix.shape[1] for matrix in small]))
    directions = [
        direction._replace(
            x_proj=x_proj, **{name: next(columns).t() for name in names}
        )
        for direction, x_proj in zip(
            directions, cast("x_proj", directions), strict=True
        )
    ]
    names = ("in_proj", "out_proj", "residual")
    matrices = zip(*(cast(name, weights) for name in names), strict=True)
    return [
        FoldedWeights(*path[:3], *of_path, *directions[2 * i : 2 * i + 2])
        for i, (path, of_path) in enumerate(zip(weights, matrices, strict=True))
    ]


def fold(paths: list[MambaPath], dtype: torch.dtype) -> list:
    """Folds paths for a pass of a model.

    None is kept for the next: what a weight was at the time nothing tells for
    certain. An optimizer's fused step writes to it unseen by its version, as
    do all of torch's foreach functions on a GPU.

    Arguments
    ---------
    paths : list of MambaPath
        Of one shape.
    dtype : torch.dtype
        That of the products.

    Returns
    -------
    list
        For each path its ``FoldedWeights``, to which gradients flow, and the
        ``ready`` ones; without gradients, the latter twice.

    Example
    -------
    >>> from speechbrain_spmamba.nnet.mamba_path import MambaPath
    >>> path = MambaPath(emb_dim=2, emb_ks=4, emb_hs=1)
    >>> ((weights, as_taken),) = fold([path], torch.bfloat16)
    >>> weights.in_proj.dtype, as_taken.in_proj.dtype
    (torch.float32, torch.bfloat16)
    """
    weights = fold_weights(paths)
    as_taken = ready(weights, dtype)
    # The other ones would fill memory that a pass may need.
    first = weights if torch.is_grad_enabled() else as_taken
    return list(zip(first, as_taken, strict=True))
