"""A-FRCNN: JusperLee/AFRCNN-For-Speech-Separation and JusperLee/SonicSim."""

from speechbrain_spmamba.weights.published.sudormrf import (
    NAMES,
    measure_surroundings,
    take,
    take_conv_norm,
    take_expand_and_pyramid,
    take_surroundings,
)

__all__ = ["NAMES", "SIGNATURE", "convert", "measure"]

SIGNATURE = "sm.blocks.proj_1x1."


def convert(source):
    """Renames the weights; the shapes are the same.

    Arguments
    ---------
    source : Source
        The published weights, from which what is converted is taken.

    Returns
    -------
    dict
        Tensors under the names of ``models.afrcnn.AFRCNN``.
    """
    theirs, ours = "sm.blocks", "block"
    out = take_surroundings(source)
    out.update(take_expand_and_pyramid(source, theirs, ours))
    # The finest stage has nothing to take down, so their count starts at 1.
    for stage in range(1, source.count(r"sm\.blocks\.fuse_layers\.(\d+)\.")):
        old, new = f"{theirs}.fuse_layers.{stage}.0", f"{ours}.down.{stage - 1}"
        out.update(take_conv_norm(source, old, new))
    stages = source.count(r"sm\.blocks\.concat_layer\.(\d+)\.")
    for stage in range(max(1, stages)):
        old, new = f"{theirs}.concat_layer.{stage}", f"{ours}.fuse.{stage}"
        out.update(take_conv_norm(source, old, new, act=True))
    last = f"{theirs}.last_layer.0"
    out.update(take_conv_norm(source, last, f"{ours}.join", act=True))
    out.update(take(source, f"{theirs}.res_conv", f"{ours}.project"))
    out.update(take(source, "sm.concat_block.0", "between.0"))
    out["between.1.weight"] = source.take("sm.concat_block.1.weight")
    return out


def measure(source, given):
    """Arguments of a published A-FRCNN.

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
    """
    told = measure_surroundings(source)
    told["in_channels"] = source.shape(f"{SIGNATURE}conv.weight")[0]
    told["upsampling_depth"] = source.count(r"sm\.blocks\.spp_dw\.(\d+)\.")
    # One block is used over and over: its weights do not tell how often.
    return told, {"num_blocks": 16, "sample_rate": 16000}
