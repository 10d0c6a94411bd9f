"""Scores agree with mir_eval and are defined for silence."""

import mir_eval.separation
import numpy as np
import pytest
import torch

from speechbrain_spmamba.metrics import FLOOR, score, sdr, si_snr


def _speechlike(samples=16000):
    """Two modulated, coloured signals and noisy estimates of them."""
    rng = np.random.default_rng(0)
    src = rng.standard_normal((samples, 2)).cumsum(0)
    src -= np.convolve(src[:, 0], np.ones(50) / 50, "same")[:, None] * 0.9
    src *= 0.05 * (1 + np.sin(np.arange(samples) / 900)[:, None])
    est = src + 0.1 * src[:, ::-1] + 0.01 * rng.standard_normal(src.shape)
    return torch.from_numpy(est), torch.from_numpy(src)


def test_sdr_is_that_of_mir_eval():
    est, src = _speechlike()
    expected, *_ = mir_eval.separation.bss_eval_sources(
        src.T.numpy(), est.T.numpy(), compute_permutation=False
    )
    np.testing.assert_allclose(sdr(est, src), expected, atol=1e-4)


def test_sdr_of_quiet_float32_signals_is_that_of_mir_eval():
    est, src = (x.float() * 1e-3 for x in _speechlike())
    expected, *_ = mir_eval.separation.bss_eval_sources(
        src.T.double().numpy(), est.T.double().numpy(), False
    )
    np.testing.assert_allclose(sdr(est, src), expected, atol=1e-4)


def test_si_snr_follows_its_definition():
    est, src = _speechlike()
    e, s = (x[:, 0] - x[:, 0].mean() for x in (est, src))
    target = (e @ s) / (s @ s) * s
    expected = 10 * torch.log10(
        target.square().sum() / (e - target).square().sum()
    )
    assert si_snr(est, src)[0].item() == pytest.approx(
        expected.item(), abs=1e-6
    )


def test_si_snr_ignores_scale_and_offset():
    est, src = _speechlike()
    torch.testing.assert_close(si_snr(3 * est + 1, src), si_snr(est, src))


def test_improvement_is_over_the_mixture():
    est, src = _speechlike()
    mix = src.sum(1)
    scores = score(mix, est, src)
    mixes = torch.stack([mix, mix], 1)
    gain = (si_snr(est, src) - si_snr(mixes, src)).mean().item()
    assert scores["si_snri"] == pytest.approx(gain)
    gain = (sdr(est, src) - sdr(mixes, src)).mean().item()
    assert scores["sdri"] == pytest.approx(gain)
    assert score(mix, mixes, src)["si_snri"] == pytest.approx(0, abs=1e-9)


def test_a_silent_source_is_left_out():
    est, src = _speechlike()
    src[:, 1] = 0
    assert si_snr(est, src).isnan().tolist() == [False, True]
    assert sdr(est, src).isnan().tolist() == [False, True]
    assert np.isfinite(score(src.sum(1) + 0.1 * est[:, 1], est, src)["sdr"])


def test_a_silent_estimate_scores_the_floor():
    est, src = _speechlike()
    est[:, 0] = 0
    assert si_snr(est, src)[0] == FLOOR and sdr(est, src)[0] == FLOOR
