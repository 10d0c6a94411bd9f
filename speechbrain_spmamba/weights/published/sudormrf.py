"""SudoRM-RF, improved: JusperLee/SonicSim, look2hear/models/sudormrf.py.

The same network is published by etzinis/sudo_rm_rf, as whole modules, which
are to be run on mixtures of mean 0 and deviation 1.
"""

SIGNATURE = "sm.0.proj_1x1."
NAMES = {"num_sources": "num_spks"}
WORDS = {"whole_module": {"True": {"whole_module": True}}}
NORM = {"weight": "gamma", "bias": "beta"}
SAME = {"weight": "weight", "bias": "bias"}


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
    out = take_surroundings(source)
    for index in range(max(1, source.count(r"sm\.(\d+)\."))):
        theirs, ours = f"sm.{index}", f"blocks.{index}"
        out.update(take_expand_and_pyramid(source, theirs, ours))
        norm = f"{theirs}.final_norm"
        out.update(take(source, f"{norm}.norm", f"{ours}.norm", NORM))
        out[f"{ours}.act.weight"] = source.take(f"{norm}.act.weight")
        out.update(take(source, f"{theirs}.res_conv", f"{ours}.project"))
    return out


def measure(source, given):
    """Arguments of a published SudoRM-RF.

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
    told["num_blocks"] = source.count(r"sm\.(\d+)\.")
    told["upsampling_depth"] = source.count(r"sm\.0\.spp_dw\.(\d+)\.")
    if given.get("whole_module"):
        return told, {"sample_rate": 8000, "normalize": True}
    return told, {"sample_rate": 16000}


def take(source, theirs, ours, kinds=SAME):
    """One layer's weight and bias.

    Arguments
    ---------
    source : Source
        The published weights.
    theirs : str
        The layer's published name.
    ours : str
        The layer's name here.
    kinds : dict
        Our names of its tensors, and theirs.

    Returns
    -------
    dict
        Tensors under our names.
    """
    return {
        f"{ours}.{kind}": source.take(f"{theirs}.{published}")
        for kind, published in kinds.items()
    }


def take_conv_norm(source, theirs, ours, act=False, kinds=NORM):
    """One ``nnet.time_domain.ConvNorm``.

    Arguments
    ---------
    source : Source
        The published weights.
    theirs : str
        The layer's published name.
    ours : str
        The layer's name here.
    act : bool
        Whether it ends in a PReLU.
    kinds : dict
        Our names of the norm's tensors, and theirs.

    Returns
    -------
    dict
        Tensors under our names.
    """
    out = take(source, f"{theirs}.conv", f"{ours}.conv")
    out.update(take(source, f"{theirs}.norm", f"{ours}.norm", kinds))
    if act:
        out[f"{ours}.act.weight"] = source.take(f"{theirs}.act.weight")
    return out


def take_surroundings(source):
    """What ``nnet.multiscale.MultiscaleSeparator`` puts around its blocks.

    Arguments
    ---------
    source : Source
        The published weights.

    Returns
    -------
    dict
        Tensors under our names.
    """
    out = {
        "encoder.weight": source.take("encoder.weight"),
        "decoder.weight": source.take("decoder.weight"),
        "mask.0.weight": source.take("mask_net.0.weight"),
    }
    out.update(take(source, "ln", "input_norm", NORM))
    out.update(take(source, "bottleneck", "bottleneck"))
    out.update(take(source, "mask_net.1", "mask.1"))
    return out


def measure_surroundings(source):
    """Arguments of what ``take_surroundings`` takes.

    Arguments
    ---------
    source : Source
        The published weights; all of them stay.

    Returns
    -------
    dict
        Arguments that the shapes tell.
    """
    bases, _, kernel = source.shape("encoder.weight")
    return {
        "num_spks": source.shape("decoder.weight")[1],
        "out_channels": source.shape("bottleneck.weight")[0],
        "enc_kernel_size": kernel,
        "enc_num_basis": bases,
    }


def take_expand_and_pyramid(source, theirs, ours):
    """The first layers of a block.

    Arguments
    ---------
    source : Source
        The published weights.
    theirs : str
        The block's published name.
    ours : str
        The block's name here.

    Returns
    -------
    dict
        Tensors under our names.
    """
    out = take_conv_norm(source, f"{theirs}.proj_1x1", f"{ours}.expand", True)
    levels = theirs.replace(".", r"\.") + r"\.spp_dw\.(\d+)\."
    for level in range(max(1, source.count(levels))):
        old, new = f"{theirs}.spp_dw.{level}", f"{ours}.pyramid.levels.{level}"
        out.update(take_conv_norm(source, old, new))
    return out
