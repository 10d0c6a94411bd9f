"""Small sizes of all models, a forward pass of which takes milliseconds."""

from speechbrain_spmamba.models import build_model, systems

SMALL = {
    "spmamba": {
        "n_fft": 64,
        "hop_length": 32,
        "num_blocks": 2,
        "emb_dim": 4,
        "emb_ks": 4,
        "emb_hs": 1,
        "d_state": 4,
        "expand": 2,
        "num_heads": 2,
        "attn_qk_dim": 64,
        "sample_rate": 8000,
    },
    "tf_gridnet": {
        "n_fft": 64,
        "hop_length": 32,
        "num_blocks": 2,
        "lstm_hidden": 6,
        "emb_dim": 4,
        "emb_ks": 4,
        "num_heads": 2,
        "attn_qk_dim": 64,
    },
    "bsrnn": {
        "n_fft": 32,
        "hop_length": 8,
        "feature_dim": 4,
        "num_repeat": 2,
    },
    "tdanet": {
        "out_channels": 8,
        "in_channels": 16,
        "num_blocks": 3,
        "upsampling_depth": 4,
    },
    "afrcnn": {
        "out_channels": 4,
        "in_channels": 8,
        "num_blocks": 2,
        "upsampling_depth": 3,
        "enc_num_basis": 8,
    },
    "sudormrf": {
        "out_channels": 4,
        "in_channels": 8,
        "num_blocks": 2,
        "upsampling_depth": 3,
        "enc_num_basis": 8,
    },
    "conv_tasnet": {
        "n_filters": 8,
        "bottleneck": 4,
        "hidden": 8,
        "n_layers": 3,
        "n_stacks": 2,
    },
    "dprnn": {
        "n_filters": 8,
        "feature_dim": 6,
        "hidden": 5,
        "num_blocks": 2,
        "chunk_size": 25,
    },
    "sepformer": {
        "n_filters": 8,
        "num_blocks": 2,
        "num_layers": 1,
        "num_heads": 2,
        "ffn_dim": 8,
        "chunk_size": 10,
    },
    "resepformer": {
        "n_filters": 8,
        "num_blocks": 2,
        "num_layers": 1,
        "num_heads": 2,
        "ffn_dim": 8,
        "segment_size": 10,
    },
    "skim": {
        "n_filters": 8,
        "num_blocks": 2,
        "hidden": 5,
        "segment_size": 10,
    },
}
SYSTEMS = list(systems.SYSTEMS)
# Networks of other code bases under the same name: system, what differs.
VARIANTS = {
    "conv_tasnet asteroid": {
        "variant": "asteroid",
        "mask_act": "relu",
        "skip_channels": 3,
    },
    "conv_tasnet sonicsim": {"variant": "sonicsim", "mask_act": "relu"},
    "dprnn asteroid": {"variant": "asteroid", "mask_act": "sigmoid"},
    "dprnn one way": {"bidirectional": False},
    "skim causal": {"causal": True},
    "spmamba causal": {"causal": True, "lookahead": 1, "attn_context": 5},
    "tf_gridnet causal": {"causal": True, "attn_context": 5},
    "sudormrf asteroid": {"variant": "asteroid"},
    "sudormrf first": {"variant": "first"},
    "sudormrf standardized": {"normalize": True},
    "tdanet best": {"modulation": "gate_shift"},
    "tdanet original": {"modulation": "sum", "normalize": True},
}


def build_small(name, **overrides):
    """A model of a few thousand weights, in evaluation mode."""
    variant, name = VARIANTS.get(name, {}), name.split()[0]
    # A new system is tried in the small size of its row.
    small = SMALL.get(name, systems.SYSTEMS[name].smoke)
    return build_model(name, **{**small, **variant, **overrides}).eval()
