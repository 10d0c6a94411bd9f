"""SudoRM-RF of asteroid-team/asteroid: SuDORMRFImprovedNet and SuDORMRFNet.

The encoder's filters stand in a file under two names; where they differ, the
published code ends with those of the shorter one.
"""

from speechbrain_spmamba.weights.published import asteroid
from speechbrain_spmamba.weights.published.sudormrf import (
    SAME,
    take,
    take_conv_norm,
)

SIGNATURE = "masker.sm.0.proj_1x1."
NAMES = {
    **asteroid.NAMES,
    "bn_chan": "out_channels",
    "n_filters": "enc_num_basis",
    "kernel_size": "enc_kernel_size",
}
# Each class has its own; ``measure`` looks whether they are.
WORDS = {
    **asteroid.WORDS,
    "mask_act": {word: {"mask_act": word} for word in ("relu", "softmax")},
    "encoder_activation": {
        "None": {"encoder_activation": "linear"},
        "linear": {"encoder_activation": "linear"},
        "relu": {"encoder_activation": "relu"},
    },
}
FIRST = "masker.l1."  # stands in files of SuDORMRFNet only
TWIN = "encoder.encoder.filterbank._filters"
SLOPE = {"weight": "weight"}


def convert(source):
    """Renames the weights; the shapes are the same.

    Arguments
    ---------
    source : Source
        The published weights, from which what is converted is taken.

    Returns
    -------
    dict
        Tensors under the names of ``models.sudormrf.SudoRMRF``.
    """
    source.left.pop(TWIN, None)
    out = asteroid.take_filters(source)
    first = _is_first(source)
    norm = SAME if first else asteroid.GAIN
    bottleneck = "l1" if first else "bottleneck"
    out.update(take(source, "masker.ln", "input_norm", norm))
    out.update(take(source, f"masker.{bottleneck}", "bottleneck"))
    for index in range(source.count(r"masker\.sm\.(\d+)\.")):
        theirs, ours = f"masker.sm.{index}", f"blocks.{index}"
        out.update(_take_block(source, theirs, ours, norm, first))
    if first:
        if "masker.reshape_before_masks.weight" in source.left:
            reshape = "masker.reshape_before_masks"
            out.update(take(source, reshape, "mask.expand"))
        out.update(take(source, "masker.m", "mask.conv"))
    else:
        out.update(take(source, "masker.mask_net.0", "mask.0", SLOPE))
        out.update(take(source, "masker.mask_net.1", "mask.1"))
    return out


def _take_block(source, theirs, ours, norm, first):
    """The weights of one block."""
    out = take_conv_norm(
        source, f"{theirs}.proj_1x1", f"{ours}.expand", True, norm
    )
    levels = theirs.replace(".", r"\.") + r"\.spp_dw\.(\d+)\."
    for level in range(source.count(levels)):
        old, new = f"{theirs}.spp_dw.{level}", f"{ours}.pyramid.levels.{level}"
        out.update(take_conv_norm(source, old, new, kinds=norm))
    old = f"{theirs}.final_norm"
    out.update(take(source, f"{old}.norm", f"{ours}.norm", norm))
    out.update(take(source, f"{old}.act", f"{ours}.act", SLOPE))
    if not first:
        out.update(take(source, f"{theirs}.res_conv", f"{ours}.project"))
        return out
    old = f"{theirs}.conv_1x1_exp"
    out.update(take_conv_norm(source, old, f"{ours}.project", kinds=norm))
    old = f"{theirs}.module_act"
    out.update(take(source, f"{old}.norm", f"{ours}.output_norm", norm))
    out.update(take(source, f"{old}.act", f"{ours}.output_act", SLOPE))
    return out


def measure(source, given):
    """Arguments of a SudoRM-RF of Asteroid.

    Arguments
    ---------
    source : Source
        The published weights; all of them stay.
    given : dict
        Arguments that are known from elsewhere.

    Returns
    -------
    dict
        Arguments that the shapes tell.
    dict
        Published values of those that they do not tell.

    Raises
    ------
    ValueError
        Settings of another network.
    """
    first = _is_first(source)
    # SuDORMRFNet has the same hop whatever its settings say.
    known = {k: v for k, v in given.items() if not first or k != "stride"}
    filters = asteroid.measure_filters(source, known)
    bases = filters["n_filters"]
    asteroid.expect(
        given,
        mask_act="softmax" if first else "relu",
        encoder_activation="relu" if first else "linear",
    )
    masks = "masker.m.weight" if first else "masker.mask_net.1.weight"
    told = {
        "num_spks": source.shape(masks)[0] // (1 if first else bases),
        "out_channels": source.shape(f"{SIGNATURE}conv.weight")[1],
        "in_channels": source.shape(f"{SIGNATURE}conv.weight")[0],
        "num_blocks": source.count(r"masker\.sm\.(\d+)\."),
        "upsampling_depth": source.count(r"masker\.sm\.0\.spp_dw\.(\d+)\."),
        "enc_kernel_size": filters["kernel_size"],
        "enc_num_basis": bases,
        "variant": "first" if first else "asteroid",
    }
    return told, {"sample_rate": asteroid.SAMPLE_RATE}


def _is_first(source):
    """Whether the weights are those of SuDORMRFNet."""
    return any(key.startswith(FIRST) for key in source.left)
