"""TDANet of JusperLee/SonicSim."""


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

    def take(ours, theirs, kinds=("weight", "bias")):
        for kind in kinds:
            out[f"{ours}.{kind}"] = source.take(f"{theirs}.{kind}")

    def take_norm(ours, theirs):
        out[f"{ours}.weight"] = source.take(f"{theirs}.gamma")
        out[f"{ours}.bias"] = source.take(f"{theirs}.beta")

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
        ours, theirs = f"block.modulate.{k}", f"{unet}.loc_glo_fus.{k}"
        take_pair(f"{ours}.local", f"{theirs}.local_embedding")
        take_pair(f"{ours}.gate", f"{theirs}.global_act")
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
