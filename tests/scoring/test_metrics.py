"""Scores agree with mir_eval and are defined for silence."""

import mir_eval.separation
import numpy as np
import pytest
import torch

from speechbrain_spmamba.scoring.metrics import (
    CEILING,
    FLOOR,
    below_mixture,
    bss_eval,
    score,
    sdr,
    si_snr,
)


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


def _mir_eval(est, src):
    """SDR, SIR and SAR, ``[3, S]``."""
    return np.stack(
        mir_eval.separation.bss_eval_sources(
            src.T.double().numpy(), est.T.double().numpy(), False
        )[:3]
    )


def _three(est, src):
    """The same of ours."""
    found = bss_eval(est, src, together=True)
    return np.stack([found[name] for name in ("sdr", "sir", "sar")])


def test_sir_and_sar_are_those_of_mir_eval():
    # Not as coloured as above: there mir_eval itself is not as exact.
    src, noise = torch.randn(2, 9000, 3).double()
    src = src + 0.9 * src.roll(1, 0)
    est = src + 0.1 * src.roll(1, 1) + 0.3 * src.roll(700, 0) + 0.03 * noise
    for pick in (slice(2), slice(3)):
        found = _three(est[:, pick], src[:, pick])
        expected = _mir_eval(est[:, pick], src[:, pick])
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_sdr_of_quiet_float32_signals_is_that_of_mir_eval():
    est, src = (x.float() * 1e-3 for x in _speechlike())
    expected, *_ = mir_eval.separation.bss_eval_sources(
        src.T.double().numpy(), est.T.double().numpy(), False
    )
    np.testing.assert_allclose(sdr(est, src), expected, atol=1e-4)


EDGES = {
    "perfect": lambda est, src: (src, src),
    "scaled": lambda est, src: (3 * src, src),
    "scaled in float32": lambda est, src: ((3 * src.float()), src.float()),
    "upside down": lambda est, src: (-0.1 * src, src),
    "constant": lambda est, src: (torch.ones_like(src), src),
    "80 dB": lambda est, src: (src + 1e-4 * (est - src), src),
    "110 dB": lambda est, src: (src + 3e-6 * (est - src), src),
    "quiet": lambda est, src: (1e-6 * est, 1e-6 * src),
    "an offset": lambda est, src: (est + 0.3, src),
    "offsets": lambda est, src: (est + 0.3, src - 0.2),
    "another signal": lambda est, src: (src.flip(1), src),
    "no overlap": lambda est, src: (
        est * (torch.arange(len(est)) > 9000)[:, None],
        src * (torch.arange(len(est)) < 8000)[:, None],
    ),
}


@pytest.mark.parametrize("edge", EDGES)
def test_sdr_at_the_edges_is_that_of_mir_eval_within_its_limits(edge):
    est, src = EDGES[edge](*_speechlike())
    est, src = est[:, :1], src[:, :1]
    expected, *_ = mir_eval.separation.bss_eval_sources(
        src.T.double().numpy(), est.T.double().numpy(), False
    )
    expected = np.clip(expected, FLOOR, CEILING)
    np.testing.assert_allclose(sdr(est, src), expected, atol=1e-3)
    assert si_snr(est, src).isfinite().all()


def test_perfect_estimates_score_the_ceiling():
    _, src = _speechlike()
    for est in (src, 0.1 * src, -src, (7 * src.float()).double()):
        assert si_snr(est, src).tolist() == [CEILING, CEILING]
        assert sdr(est, src).tolist() == [CEILING, CEILING]


def test_an_estimate_that_only_has_an_offset_scores_the_floor():
    est, src = _speechlike()
    est[:, 0] = 0.1
    assert si_snr(est, src)[0] == FLOOR


def test_scores_do_not_depend_on_the_level_of_the_file():
    est, src = _speechlike()
    gains = torch.tensor([1.0, 1e-12])  # one of them beside another
    for metric in (si_snr, sdr):
        for gain in (1e-12, gains):
            torch.testing.assert_close(
                metric(gain * est, gain * src), metric(est, src)
            )


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


def test_a_source_without_sound_has_no_improvement_nor_has_one_alone():
    est, src = _speechlike()
    for offset in (0.0, 0.25):
        src[:, 1] = offset
        scores = score(src.sum(1), est, src)
        assert np.isnan([scores["si_snri"], scores["sdri"]]).all()
        assert np.isfinite([scores["si_snr"], scores["sdr"]]).all()


