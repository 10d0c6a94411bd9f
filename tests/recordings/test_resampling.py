"""Blocks resample as the whole does, and as the toolkit does."""

import numpy as np
import pytest
import torch
from speechbrain.augment.time_domain import Resample

from speechbrain_spmamba.recordings.resampling import TABLE_ROWS, resample
from tests.separating import noise

RATES = [(8000, 16000), (44100, 16000), (16000, 44100), (192000, 8000)]


def _whole(wave, old, new):
    return np.concatenate(list(resample([wave], old, new)))


@pytest.mark.parametrize("old, new", RATES)
def test_it_is_the_resampler_of_the_toolkit(old, new):
    wave = noise(5000, 2)
    expected = Resample(old, new)(torch.tensor(wave)[None])[0].numpy()
    found = _whole(wave, old, new)
    assert found.shape == expected.shape == (-(-5000 * new // old), 2)
    np.testing.assert_allclose(found, expected, atol=5e-6)


@pytest.mark.parametrize("old, new", [*RATES, (8001, 16000), (44101, 8000)])
@pytest.mark.parametrize("size", [1, 37, 1000])
def test_blocks_of_any_size_give_what_the_whole_gives(old, new, size):
    wave = noise(300 if size == 1 else 3000, 1)
    blocks = [wave[i : i + size] for i in range(0, len(wave), size)]
    found = np.concatenate(list(resample(blocks, old, new)))
    np.testing.assert_allclose(found, _whole(wave, old, new), atol=1e-6)


def test_rates_without_a_common_factor_need_no_table():
    assert 44101 > TABLE_ROWS
    time = np.arange(8000) / 8000
    tone = np.sin(2 * np.pi * 440 * time)[:, None].astype("float32")
    found = _whole(tone, 8000, 44101)[1000:-1000, 0]
    time = np.arange(1000, 44101 - 1000) / 44101
    np.testing.assert_allclose(found, np.sin(2 * np.pi * 440 * time), atol=2e-3)


def test_what_the_lower_rate_cannot_hold_is_gone():
    time = np.arange(16000) / 16000
    tone = np.sin(2 * np.pi * 6000 * time)[:, None].astype("float32")
    assert np.abs(_whole(tone, 16000, 8000)[100:-100]).max() < 0.02


def test_equal_rates_change_nothing():
    wave = noise(100, 1)
    assert list(resample([wave], 8000, 8000))[0] is wave


def test_no_input_gives_no_output():
    assert list(resample([], 8000, 16000)) == []
