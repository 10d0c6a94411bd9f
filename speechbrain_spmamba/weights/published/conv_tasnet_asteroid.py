"""Conv-TasNet: asteroid-team/asteroid, class ConvTasNet."""

from speechbrain_spmamba.weights.published import asteroid
from speechbrain_spmamba.weights.published.conv_tasnet import count_stacks
from speechbrain_spmamba.weights.published.sudormrf import SAME, take

SIGNATURE = "masker.TCN.0.shared_block."
NAMES = {
    **asteroid.NAMES,
    "bn_chan": "bottleneck",
    "hid_chan": "hidden",
    "skip_chan": "skip_channels",
    "n_blocks": "n_layers",
    "n_repeats": "n_stacks",
}
WORDS = {**asteroid.WORDS, "causal": {"False": {}}}
SLOPE = {"weight": "weight"}
# Published name, ours, and what their tensors are called.
BLOCK = [
    ("shared_block.0", "expand", SAME),
    ("shared_block.1", "expand_act", SLOPE),
    ("shared_block.2", "expand_norm", asteroid.GAIN),
    ("shared_block.3", "depthwise", SAME),
    ("shared_block.4", "depthwise_act", SLOPE),
    ("shared_block.5", "depthwise_norm", asteroid.GAIN),
    ("res_conv", "residual", SAME),
    ("skip_conv", "skip", SAME),
]


def convert(source):
    """Renames the weights; the shapes are the same.

    Arguments
    ---------
    source : Source
        The published weights, from which what is converted is taken.

    Returns
    -------
    dict
        Tensors under the names of ``models.conv_tasnet.ConvTasNet``.
    """
    out = asteroid.take_filters(source)
    out.update(take(source, "masker.bottleneck.0", "input_norm", asteroid.GAIN))
    out.update(take(source, "masker.bottleneck.1", "bottleneck"))
    for index in range(max(1, source.count(r"masker\.TCN\.(\d+)\."))):
        theirs, ours = f"masker.TCN.{index}", f"blocks.{index}"
        for old, new, kinds in BLOCK:
            out.update(take(source, f"{theirs}.{old}", f"{ours}.{new}", kinds))
    out.update(take(source, "masker.mask_net.0", "mask.0", SLOPE))
    out.update(take(source, "masker.mask_net.1", "mask.1"))
    return out


def measure(source, given):
    """Arguments of a Conv-TasNet of Asteroid.

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
        The blocks do not fill stacks of that many layers, or the settings
        are of a network that no published file has.
    """
    told = asteroid.measure_filters(source, given)
    masks = source.shape("masker.mask_net.1.weight")[0]
    layers, stacks = count_stacks(source, r"masker\.TCN\.(\d+)\.", given)
    told.update(
        num_spks=masks // told["n_filters"],
        bottleneck=source.shape("masker.bottleneck.1.weight")[0],
        hidden=source.shape(f"{SIGNATURE}0.weight")[0],
        skip_channels=source.shape("masker.TCN.0.skip_conv.weight")[0],
        n_stacks=stacks,
        variant="asteroid",
    )
    # The class says "sigmoid", every published file "relu".
    return told, {
        "n_layers": layers,
        "mask_act": "relu",
        "sample_rate": asteroid.SAMPLE_RATE,
    }
