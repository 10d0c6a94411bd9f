"""BSRNN: the published network, for every input a user may have."""

import pytest
import torch

from speechbrain_spmamba.models.bsrnn import BSRNN, band_widths
from speechbrain_spmamba.published.bsrnn import convert
from speechbrain_spmamba.published.source import Source
from tests.golden import load_case


def _small(**overrides):
    size = {"n_fft": 64, "hop_length": 16, "feature_dim": 4, "num_repeat": 2}
    return BSRNN(**{**size, **overrides})


@pytest.mark.parametrize("key", ["BN.0.0.bias", "mask.3.5.weight"])
def test_a_missing_key_is_named(key):
    weights = load_case("bsrnn_odd")[1]
    del weights[key]
    with pytest.raises(ValueError, match=f"lacks '{key}'"):
        convert(Source("bsrnn", weights))


@pytest.mark.parametrize("n_fft", [640, 512, 400, 64, 8])
@pytest.mark.parametrize("sample_rate", [8000, 16000, 44100])
def test_bands_cover_the_spectrum_once(n_fft, sample_rate):
    widths = band_widths(n_fft // 2 + 1, sample_rate)
    assert sum(widths) == n_fft // 2 + 1 and min(widths) > 0


@pytest.mark.parametrize("samples", [900, 33, 32, 1])
def test_padding_does_not_change_the_output(samples):
    model = _small().double()
    short = torch.randn(1, samples, dtype=torch.float64)
    batch = torch.randn(2, 1000, dtype=torch.float64)
    batch[1, :samples] = short
    lengths = torch.tensor([1.0, samples / 1000], dtype=torch.float64)
    with torch.no_grad():
        est, alone = model(batch, lengths), model(short)
        torch.testing.assert_close(est[:1], model(batch[:1]))
    torch.testing.assert_close(est[1:, :samples], alone)
    assert (est[1, samples:] == 0).all()


def test_padding_does_not_change_the_gradient():
    model = _small().double()
    short = torch.randn(1, 300, dtype=torch.float64)
    padded = torch.cat([short, torch.randn(1, 200).double()], 1)
    gradients = []
    for mix, lengths in ((short, None), (padded, torch.tensor([0.6]))):
        model.zero_grad()
        model(mix, lengths)[:, :300].square().sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    for alone, in_batch in zip(*gradients, strict=True):
        torch.testing.assert_close(in_batch, alone, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("num_spks", [1, 2, 5])
def test_any_number_of_sources_and_every_weight_learns(num_spks):
    model = _small(num_spks=num_spks)
    mix = torch.randn(2, 401)
    est = model(mix)
    assert est.shape == (2, 401, num_spks)
    if num_spks > 1:
        torch.testing.assert_close(est.sum(-1), mix, rtol=1e-4, atol=1e-5)
    est.pow(4).sum().backward()
    assert all(p.grad.abs().max() > 0 for p in model.parameters())


@pytest.mark.parametrize("samples", [1, 5, 32, 33, 64, 65])
def test_short_recordings_keep_their_length(samples):
    est = _small()(torch.randn(1, samples))
    assert est.shape == (1, samples, 2)
    assert torch.isfinite(est).all()


def test_silence_in_gives_exact_silence_out():
    mix = torch.randn(2, 300)
    mix[0] = 0
    model = _small()
    est = model(mix)
    assert (est[0] == 0).all() and est[1].abs().max() > 0
    est.square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_the_output_is_float32_under_autocast():
    model, mix = _small(), torch.randn(2, 300)
    lengths = torch.tensor([1.0, 0.6])
    with torch.no_grad():
        full = model(mix, lengths)
        with torch.autocast("cpu", torch.bfloat16):
            low = model(mix, lengths)
    assert low.dtype == torch.float32
    assert (low - full).norm() / full.norm() < 0.05
