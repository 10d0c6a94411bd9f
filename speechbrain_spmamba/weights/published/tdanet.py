"""TDANet: JusperLee/SonicSim, and TDANet and TDANetBest of JusperLee/TDANet.

TDANetOld has the names and shapes of TDANet, but is another network; only the
name of its class in the file tells them apart.
"""

from speechbrain_spmamba.weights.published.layers import move_mask
from speechbrain_spmamba.weights.published.renaming import (
    GAMMA_BETA,
    SAME,
    WEIGHT,
)

SIGNATURE = "sm.unet.proj_1x1."
NAMES = {"num_sources": "num_spks"}
OTHER_NETWORKS = ("TDANetOld", "TDANetV2")
MODULATION = "sm.unet.loc_glo_fus.0."


def convert(weights):
    """To ``models.tdanet.TDANet``.

    The weights were trained with ``attention="published"``.
    """
    # The same norm of two classes: torch's own, and one written by hand.
    norm = SAME if "ln.weight" in weights.left else GAMMA_BETA
    modulation = _modulation(weights)

    def move_pair(theirs, ours, names=WEIGHT):
        weights.move(f"{theirs}.conv", f"{ours}.conv", names)
        weights.move(f"{theirs}.norm", f"{ours}.norm", norm)

    weights.move("encoder", "encoder", WEIGHT)
    weights.move("ln", "norm", norm)
    weights.move("bottleneck", "bottleneck")

    unet = "sm.unet"
    move_pair(f"{unet}.proj_1x1", "block.expand", SAME)
    weights.move(f"{unet}.proj_1x1.act", "block.expand.act", WEIGHT)
    for k in range(weights.count(r"sm\.unet\.spp_dw\.(\d+)\.")):
        move_pair(f"{unet}.spp_dw.{k}", f"block.down.levels.{k}", SAME)
        if modulation == "sum":
            continue
        theirs, ours = f"{unet}.loc_glo_fus.{k}", f"block.modulate.{k}"
        move_pair(f"{theirs}.local_embedding", f"{ours}.local")
        move_pair(f"{theirs}.global_act", f"{ours}.gate")
        if modulation == "gate_shift":
            move_pair(f"{theirs}.global_embedding", f"{ours}.shift")
    for k in range(weights.count(r"sm\.unet\.last_layer\.(\d+)\.")):
        theirs, ours = f"{unet}.last_layer.{k}", f"block.merge.{k}"
        move_pair(f"{theirs}.local_embedding", f"{ours}.local")
        move_pair(f"{theirs}.global_act", f"{ours}.gate")
        move_pair(f"{theirs}.global_embedding", f"{ours}.shift")
    weights.move(f"{unet}.res_conv", "block.project")

    theirs, ours = f"{unet}.globalatt.attn", "block.attention"
    weights.left.pop(f"{theirs}.pos_enc.pe", None)  # a fixed table, no weight
    weights.move(f"{theirs}.attn_in_norm", f"{ours}.input_norm")
    packed = {"weight": "in_proj_weight", "bias": "in_proj_bias"}
    weights.move(f"{theirs}.attn", f"{ours}.qkv", packed)
    weights.move(f"{theirs}.attn.out_proj", f"{ours}.proj")
    weights.move(f"{theirs}.norm", f"{ours}.output_norm")
    theirs, ours = f"{unet}.globalatt.mlp", "block.feed_forward"
    move_pair(f"{theirs}.fc1", f"{ours}.expand")
    weights.move(f"{theirs}.dwconv", f"{ours}.depthwise")
    move_pair(f"{theirs}.fc2", f"{ours}.project")

    weights.move("sm.concat_block.0", "rejoin.0")
    weights.move("sm.concat_block.1", "rejoin.1", WEIGHT)
    move_mask(weights, "mask_net")
    weights.move("decoder", "decoder", WEIGHT)


def measure(weights, given):
    """The encoder's window is told in milliseconds, and so by the rate."""
    bases, _, window = weights.shape("encoder.weight")
    sample_rate = given.get("sample_rate", 16000)
    milliseconds = window * 1000 / sample_rate
    told = {
        "num_spks": weights.shape("mask_net.1.weight")[0] // bases,
        "out_channels": weights.shape("bottleneck.weight")[0],
        "in_channels": weights.shape(f"{SIGNATURE}conv.weight")[0],
        "upsampling_depth": weights.count(r"sm\.unet\.spp_dw\.(\d+)\."),
        "enc_kernel_size": (
            int(milliseconds) if milliseconds.is_integer() else milliseconds
        ),
        "enc_num_basis": bases,
        "attention": "published",
        "modulation": _modulation(weights),
    }
    # One block is used over and over: its weights do not tell how often.
    return told, {"num_blocks": 16, "sample_rate": sample_rate}


def _modulation(weights):
    """How the attention's map acts on the others, as the names tell."""
    if not any(key.startswith(MODULATION) for key in weights.left):
        return "sum"
    best = any(
        key.startswith(f"{MODULATION}global_emb") for key in weights.left
    )
    return "gate_shift" if best else "gate"
