"""TDANet: its attention, as published and as the paper means, and scales."""

import pytest
import torch
import torch.nn.functional as F

from speechbrain_spmamba.models.tdanet import TDANet
from speechbrain_spmamba.nnet.global_attention import GlobalAttention
from speechbrain_spmamba.nnet.scales import average_pool, upsample_nearest
from speechbrain_spmamba.weights.convert import convert_state_dict
from tests.golden import load_case
from tests.small_models import build_small


def test_by_default_the_same_weights_attend_over_time():
    assert build_small("tdanet").block.attention.over_time
    config, weights, x, y = load_case("tdanet_odd")
    config["num_spks"] = config.pop("num_sources")
    model = TDANet(**config).eval()
    model.load_state_dict(convert_state_dict("tdanet", weights))
    with torch.no_grad():
        est, alone = model(x), model(x[:1])
    assert (est - y).norm() / y.norm() > 1e-2
    torch.testing.assert_close(est[:1], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("attention", ["time", "published"])
def test_which_positions_an_output_depends_on(attention):
    layer = GlobalAttention(16, attention).eval()
    x = torch.randn(1, 16, 6, requires_grad=True)
    layer(x)[0, :, 2].square().sum().backward()
    seen = x.grad[0].abs().amax(0) > 0
    only_itself = torch.arange(6) == 2
    assert seen.all() if attention == "time" else seen.equal(only_itself)


def test_the_attention_is_that_of_torch():
    layer, size = GlobalAttention(16).eval(), 16
    theirs = torch.nn.MultiheadAttention(size, 8, batch_first=True)
    theirs.in_proj_weight.data = layer.qkv.weight.data
    theirs.in_proj_bias.data = layer.qkv.bias.data
    theirs.out_proj.weight.data = layer.proj.weight.data
    theirs.out_proj.bias.data = layer.proj.bias.data
    x = torch.randn(2, size, 7)
    layer.input_norm = torch.nn.Identity()
    layer.output_norm = torch.nn.Identity()
    # With no norm before it, the table is all that is added to the input.
    layer_input = None

    def keep(_, inputs):
        nonlocal layer_input
        layer_input = inputs[0]

    layer.qkv.register_forward_pre_hook(keep)
    out = layer(x).transpose(1, 2)
    table = layer_input - x.transpose(1, 2)
    angle = torch.tensor(3 * 10000 ** (-4 / 16))
    torch.testing.assert_close(table[0, 3, 4], angle.sin())
    torch.testing.assert_close(table[1, 3, 5], angle.cos())
    expected = theirs(layer_input, layer_input, layer_input)[0]
    torch.testing.assert_close(out, 2 * expected)


def test_the_fixed_table_of_published_checkpoints_is_no_weight():
    weights = load_case("tdanet_odd")[1]
    weights["sm.unet.globalatt.attn.pos_enc.pe"] = torch.zeros(1, 10000, 48)
    assert convert_state_dict("tdanet", weights)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"attention": "batch"}, "one of: time, published"),
        ({"in_channels": 12}, "multiple of the 8 heads"),
        ({"upsampling_depth": 1}, "at least 2 scales"),
        ({"sample_rate": 11025}, "22 samples at 11025 Hz"),
    ],
)
def test_impossible_sizes_are_errors_that_say_why(wrong, message):
    with pytest.raises(ValueError, match=message):
        build_small("tdanet", **wrong)


def test_interpolation_rounds_as_torch_does_in_float32():
    # Long ones too: there, float32 and exact arithmetic differ.
    sizes = [(1, 1), (3, 5), (5, 3), (7, 13), (3751, 7501), (4690, 75025)]
    for old, new in sizes:
        x = torch.arange(old, dtype=torch.float32).expand(1, 1, -1)
        padded = F.pad(x, (0, 9), value=-1.0)
        counts = torch.tensor([old]), torch.tensor([new])
        out = upsample_nearest(padded, new + 4, *counts)
        expected = F.interpolate(x, size=new)
        assert out[..., :new].equal(expected)
        assert (out[..., new:] == 0).all()
        assert upsample_nearest(x, new).equal(expected)
        assert upsample_nearest(x.double(), new).equal(expected.double())


@pytest.mark.parametrize("halvings", [0, 1, 2, 4])
def test_pooling_windows_are_those_of_torch(halvings):
    for old in (1, 2, 9, 63, 64, 65, 1001):
        new = -(-old // 2**halvings)
        x = torch.randn(1, 2, old)
        out = average_pool(
            F.pad(x, (0, 7), value=9.0),
            new + 1,
            halvings,
            torch.tensor([old]),
            torch.tensor([new]),
        )
        torch.testing.assert_close(
            out[..., :new], F.adaptive_avg_pool1d(x, new)
        )
        assert (out[..., new:] == 0).all()


def test_a_modulation_that_is_not_known_is_an_error():
    with pytest.raises(ValueError, match="modulation is 'la', expected gate"):
        TDANet(modulation="la")
