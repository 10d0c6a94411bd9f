"""Every system of Table 1, through the public functions alone."""

import pytest
import torch

from speechbrain_spmamba.models import MODELS, build_model
from speechbrain_spmamba.weights.convert import convert_state_dict
from tests.golden import load_case

# Published arguments -> ours; what is not named here keeps its name.
_GRID = {
    "n_srcs": "num_spks",
    "stride": "hop_length",
    "n_layers": "num_blocks",
    "attn_n_head": "num_heads",
    "attn_approx_qk_dim": "attn_qk_dim",
    "lstm_hidden_units": "lstm_hidden",
}
ARGUMENTS = {
    "spmamba": _GRID,
    "tf_gridnet": _GRID,
    "bsrnn": {
        "win": "n_fft",
        "stride": "hop_length",
        "num_output": "num_spks",
    },
    "tdanet": {"num_sources": "num_spks"},
    "afrcnn": {"num_sources": "num_spks"},
    "sudormrf": {"num_sources": "num_spks"},
    "conv_tasnet": {},
    "dprnn": {},
}
# A key of each published form, which a checkpoint may not lack.
KEYS = {
    "spmamba": "conv.0.bias",
    "tf_gridnet": "conv.0.bias",
    "bsrnn": "mask.3.5.weight",
    "tdanet": "sm.unet.spp_dw.2.conv.bias",
    "afrcnn": "sm.blocks.fuse_layers.2.0.norm.beta",
    "sudormrf": "sm.1.spp_dw.2.norm.beta",
    "conv_tasnet": "TCN.TCN.3.reg1.bias",
    "dprnn": "separation.dual_rnn.1.inter_norm.bias",
}
PARAMETERS = {
    "spmamba": 6_141_826,
    "tf_gridnet": 14_470_546,
    "bsrnn": 25_972_620,
    "tdanet": 2_331_751,
    "afrcnn": 6_134_793,
    "sudormrf": 2_720_417,
    "conv_tasnet": 5_050_545,
    "dprnn": 2_608_001,
}
# Published sizes of other code bases, for 1, 2 and 3 sources.
_CONV_TASNET = {"variant": "asteroid"}
_DPRNN = {"variant": "asteroid", "feature_dim": 128}
_SUDORMRF = {"upsampling_depth": 4}
_SONICSIM = {"bidirectional": False, "n_filters": 512, "num_blocks": 4}
VARIANTS = [
    ("conv_tasnet", _CONV_TASNET, [4_984_497, 5_050_545, 5_116_593]),
    (
        "conv_tasnet",
        {**_CONV_TASNET, "kernel_size": 32},
        [5_000_881, 5_066_929, 5_132_977],
    ),
    ("conv_tasnet", {"variant": "sonicsim"}, [None, 3_475_121, None]),
    (
        "conv_tasnet",
        {"variant": "sonicsim", "kernel_size": 32},
        [None, 3_491_505, None],
    ),
    ("dprnn", _DPRNN, [3_634_561, 3_651_073, 3_667_585]),
    (
        "dprnn",
        {**_DPRNN, "kernel_size": 16},
        [3_636_353, 3_652_865, 3_669_377],
    ),
    ("dprnn", {**_SONICSIM, "kernel_size": 4}, [None, 948_993, None]),
    *(
        ("tdanet", {"modulation": kind, "enc_kernel_size": window}, [None, n])
        for kind, window, n in [
            ("gate", 4, 2_345_799),
            ("gate_shift", 2, 2_339_431),
            ("gate_shift", 4, 2_353_479),
            ("sum", 2, 2_316_391),
            ("sum", 4, 2_330_439),
        ]
    ),
    (
        "sudormrf",
        {"variant": "asteroid", **_SUDORMRF},
        [2_564_753, 2_630_801, 2_696_849],
    ),
    (
        "sudormrf",
        {"variant": "asteroid", **_SUDORMRF, "enc_kernel_size": 41},
        [2_585_233, 2_651_281, 2_717_329],
    ),
    (
        "sudormrf",
        {"variant": "first", **_SUDORMRF},
        [2_583_682, 2_584_196, 2_584_710],
    ),
    (
        "sudormrf",
        {"variant": "first", **_SUDORMRF, "enc_kernel_size": 41},
        [2_604_162, 2_604_676, 2_605_190],
    ),
]


def test_all_systems_of_the_table_are_there():
    assert list(MODELS) == list(PARAMETERS)


@pytest.mark.parametrize("name", MODELS)
def test_the_default_has_the_published_number_of_parameters(name):
    with torch.device("meta"):  # shapes without weights
        model = build_model(name)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name, arguments, parameters", VARIANTS)
def test_variants_have_the_published_number_of_parameters(
    name, arguments, parameters
):
    for num_spks, expected in enumerate(parameters, 1):
        with torch.device("meta"):
            model = build_model(name, num_spks=num_spks, **arguments)
        found = sum(p.numel() for p in model.parameters())
        assert expected in (found, None)


@pytest.mark.parametrize("name", MODELS)
def test_converted_weights_compute_what_the_published_network_computes(name):
    config, weights, x, y = load_case(f"{name}_odd")
    names = ARGUMENTS[name]
    config = {names.get(key, key): value for key, value in config.items()}
    config.pop("input_dim", None)  # which the published code does not read
    if name == "tdanet":
        config["attention"] = "published"
    model = build_model(name, **config).eval()
    model.load_state_dict(convert_state_dict(name, weights))
    with torch.no_grad():
        est = model(x)
    assert est.shape == y.shape
    assert (est - y).abs().max() / y.abs().max() < 1e-5


@pytest.mark.parametrize("name", MODELS)
def test_a_weight_too_many_is_named(name):
    weights = load_case(f"{name}_odd")[1]
    weights["of.another.model"] = torch.zeros(1)
    with pytest.raises(ValueError, match="unknown keys.*of.another.model"):
        convert_state_dict(name, weights)


@pytest.mark.parametrize("name", MODELS)
def test_a_missing_weight_is_named(name):
    weights = load_case(f"{name}_odd")[1]
    del weights[KEYS[name]]
    with pytest.raises(ValueError, match=f"lacks '{KEYS[name]}'"):
        convert_state_dict(name, weights)