def test_a_mixture_that_is_its_source_but_for_rounding_has_no_improvement():
    est, src = (x[:, :1] for x in _speechlike())
    src = src / src.abs().max()
    rounded = (src * 2**15).round() / 2**15
    for mix in (src, rounded, 0.5 * src + 0.1):
        scores = score(mix[:, 0], est, src)
        assert np.isnan([scores["si_snri"], scores["sdri"]]).all()
    noisy = src + 0.01 * torch.randn_like(src)
    metrics = ["si_snr", "sdr"]
    found = score(noisy[:, 0], est, src, metrics)
    assert np.isfinite(list(found.values())).all()


def test_a_soft_source_beside_one_that_is_alone_keeps_its_improvement():
    est, src = _speechlike()
    src[:, 1] *= 1e-4
    est[:, 1] *= 1e-4
    mix = src.sum(1)
    expected = score(mix, est[:, 1:], src[:, 1:])["si_snri"]
    found = score(mix, est, src, metrics=["si_snr"])
    assert list(found) == ["si_snr", "si_snri"]
    assert found["si_snri"] == pytest.approx(expected)


def test_the_other_sources_of_the_mixture_keep_their_improvement():
    est, src = _speechlike()
    third = torch.randn(len(src), 1).double()
    mix = src.sum(1)
    expected = score(mix, est, src)
    silence = torch.zeros_like(third)
    for output in (silence, third):
        found = score(
            mix, torch.cat([est, output], 1), torch.cat([src, silence], 1)
        )
        assert found == pytest.approx(expected)


def test_silent_sources_are_scored_by_the_level_of_their_output():
    est, src = _speechlike()
    mix = src.sum(1)
    assert np.isnan(below_mixture(mix, est, src))
    src[:, 1] = 0
    for level, expected in (
        (1.0, 0),
        (0.01, 40),
        (10, -20),
        (1e-8, CEILING),
        (0, CEILING),
        (1e8, FLOOR),
    ):
        est[:, 1] = level * mix
        assert below_mixture(mix, est, src) == pytest.approx(expected)
    assert below_mixture(0 * mix, 0 * est, src) == CEILING


def test_a_silent_estimate_scores_the_floor():
    est, src = _speechlike()
    est[:, 0] = 0
    assert si_snr(est, src)[0] == FLOOR and sdr(est, src)[0] == FLOOR


TWO_EDGES = {
    "upside down": lambda est, src: (-0.1 * src, src),
    "80 dB": lambda est, src: (src + 1e-4 * (est - src), src),
    "quiet": lambda est, src: (1e-6 * est, 1e-6 * src),
    "one quiet": lambda est, src: (
        est * torch.tensor([1, 1e-4]),
        src * torch.tensor([1, 1e-4]),
    ),
    "offsets": lambda est, src: (est + 0.3, src - 0.2),
    "swapped": lambda est, src: (est.flip(1), src),
    "the mixture": lambda est, src: (
        src.sum(1, keepdim=True).expand_as(src),
        src,
    ),
    "float32": lambda est, src: (est.float(), src.float()),
}


@pytest.mark.parametrize("edge", TWO_EDGES)
def test_sir_and_sar_at_the_edges_are_those_of_mir_eval(edge):
    est, src = TWO_EDGES[edge](*_speechlike())
    expected = np.clip(_mir_eval(est, src), FLOOR, CEILING)
    np.testing.assert_allclose(_three(est, src), expected, atol=1e-3)


def test_all_ratios_of_perfect_estimates_are_the_ceiling():
    _, src = _speechlike()
    for est in (src, -3 * src, (7 * src.float()).double()):
        assert (_three(est, src) == CEILING).all()


def test_sir_of_one_source_is_undefined():
    est, src = _speechlike()
    expected = _mir_eval(est[:, :1], src[:, :1])
    found = _three(est[:, :1], src[:, :1])
    np.testing.assert_allclose(found[[0, 2]], expected[[0, 2]], atol=1e-6)
    assert np.isnan(found[1]).all()
    silent = src * torch.tensor([1.0, 0.0])
    assert np.isnan(_three(est, silent)[1]).all()
    np.testing.assert_allclose(_three(est, silent)[:, :1], found)


def test_a_silent_source_does_not_change_the_ratios_of_the_others():
    est, src = _speechlike()
    expected = _three(est, src)
    silence = torch.zeros_like(src[:, :1])
    found = _three(torch.cat([silence, est], 1), torch.cat([silence, src], 1))
    np.testing.assert_allclose(found[:, 1:], expected, atol=1e-9)
    assert np.isnan(found[:, 0]).all()


def test_a_silent_estimate_scores_the_floor_in_all():
    est, src = _speechlike()
    est[:, 0] = 0
    found = _three(est, src)
    assert found[0, 0] == FLOOR and np.isfinite(found[:, 1]).all()


def test_sources_that_are_the_same_have_a_score():
    est, src = _speechlike()
    src[:, 1] = src[:, 0]
    found = _three(est, src)
    assert np.isfinite(found).all() and (found[1] > 60).all()
