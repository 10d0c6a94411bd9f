"""DPRNN: asteroid-team/asteroid, class DPRNNTasNet."""

from speechbrain_spmamba.weights.published import asteroid
from speechbrain_spmamba.weights.published.dprnn import take_linear, take_lstm
from speechbrain_spmamba.weights.published.sudormrf import take

SIGNATURE = "masker.net.0.intra_RNN."
NAMES = {
    **asteroid.NAMES,
    "bn_chan": "feature_dim",
    "hid_size": "hidden",
    "n_repeats": "num_blocks",
    "hop_size": "hop_size",
}
WORDS = {
    **asteroid.WORDS,
    "rnn_type": {"LSTM": {}},
    "use_mulcat": {"False": {}},
}


def convert(source):
    """Renames the weights; 1x1 convolutions become linear layers.

    Arguments
    ---------
    source : Source
        The published weights, from which what is converted is taken.

    Returns
    -------
    dict
        Tensors under the names of ``models.dprnn.DPRNN``.
    """
    out = asteroid.take_filters(source)
    out.update(take(source, "masker.bottleneck.0", "input_norm", asteroid.GAIN))
    out.update(take(source, "masker.bottleneck.1", "bottleneck"))
    for index in range(max(1, source.count(r"masker\.net\.(\d+)\."))):
        theirs, ours = f"masker.net.{index}", f"blocks.{index}"
        for path in ("intra", "inter"):
            rnn = f"{theirs}.{path}_RNN.rnn"
            out.update(take_lstm(source, rnn, f"{ours}.{path}_rnn"))
            layer = f"{path}_linear"
            out.update(take(source, f"{theirs}.{layer}", f"{ours}.{layer}"))
            norm = f"{path}_norm"
            out.update(
                take(
                    source, f"{theirs}.{norm}", f"{ours}.{norm}", asteroid.GAIN
                )
            )
    out["split.0.weight"] = source.take("masker.first_out.0.weight")
    out.update(take_linear(source, "masker.first_out.1", "split.1"))
    out.update(take_linear(source, "masker.net_out.0", "value"))
    out.update(take_linear(source, "masker.net_gate.0", "gate"))
    out["mask.weight"] = source.take("masker.mask_net.weight").flatten(1)
    return out


def measure(source, given):
    """Arguments of a DPRNN of Asteroid.

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
        The settings are of a network that no published file has.
    """
    told = asteroid.measure_filters(source, given)
    # Published filters of 2 samples go with long chunks.
    chunk = given.get("chunk_size", 250 if told["kernel_size"] == 2 else 100)
    asteroid.expect(given, hop_size=chunk // 2)
    features = source.shape("masker.bottleneck.1.weight")[0]
    backward = "masker.net.0.inter_RNN.rnn.weight_hh_l0_reverse"
    told.update(
        num_spks=source.shape("masker.first_out.1.weight")[0] // features,
        feature_dim=features,
        hidden=source.shape(f"{SIGNATURE}rnn.weight_hh_l0")[1],
        num_blocks=source.count(r"masker\.net\.(\d+)\."),
        bidirectional=backward in source.left,
        variant="asteroid",
    )
    return told, {
        "chunk_size": chunk,
        "mask_act": "sigmoid",
        "sample_rate": asteroid.SAMPLE_RATE,
    }
