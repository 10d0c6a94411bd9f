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

From the parameters of a `nnet.mamba_path`; to `nnet.folded_path`.
"""

from typing import NamedTuple

import torch

from speechbrain_spmamba.upstream.private import version


class Direction(NamedTuple):
    """What is left of a Mamba between its projections.

    ``conv_weight`` [D, K], ``conv_bias`` [D], ``x_proj`` [R + 2 N, D],
    ``dt_weight`` [D, R], ``dt_bias`` [D], ``A`` [D, N], ``D`` [D]. In memory,
    the channels D of all but x_proj lie side by side, as kernels take them.
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


def fold_weights(path):
    """Folds the parameters of a path; gradients flow back to them.

    Arguments
    ---------
    path : MambaPath
        A path.

    Returns
    -------
    FoldedWeights
        In the dtype of the parameters.

    Example
    -------
    >>> from speechbrain_spmamba.nnet.mamba_path import MambaPath
    >>> path = MambaPath(emb_dim=2, emb_ks=4, emb_hs=1)
    >>> weights = fold_weights(path)
    >>> [list(matrix.shape) for matrix in weights[3:6]]
    [[64, 8], [32, 8], [8, 8]]
    """
    mixer, taps = path.mixer, path.emb_ks
    branches = [mixer.forward_branch, mixer.backward_branch]

    def by_tap(matrix):
        """[*, (channel, tap)] -> [*, (tap, channel)]."""
        return matrix.unflatten(-1, (-1, taps)).transpose(-1, -2).flatten(-2)

    in_proj = [
        by_tap(branch.mamba.in_proj.weight * branch.norm.weight)
        for branch in branches
    ]
    # [2 d_model, C, K] -> forward and backward [d_model, (tap, channel)]
    deconvs = path.deconv.weight.transpose(1, 2).flatten(1).chunk(2)
    out_proj = [
        branch.mamba.out_proj.weight.t() @ deconv
        for branch, deconv in zip(branches, deconvs, strict=True)
    ]
    return FoldedWeights(
        path.norm.weight,
        path.norm.bias,
        path.deconv.bias,
        torch.cat(in_proj),
        torch.cat(out_proj),
        by_tap((deconvs[0] + deconvs[1]).t()).t(),
        *_directions([branch.mamba for branch in branches]),
    )


def in_dtype(weights, dtype):
    """The matrices of products in another dtype.

    Those of norms and scans stay as they are.

    Arguments
    ---------
    weights : FoldedWeights
        From ``fold_weights``.
    dtype : torch.dtype
        That of the products.

    Returns
    -------
    FoldedWeights
        The same tensors where the dtype is the same.
    """

    def cast(direction):
        return direction._replace(x_proj=direction.x_proj.to(dtype))

    return weights._replace(
        in_proj=weights.in_proj.to(dtype),
        out_proj=weights.out_proj.to(dtype),
        residual=weights.residual.to(dtype),
        forward=cast(weights.forward),
        backward=cast(weights.backward),
    )


def _directions(mambas):
    """Both directions, whose small matrices are laid out at once."""
    small = [m.conv1d.weight.squeeze(1) for m in mambas]
    small += [m.dt_proj.weight for m in mambas] + [m.A_log for m in mambas]
    sizes = [2 * matrix.shape[1] for matrix in small[::2]]
    conv, dt, A = torch.cat([m.t() for m in small]).split(sizes)
    A = -torch.exp(A.float()).to(A.dtype)
    rows = zip(mambas, conv.chunk(2), dt.chunk(2), A.chunk(2), strict=True)
    return [
        Direction(
            conv_weight.t(),
            mamba.conv1d.bias,
            mamba.x_proj.weight,
            dt_weight.t(),
            mamba.dt_proj.bias,
            rates.t(),
            mamba.D,
        )
        for mamba, conv_weight, dt_weight, rates in rows
    ]


class FoldingCache:
    """Folds once for as long as the parameters stay what they are.

    Every write to a parameter (an optimiser's step, loaded weights) raises its
    version, and a move to another device or dtype gives it other memory.

    Example
    -------
    >>> from speechbrain_spmamba.nnet.mamba_path import MambaPath
    >>> path = MambaPath(emb_dim=2, emb_ks=4, emb_hs=1).eval()
    >>> cache = FoldingCache()
    >>> with torch.no_grad():
    ...     first = cache.fold(path, torch.float32)
    ...     cache.fold(path, torch.float32) is first
    True
    """

    def __init__(self):
        self._key = self._weights = None

    def __getstate__(self):
        return {"_key": None, "_weights": None}  # a copy folds for itself

    def fold(self, path, dtype):
        """``fold_weights(path)``; without gradient, ``in_dtype`` and kept."""
        parameters = list(path.parameters())
        if torch.is_grad_enabled() and any(p.requires_grad for p in parameters):
            self._key = self._weights = None
            return fold_weights(path)
        if any(p.is_inference() for p in parameters):
            return fold_weights(path)  # these have no versions
        key = [(p.data_ptr(), version(p), p.dtype) for p in parameters]
        key.append(dtype)
        if key != self._key:
            with torch.inference_mode(False), torch.no_grad():
                self._weights = in_dtype(fold_weights(path), dtype)
                self._key = key
        return self._weights
