"""TDANet: JusperLee/SonicSim, and TDANet and TDANetBest of JusperLee/TDANet.

TDANetOld has the names and shapes of TDANet, but is another network; only the
name of its class in the file tells them apart.
"""

SIGNATURE = "sm.unet.proj_1x1."
NAMES = {"num_sources": "num_spks"}
OTHER_NETWORKS = ("TDANetOld", "TDANetV2")
MODULATION = "sm.unet.loc_glo_fus.0."


def convert(source):
    """Maps a published TDANet onto ``models.tdanet.TDANet``.

    Its weights were trained with ``attention="published"``.

    Arguments
    ---------
    source : Source
        Tensors under the names of the published code; all are taken.

    Returns
    -------
    dict
        Tensors under our names.
    """
    out = {}
    # The same norm of two classes: torch's own, and one written by hand.
    plain = "ln.weight" in source.left
    gain, offset = ("weight", "bias") if plain else ("gamma", "beta")
    modulation = _modulation(source)

    def take(ours, theirs, kinds=("weight", "bias")):
        for kind in kinds:
            out[f"{ours}.{kind}"] = source.take(f"{theirs}.{kind}")

    def take_norm(ours, theirs):
        out[f"{ours}.weight"] = source.take(f"{theirs}.{gain}")
        out[f"{ours}.bias"] = source.take(f"{theirs}.{offset}")

    def take_pair(ours, theirs, kinds=("weight",)):
        take(f"{ours}.conv", f"{theirs}.conv", kinds)
        take_norm(f"{ours}.norm", f"{theirs}.norm")

    take("encoder", "encoder", ["weight"])
    take_norm("norm", "ln")
    take("bottleneck", "bottleneck")

    unet, both = "sm.unet", ("weight", "bias")
    take_pair("block.expand", f"{unet}.proj_1x1", both)
    take("block.expand.act", f"{unet}.proj_1x1.act", ["weight"])
    for k in range(source.count(r"sm\.unet\.spp_dw\.(\d+)\.")):
        take_pair(f"block.down.levels.{k}", f"{unet}.spp_dw.{k}", both)
        if modulation == "sum":
            continue
        ours, theirs = f"block.modulate.{k}", f"{unet}.loc_glo_fus.{k}"
        take_pair(f"{ours}.local", f"{theirs}.local_embedding")
        take_pair(f"{ours}.gate", f"{theirs}.global_act")
        if modulation == "gate_shift":
            take_pair(f"{ours}.shift", f"{theirs}.global_embedding")
    for k in range(source.count(r"sm\.unet\.last_layer\.(\d+)\.")):
        ours, theirs = f"block.merge.{k}", f"{unet}.last_layer.{k}"
        take_pair(f"{ours}.local", f"{theirs}.local_embedding")
        take_pair(f"{ours}.gate", f"{theirs}.global_act")
        take_pair(f"{ours}.shift", f"{theirs}.global_embedding")
    take("block.project", f"{unet}.res_conv")

    ours, theirs = "block.attention", f"{unet}.globalatt.attn"
    source.left.pop(f"{theirs}.pos_enc.pe", None)  # a fixed table, no weight
    take(f"{ours}.input_norm", f"{theirs}.attn_in_norm")
    for kind in both:
        packed = source.take(f"{theirs}.attn.in_proj_{kind}")
        out[f"{ours}.qkv.{kind}"] = packed
    take(f"{ours}.proj", f"{theirs}.attn.out_proj")
    take(f"{ours}.output_norm", f"{theirs}.norm")
    ours, theirs = "block.feed_forward", f"{unet}.globalatt.mlp"
    take_pair(f"{ours}.expand", f"{theirs}.fc1")
    take(f"{ours}.depthwise", f"{theirs}.dwconv")
    take_pair(f"{ours}.project", f"{theirs}.fc2")

    take("rejoin.0", "sm.concat_block.0")
    take("rejoin.1", "sm.concat_block.1", ["weight"])
    take("mask.0", "mask_net.0", ["weight"])
    take("mask.1", "mask_net.1")
    take("decoder", "decoder", ["weight"])
    return out


def measure(source, given):
    """Arguments of a published TDANet.

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
    bases, _, window = source.shape("encoder.weight")
    rate = given.get("sample_rate", 16000)
    milliseconds = window * 1000 / rate
    told = {
        "num_spks": source.shape("mask_net.1.weight")[0] // bases,
        "out_channels": source.shape("bottleneck.weight")[0],
        "in_channels": source.shape(f"{SIGNATURE}conv.weight")[0],
        "upsampling_depth": source.count(r"sm\.unet\.spp_dw\.(\d+)\."),
        "enc_kernel_size": (
            int(milliseconds) if milliseconds.is_integer() else milliseconds
        ),
        "enc_num_basis": bases,
        "attention": "published",
        "modulation": _modulation(source),
    }
    # One block is used over and over: its weights do not tell how often.
    return told, {"num_blocks": 16, "sample_rate": rate}


def _modulation(source):
    """How the attention's map acts on the others, as the names tell."""
    if not any(key.startswith(MODULATION) for key in source.left):
        return "sum"
    best = any(key.startswith(f"{MODULATION}global_emb") for key in source.left)
    return "gate_shift" if best else "gate"
