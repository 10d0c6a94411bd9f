"""Recordings through a causal model: at once, resampled, block by block."""

import numpy as np
import pytest
import torch

from speechbrain_spmamba.audio import resample
from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.recordings.live import is_causal, separate_live
from speechbrain_spmamba.recordings.options import SeparationOptions
from tests.separating import noise
from tests.small_models import build_small


@pytest.fixture
def model():
    separator = build_small("spmamba causal")
    return WaveformSeparation(
        modules={"separator": separator},
        hparams={"sample_rate": 8000, "num_spks": 2},
        run_opts={"device": "cpu"},
    )


def whole(model, wave):
    """What the network gives of all at once."""
    with torch.no_grad():
        return model.mods.separator(torch.from_numpy(wave)[None])[0].numpy()


def test_a_long_recording_has_no_windows(model):
    """In windows of 10 s, what comes after them would begin anew."""
    wave = noise(25 * 8000)
    est = model.separate_array(wave, 8000, window=10)
    assert np.abs(est - whole(model, wave)).max() < 1e-5


def test_blocks_give_what_the_whole_gives(model):
    wave = noise(5000)
    blocks = np.split(wave, [1, 40, 41, 2000, 4999])
    est = np.concatenate(list(model.separate_stream(blocks, 8000)))
    assert np.abs(est - whole(model, wave)).max() < 1e-5


def test_what_is_complete_comes_before_more_is_read(model):
    separator, read, given = model.mods.separator, 0, 0

    def blocks():
        nonlocal read
        for block in np.split(noise(3200), 100):
            assert read - given < separator.latency_samples
            read += len(block)
            yield block

    for block in separate_live(separator, blocks(), 8000, SeparationOptions()):
        given += len(block)
    assert given == read == 3200


@pytest.mark.parametrize("keep_rate", [True, False])
def test_other_rates_are_resampled_there_and_back(model, keep_rate):
    wave = noise(16000)
    est = model.separate_array(wave, 16000, keep_rate=keep_rate)
    expected = whole(model, resample(wave, 16000, 8000))
    if keep_rate:
        expected = resample(expected, 8000, 16000)
    assert est.shape == expected.shape
    assert np.abs(est - expected).max() < 1e-4


def test_outputs_can_sum_to_the_mixture(model):
    wave = noise(16000)
    est = model.separate_array(wave, 16000, mixture_consistent=True)
    assert np.abs(est.sum(1) - wave).max() < 1e-5


def test_a_model_that_diverges_is_named(model):
    with torch.no_grad():
        model.mods.separator.output_conv.bias.fill_(torch.nan)
    with pytest.raises(ValueError, match="the model gave NaN or infinite"):
        model.separate_array(noise(800), 8000)


def test_networks_of_others_are_not_taken_for_causal():
    assert not is_causal(torch.nn.Linear(1, 1))
    assert not is_causal(build_small("spmamba"))
    assert not is_causal(build_small("skim causal"))  # it has no stream
