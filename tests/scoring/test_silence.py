"""Losses of estimates of which some should be silent."""

import math
from functools import partial

import pytest
import torch

from speechbrain_spmamba.scoring.loss import (
    pairwise_neg_si_snr,
    pairwise_neg_snr,
    pit,
    reorder,
)
from speechbrain_spmamba.scoring.silence import (
    pairwise_neg_si_snr_or_level,
    pairwise_neg_snr_or_level,
)


def _signals(num_spks=2, batch=3, noise=0.3):
    src = torch.randn(batch, 2000, num_spks, dtype=torch.float64)
    return src + noise * torch.randn_like(src), src


def _validation_loss(est, src, mix, lengths=None):
    return pit(
        partial(pairwise_neg_si_snr_or_level, mix=mix), est, src, lengths
    )


@pytest.mark.parametrize("num_spks", [1, 2, 4])
def test_where_no_source_is_silent_validation_is_si_snr(num_spks):
    est, src = (x.float() for x in _signals(num_spks))
    lengths = torch.tensor([1.0, 0.45, 0.3])
    expected, order = pit(pairwise_neg_si_snr, est, src, lengths)
    loss, found = _validation_loss(est, src, src.sum(-1), lengths)
    torch.testing.assert_close(loss.float(), expected, atol=1e-4, rtol=0)
    assert torch.equal(found, order)


def test_validation_falls_with_the_level_of_an_empty_output():
    est, src = (x.float() for x in _signals(batch=1))
    mix = src.sum(-1)
    src[..., 1] = 0
    losses = []
    for level in (0, 1e-6, 1e-3, 0.1, 1, 10, 100, 1e6, 1e30):
        heard = torch.stack([est[..., 0], level * est[..., 1]], -1)
        loss, order = _validation_loss(heard, src, mix)
        losses.append(loss.item())
        assert order.tolist() == [[0, 1]]
    assert losses == sorted(losses) and math.isfinite(losses[-1])
    assert len(set(losses[1:-2])) == len(losses[1:-2])
    # One source of two: it moves the mean by no more than half its range.
    assert losses[-1] - losses[0] == pytest.approx(30, abs=1e-3)


def test_the_level_is_relative_to_the_mixture():
    est, src = _signals(num_spks=1, batch=1)
    for gain in (1e-4, 1.0, 1e4):
        loss = pairwise_neg_si_snr_or_level(
            0.1 * gain * est, 0 * src, mix=gain * est[..., 0]
        )
        # 20 dB below, and 0.4 dB of the lower limit.
        assert loss.item() == pytest.approx(-19.586, abs=0.001)


def test_the_level_is_that_of_each_output_within_the_item():
    est = torch.tensor([0.3, 0.05, -0.01]).expand(2, 100, 3).clone()
    src = torch.randn(2, 100, 3)
    src[0, :, 1] = src[1, :, 2] = 0
    mix = torch.randn(2, 100, 2)
    mix[1] *= 3
    for signal in (est, src, mix):  # behind the end of the second item
        signal[1, 50:] = torch.randn(50, 1)
    loss = pairwise_neg_si_snr_or_level(
        est, src, torch.tensor([1.0, 0.5]), mix=mix
    )
    for item, size, column in ((0, 100, 1), (1, 50, 2)):
        energy = est[item, :size].square().sum(0)  # an offset is heard
        whole = mix[item, :size, 0].square().sum()  # first microphone
        level = (energy + 1e-3 * whole) / (whole + 1e-3 * energy)
        torch.testing.assert_close(
            loss[item, :, column].float(), 10 * torch.log10(level)
        )


@pytest.mark.parametrize("num_spks", [2, 4])
def test_the_silent_output_belongs_to_the_silent_source(num_spks):
    est, src = _signals(num_spks)
    mix = src.sum(-1)
    lengths = torch.tensor([1.0, 0.45, 0.3])
    est[1, 900:] = 100.0  # padding is heard by nobody
    src[..., -1] = 0
    for level in (0.0, 1e-3):
        heard = torch.cat([est[..., :-1], level * est[..., -1:]], -1)
        shuffle = torch.stack([torch.randperm(num_spks) for _ in range(3)])
        loss, order = _validation_loss(
            reorder(heard, shuffle), src, mix, lengths
        )
        back = reorder(reorder(heard, shuffle), order)
        torch.testing.assert_close(back, heard)
        assert (loss < 0).all()


def test_silence_in_a_silent_mixture_is_right_and_sound_is_wrong():
    silence, sound = torch.zeros(1, 100, 1), torch.randn(1, 100, 1)
    right, _ = _validation_loss(silence, silence, silence[..., 0])
    wrong, _ = _validation_loss(sound, silence, silence[..., 0])
    assert (right.item(), wrong.item()) == pytest.approx((-30, 30))


def _training_loss(est, src, mix, lengths=None):
    return pit(partial(pairwise_neg_snr_or_level, mix=mix), est, src, lengths)


