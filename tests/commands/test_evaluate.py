"""``spmamba evaluate`` scores what a user of ``spmamba separate`` gets."""

import pytest
import torch

from speechbrain_spmamba.commands.evaluate import _separate, _with_silence
from speechbrain_spmamba.inference import WaveformSeparation

RATE, WINDOW = 8000, 80_000


@pytest.fixture
def model(small_model):
    return WaveformSeparation(
        modules={"separator": small_model().eval()},
        hparams={"sample_rate": RATE, "num_spks": 2},
        run_opts={"device": "cpu"},
    )


def test_up_to_a_window_a_mixture_is_separated_at_once(model):
    mix = 0.1 * torch.randn(1, WINDOW)
    est = _separate(model, mix, whole=False)
    assert torch.equal(est, model.separate_batch(mix))


def test_a_longer_one_is_separated_as_recordings_are(model):
    mix = 0.1 * torch.randn(1, WINDOW + 1)
    at_once = model.separate_batch(mix)
    in_windows = model.separate_array(mix[0], RATE).unsqueeze(0)
    assert not torch.allclose(at_once, in_windows, atol=1e-5)
    assert torch.equal(_separate(model, mix, whole=False), in_windows)
    assert torch.equal(_separate(model, mix, whole=True), at_once)


def test_all_microphones_of_a_long_mixture_are_heard(small_model):
    model = WaveformSeparation(
        modules={"separator": small_model(num_mics=2).eval()},
        hparams={"sample_rate": RATE, "num_spks": 2},
        run_opts={"device": "cpu"},
    )
    mix = 0.1 * torch.randn(1, WINDOW + 1, 2)
    est = _separate(model, mix, whole=False)
    assert torch.equal(est, model.separate_batch(mix))


def test_a_test_set_may_have_fewer_sources_than_the_model_outputs():
    src = torch.randn(1, 100, 2)
    padded = _with_silence(src, 3, "test.csv")
    assert torch.equal(padded[..., :2], src) and not padded[..., 2].any()
    assert torch.equal(_with_silence(src, 2, "test.csv"), src)
    with pytest.raises(ValueError, match="has 2 sources a mixture, the model"):
        _with_silence(src, 1, "test.csv")
