"""Losses: their values, their permutation, and what they do not look at."""

import math
from itertools import permutations

import pytest
import torch
from speechbrain.nnet.losses import (
    get_si_snr_with_pitwrapper,
    get_snr_with_pitwrapper,
)

from speechbrain_spmamba.scoring.loss import (
    best_permutation,
    pairwise_neg_si_snr,
    pairwise_neg_snr,
    pit,
    reorder,
)

PAIRWISE = [pairwise_neg_snr, pairwise_neg_si_snr]


def _signals(num_spks=2, batch=3, noise=0.3):
    src = torch.randn(batch, 2000, num_spks, dtype=torch.float64)
    return src + noise * torch.randn_like(src), src


def test_snr_is_signal_over_error():
    est, src = _signals()
    loss = pairwise_neg_snr(est, src)
    s, e = src[1, :, 0], est[1, :, 1]
    expected = -10 * math.log10(s.square().sum() / (e - s).square().sum())
    assert loss[1, 1, 0].item() == pytest.approx(expected, abs=1e-6)


def test_losses_agree_with_the_toolkit():
    est, src = _signals()
    toolkit = get_si_snr_with_pitwrapper(src.clone(), est.clone())
    ours, _ = pit(pairwise_neg_si_snr, est, src)
    torch.testing.assert_close(ours, toolkit, atol=1e-4, rtol=0)

    def zero_mean(est, src, lengths):
        return pairwise_neg_snr(est, src, lengths, zero_mean=True)

    toolkit = get_snr_with_pitwrapper(src.clone(), est.clone())
    ours, _ = pit(zero_mean, est, src)
    torch.testing.assert_close(ours, toolkit, atol=1e-4, rtol=0)


def test_an_offset_counts_unless_the_mean_is_taken_off():
    est, src = _signals(noise=0.01)
    assert pairwise_neg_snr(est + 1, src)[0, 0, 0] > -1
    shifted = pairwise_neg_snr(est + 1, src, zero_mean=True)
    torch.testing.assert_close(
        shifted, pairwise_neg_snr(est, src, zero_mean=True)
    )


@pytest.mark.parametrize("pairwise", PAIRWISE)
def test_padding_is_never_scored(pairwise):
    est, src = _signals()
    alone = pairwise(est[1:2, :900], src[1:2, :900])
    est[1, 900:] = 100.0
    src[1, 900:] = -7.0
    both = pairwise(est, src, torch.tensor([1.0, 0.45, 0.3]))
    torch.testing.assert_close(both[1:2], alone)


@pytest.mark.parametrize("pairwise", PAIRWISE)
@pytest.mark.parametrize("num_spks", [1, 2, 3, 4, 6])
def test_the_best_assignment_is_found(pairwise, num_spks):
    est, src = _signals(num_spks)
    order = torch.stack([torch.randperm(num_spks) for _ in range(3)])
    shuffled = reorder(est, order)
    loss, found = pit(pairwise, shuffled, src)
    torch.testing.assert_close(reorder(shuffled, found), est)
    straight = pairwise(est, src).diagonal(dim1=1, dim2=2).mean(1)
    torch.testing.assert_close(loss, straight)


@pytest.mark.parametrize("num_spks", [2, 3, 4, 5])
def test_no_assignment_is_better(num_spks):
    losses = torch.randn(4, num_spks, num_spks)
    found = best_permutation(losses)
    for item, order in zip(losses, found, strict=True):
        best = min(
            sum(item[p[j], j].item() for j in range(num_spks))
            for p in permutations(range(num_spks))
        )
        reached = sum(item[order[j], j].item() for j in range(num_spks))
        assert reached == pytest.approx(best, abs=1e-5)


@pytest.mark.parametrize("pairwise", PAIRWISE)
@pytest.mark.parametrize("what", ["source", "estimate", "both"])
def test_silence_gives_finite_losses_and_gradients(pairwise, what):
    est, src = (x.float() for x in _signals())
    if what != "estimate":
        src[:, :, 0] = 0
    if what != "source":
        est[:, :, 0] = 0
    est.requires_grad_()
    loss, _ = pit(pairwise, est, src)
    loss.sum().backward()
    assert torch.isfinite(loss).all() and torch.isfinite(est.grad).all()


@pytest.mark.parametrize("num_spks", [2, 4])
def test_a_nan_stays_in_its_item(num_spks):
    est, src = _signals(num_spks)
    est[1, 7, 0] = float("nan")
    loss, order = pit(pairwise_neg_snr, est, src)
    assert loss.isnan().tolist() == [False, True, False]
    assert order[1].tolist() == list(range(num_spks))  # as it came


@pytest.mark.parametrize(
    "pairwise, what, expected",
    [
        # A silent source teaches its estimate silence: the louder, the worse.
        (pairwise_neg_snr, "source", 10 * math.log10(2000 / 1e-8 + 1)),
        (pairwise_neg_snr, "estimate", 0),
        (pairwise_neg_snr, "both", 0),
        # Scaled to fit, silence is as wrong as any estimate can be.
        (pairwise_neg_si_snr, "source", 80),
        (pairwise_neg_si_snr, "estimate", 80),
        (pairwise_neg_si_snr, "both", 80),
    ],
)
def test_silence_has_a_known_loss(pairwise, what, expected):
    sound = torch.tensor([1.0, -1.0]).repeat(1000)[None, :, None].double()
    est = sound if what == "source" else 0 * sound
    src = sound if what == "estimate" else 0 * sound
    assert pairwise(est, src).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("pairwise", PAIRWISE)
def test_a_perfect_estimate_has_a_finite_loss(pairwise):
    sound = torch.tensor([1.0, -1.0]).repeat(1000)[None, :, None].double()
    expected = -10 * math.log10(2000 / 1e-8)
    assert pairwise(sound, sound).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("pairwise", PAIRWISE)
def test_half_precision_is_scored_in_float32(pairwise):
    est, src = (x.half() for x in _signals())
    loss = pairwise(est, src)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, pairwise(est.float(), src.float()))


def test_gradients_flow_to_the_estimates():
    est, src = _signals()
    est.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda e: pit(pairwise_neg_si_snr, e, src[:, :20])[0], [est[:, :20]]
    )


def test_shapes_that_differ_are_named():
    with pytest.raises(ValueError, match=r"\[1, 5, 2\].*\[1, 5, 3\]"):
        pairwise_neg_snr(torch.zeros(1, 5, 2), torch.zeros(1, 5, 3))
