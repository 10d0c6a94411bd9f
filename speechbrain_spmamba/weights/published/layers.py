"""Layers that several published layouts have.

Each function moves one out of ``weights`` (``renaming.PublishedWeights``),
where its name is ``theirs``, to our name ``ours``.
"""

from speechbrain_spmamba.weights.published.renaming import (
    GAMMA_BETA,
    SAME,
    WEIGHT,
    same,
)

LSTM = [f"{x}_{gate}_l0" for x in ("weight", "bias") for gate in ("ih", "hh")]
BLSTM = [f"{name}{way}" for name in LSTM for way in ("", "_reverse")]


def move_linear(weights, theirs, ours, names=SAME):
    """A 1x1 convolution as the linear layer that it is."""
    weights.move(theirs, ours, names)
    matrix = weights.converted[f"{ours}.weight"].flatten(1)
    weights.converted[f"{ours}.weight"] = matrix


def move_blstm(weights, theirs, ours):
    """One ``nnet.recurrent.BLSTM``."""
    weights.move(theirs, f"{ours}.lstm", same(*BLSTM))


def move_lstm(weights, theirs, ours):
    """The same, of one direction or two."""
    both = f"{theirs}.weight_hh_l0_reverse" in weights.left
    weights.move(theirs, f"{ours}.lstm", same(*(BLSTM if both else LSTM)))


def move_flat_norm(weights, theirs, ours):
    """A norm whose gains and offsets have other axes of size 1."""
    weights.move(theirs, ours, GAMMA_BETA)
    for key in (f"{ours}.weight", f"{ours}.bias"):
        weights.converted[key] = weights.converted[key].flatten()


def move_conv_norm(weights, theirs, ours, act=False, norm=GAMMA_BETA):
    """One ``nnet.multiscale.ConvNorm``; with ``act``, it ends in a PReLU."""
    weights.move(f"{theirs}.conv", f"{ours}.conv")
    weights.move(f"{theirs}.norm", f"{ours}.norm", norm)
    if act:
        weights.move(f"{theirs}.act", f"{ours}.act", WEIGHT)


def move_pyramid(weights, theirs, ours, norm=GAMMA_BETA):
    """How a block begins: wider, then coarser and coarser."""
    move_conv_norm(weights, f"{theirs}.proj_1x1", f"{ours}.expand", True, norm)
    levels = theirs.replace(".", r"\.") + r"\.spp_dw\.(\d+)\."
    for level in range(max(1, weights.count(levels))):
        old, new = f"{theirs}.spp_dw.{level}", f"{ours}.pyramid.levels.{level}"
        move_conv_norm(weights, old, new, norm=norm)


def move_mask(weights, theirs):
    """What makes the masks: a PReLU and a convolution."""
    weights.move(f"{theirs}.0", "mask.0", WEIGHT)
    weights.move(f"{theirs}.1", "mask.1")