def test_training_is_snr_where_no_source_is_silent_and_none_is_perfect():
    est, src = _signals(3)
    lengths = torch.tensor([1.0, 0.45, 0.3])
    expected, order = pit(pairwise_neg_snr, est, src, lengths)
    loss, found = _training_loss(est, src, src.sum(-1), lengths)
    assert torch.equal(found, order)
    # At 10 dB, a threshold of 30 dB is worth 1 % of the error.
    torch.testing.assert_close(loss, expected, atol=0.05, rtol=0)


def test_what_is_better_than_the_thresholds_is_as_good():
    src = torch.randn(1, 1000, 2)
    mix = src.sum(-1)
    src[..., 1] = 0
    losses = []
    for error in (0.0, 1e-4, 1e-3, 1e-2, 0.1, 1.0):
        est = src + error * torch.randn_like(src)
        losses.append(_training_loss(est, src, mix)[0].item())
    assert losses == sorted(losses)
    assert losses[0] == pytest.approx(-25)  # -30 and -20
    assert losses[1] == pytest.approx(-25, abs=0.01)


@pytest.mark.parametrize("silent", [0, 1, 2, 3])
@pytest.mark.parametrize("quiet", ["source", "estimate", "mixture", "all"])
def test_training_on_silence_has_finite_gradients(silent, quiet):
    est, src = (x.float() for x in _signals(3))
    src[..., :silent] = 0
    mix = src.sum(-1)
    if quiet in ("estimate", "all"):
        est[..., 0] = 0
    if quiet in ("mixture", "all"):
        mix = torch.zeros_like(mix)
    if quiet == "all":
        est, src = torch.zeros_like(est), torch.zeros_like(src)
    est.requires_grad_()
    loss, _ = _training_loss(est, src, mix)
    loss.sum().backward()
    assert loss.isfinite().all() and est.grad.isfinite().all()
    assert (loss.abs() <= 50).all()


def _shares_of_gradient(pairwise, level):
    """Norms of what each output gets: two talkers at 10 dB, one silent."""
    est, src = (x.float() for x in _signals(3, batch=1))
    mix = src.sum(-1)
    src[..., 2] = 0
    est[..., 2] = level * mix
    est.requires_grad_()
    loss, order = pit(partial(pairwise, **{"mix": mix}), est, src)
    assert order.tolist() == [[0, 1, 2]]
    loss.sum().backward()
    return est.grad.norm(dim=1)[0], loss.item()


@pytest.mark.parametrize("level", [1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-5])
def test_a_silent_source_does_not_rule_the_batch(level):
    def plain(est, src, lengths=None, *, mix):
        return pairwise_neg_snr(est, src, lengths)

    gradient, loss = _shares_of_gradient(pairwise_neg_snr_or_level, level)
    assert abs(loss) < 30
    # An output at the threshold gets most, ten times what a talker at 10 dB
    # does; without one it would be thousands.
    assert gradient[2] < 20 * gradient[:2].max()
    if level <= 1e-4:
        plain_gradient, _ = _shares_of_gradient(plain, level)
        assert gradient[2] < gradient[:2].min()
        assert plain_gradient[2] > 100 * plain_gradient[:2].max()


@pytest.mark.parametrize("num_spks", [2, 3, 5])
def test_assignment_is_over_active_and_silent_outputs_together(num_spks):
    est, src = _signals(num_spks)
    mix = src.sum(-1)
    src[0, :, 1:] = 0
    src[1, :, 0] = 0
    est = torch.where(src.abs().amax(1, keepdim=True) > 0, est, 1e-3 * est)
    shuffle = torch.stack([torch.randperm(num_spks) for _ in range(3)])
    loss, order = _training_loss(reorder(est, shuffle), src, mix)
    back = reorder(reorder(est, shuffle), order)
    active = src.abs().amax(1) > 0
    for item in range(3):
        torch.testing.assert_close(
            back[item, :, active[item]], est[item, :, active[item]]
        )
    assert (loss < 0).all()


def test_what_training_asks_for_is_relative_to_the_mixture():
    est, src = _signals(2)
    mix = src.sum(-1)
    src[..., 1] = 0
    loud, _ = _training_loss(est, src, mix)
    soft, _ = _training_loss(1e-3 * est, 1e-3 * src, 1e-3 * mix)
    torch.testing.assert_close(loud, soft)


def test_padding_is_never_scored_in_training():
    est, src = _signals(2)
    src[..., 1] = 0
    mix, lengths = src.sum(-1), torch.tensor([1.0, 0.5, 0.25])
    expected, _ = _training_loss(est, src, mix, lengths)
    for signal in (est, src, mix):
        signal[1, 1000:] = signal[2, 500:] = 7.0
    loss, _ = _training_loss(est, src, mix, lengths)
    torch.testing.assert_close(loss, expected)
