"""Published weights load as a whole or not at all."""

import pytest
import torch

from speechbrain_spmamba.convert import convert_state_dict
from tests.golden import load_case


@pytest.fixture
def published():
    return load_case("spmamba_odd")[1]


def test_every_weight_arrives_once(published):
    converted = convert_state_dict("spmamba", published)
    assert sum(w.numel() for w in converted.values()) == sum(
        w.numel() for w in published.values()
    )
    total = sum(w.double().sum() for w in published.values())
    torch.testing.assert_close(
        sum(w.double().sum() for w in converted.values()), total
    )


@pytest.mark.parametrize(
    "key",
    [
        "conv.1.bias",
        "blocks.0.intra_linear.weight",
        "blocks.1.inter_mamba.backward_blocks.0.mixer.A_log",
        "blocks.0.attn_conv_V_1.2.gamma",
        "blocks.1.attn_concat_proj.1.weight",
        "deconv.bias",
    ],
)
def test_a_missing_key_is_named(published, key):
    del published[key]
    with pytest.raises(ValueError, match=f"lacks '{key}'"):
        convert_state_dict("spmamba", published)


@pytest.mark.parametrize("key", ["extra", "blocks.0.attn_conv_V_2.0.weight"])
def test_an_unknown_key_is_named(published, key):
    published[key] = torch.zeros(1)
    with pytest.raises(ValueError, match=f"1 unknown keys, e.g. '{key}'"):
        convert_state_dict("spmamba", published)


def test_other_models_are_refused():
    with pytest.raises(ValueError, match="known: spmamba"):
        convert_state_dict("resnet", {})
