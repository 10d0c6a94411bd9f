"""TDANet: the published network, what the paper means, and every input."""

import pytest
import torch
import torch.nn.functional as F

from speechbrain_spmamba.models.tdanet import TDANet
from speechbrain_spmamba.nnet.global_attention import GlobalAttention
from speechbrain_spmamba.nnet.scales import shrink, stretch
from speechbrain_spmamba.published.source import Source
from speechbrain_spmamba.published.tdanet import convert
from tests.golden import load_case


def _small(**overrides):
    size = {
        "out_channels": 8,
        "in_channels": 16,
        "num_blocks": 3,
        "upsampling_depth": 4,
    }
    return TDANet(**{**size, **overrides}).eval()


def _published(attention):
    config, weights, x, y = load_case("tdanet_odd")
    config["num_spks"] = config.pop("num_sources")
    model = TDANet(**config, attention=attention).eval()
    source = Source("tdanet", weights)
    model.load_state_dict(convert(source))
    source.check_empty()
    return model, x, y


def test_the_default_has_the_published_number_of_parameters():
    model = TDANet()
    assert sum(p.numel() for p in model.parameters()) == 2_331_751


def test_it_computes_what_the_published_network_computes_for_each_item():
    model, x, y = _published("published")
    with torch.no_grad():
        est = model(x)
    assert est.shape == y.shape
    assert (est - y).abs().max() / y.abs().max() < 1e-5


def test_by_default_the_same_weights_attend_over_time():
    assert TDANet(num_blocks=1).block.attention.over_time
    model, x, y = _published("time")
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


@pytest.mark.parametrize("key", ["ln.beta", "sm.unet.spp_dw.2.conv.bias"])
def test_a_missing_key_is_named(key):
    weights = load_case("tdanet_odd")[1]
    del weights[key]
    with pytest.raises(ValueError, match=f"lacks '{key}'"):
        convert(Source("tdanet", weights))


def test_the_fixed_table_of_published_checkpoints_is_no_weight():
    weights = load_case("tdanet_odd")[1]
    weights["sm.unet.globalatt.attn.pos_enc.pe"] = torch.zeros(1, 10000, 48)
    source = Source("tdanet", weights)
    convert(source)
    source.check_empty()


@pytest.mark.parametrize("attention", ["time", "published"])
@pytest.mark.parametrize("samples", [900, 351, 40, 1])
def test_padding_does_not_change_the_output(attention, samples):
    model = _small(attention=attention).double()
    short = torch.randn(1, samples, dtype=torch.float64)
    batch = torch.randn(3, 1000, dtype=torch.float64)
    batch[1, :samples] = short
    lengths = torch.tensor([1.0, samples / 1000, 0.9], dtype=torch.float64)
    with torch.no_grad():
        est, alone = model(batch, lengths), model(short)
        torch.testing.assert_close(est[:1], model(batch[:1]))
    torch.testing.assert_close(est[1:2, :samples], alone)
    assert (est[1, samples:] == 0).all()


def test_padding_does_not_change_the_gradient():
    model = _small().double()
    short = torch.randn(1, 300, dtype=torch.float64)
    padded = torch.cat([short, torch.randn(1, 200).double()], 1)
    gradients = []
    for mix, lengths in ((short, None), (padded, torch.tensor([0.6]))):
        model.zero_grad()
        model(mix, lengths)[:, :300].square().sum().backward()
        grads = [p.grad for p in model.parameters() if p.requires_grad]
        gradients.append([grad.clone() for grad in grads])
    for alone, in_batch in zip(*gradients, strict=True):
        torch.testing.assert_close(in_batch, alone, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("num_spks", [1, 2, 5])
@pytest.mark.parametrize("attention", ["time", "published"])
def test_any_number_of_sources_and_every_used_weight_learns(
    num_spks, attention
):
    model = _small(num_spks=num_spks, attention=attention)
    mix = torch.randn(2, 1001)
    model.train()(mix, torch.tensor([1.0, 0.5]))  # dropout and its masks
    est = model.eval()(mix)
    assert est.shape == (2, 1001, num_spks)
    est.square().sum().backward()
    for name, weight in model.named_parameters():
        unused = name.startswith("block.modulate.3.")
        assert weight.requires_grad == (not unused), name
        assert unused or weight.grad.abs().max() > 0, name


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize("samples", [1, 7, 24, 32, 33])
def test_short_recordings_keep_their_length(samples, depth):
    est = _small(upsampling_depth=depth)(torch.randn(1, samples))
    assert est.shape == (1, samples, 2)
    assert torch.isfinite(est).all()


def test_silence_in_gives_exact_silence_out():
    mix = torch.randn(2, 800)
    mix[0] = 0
    model = _small()
    est = model(mix)
    assert (est[0] == 0).all() and est[1].abs().max() > 0
    est.square().sum().backward()
    grads = [p.grad for p in model.parameters() if p.grad is not None]
    assert all(torch.isfinite(grad).all() for grad in grads)


def test_the_output_is_float32_under_autocast():
    model, mix = _small(), torch.randn(2, 800)
    for lengths in (None, torch.tensor([1.0, 0.6])):
        with torch.no_grad():
            full = model(mix, lengths)
            with torch.autocast("cpu", torch.bfloat16):
                low = model(mix, lengths)
        assert low.dtype == torch.float32
        assert (low - full).norm() / full.norm() < 0.1


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
        _small(**wrong)


def test_interpolation_rounds_as_torch_does_in_float32():
    # Long ones too: there, float32 and exact arithmetic differ.
    sizes = [(1, 1), (3, 5), (5, 3), (7, 13), (3751, 7501), (4690, 75025)]
    for old, new in sizes:
        x = torch.arange(old, dtype=torch.float32).expand(1, 1, -1)
        padded = F.pad(x, (0, 9), value=-1.0)
        counts = torch.tensor([old]), torch.tensor([new])
        out = stretch(padded, new + 4, *counts)
        expected = F.interpolate(x, size=new)
        assert out[..., :new].equal(expected)
        assert (out[..., new:] == 0).all()
        assert stretch(x, new).equal(expected)
        assert stretch(x.double(), new).equal(expected.double())


@pytest.mark.parametrize("halvings", [0, 1, 2, 4])
def test_pooling_windows_are_those_of_torch(halvings):
    for old in (1, 2, 9, 63, 64, 65, 1001):
        new = -(-old // 2**halvings)
        x = torch.randn(1, 2, old)
        out = shrink(
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
