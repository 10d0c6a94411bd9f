"""BSRNN: its bands, and estimates that add up."""

import pytest
import torch

from speechbrain_spmamba.models.bsrnn import band_widths
from tests.small_models import build_small


@pytest.mark.parametrize("n_fft", [640, 512, 400, 64, 8])
@pytest.mark.parametrize("sample_rate", [8000, 16000, 44100])
def test_bands_cover_the_spectrum_once(n_fft, sample_rate):
    widths = band_widths(n_fft // 2 + 1, sample_rate)
    assert sum(widths) == n_fft // 2 + 1 and min(widths) > 0


@pytest.mark.parametrize("num_spks", [2, 5])
def test_the_estimates_add_up_to_the_mixture(num_spks):
    model, mix = build_small("bsrnn", num_spks=num_spks), torch.randn(2, 401)
    est = model(mix)
    torch.testing.assert_close(est.sum(-1), mix, rtol=1e-4, atol=1e-5)
