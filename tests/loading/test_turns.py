"""Turns of talkers in fresh mixtures: shares, lengths, edges."""

import numpy as np
import pytest

from speechbrain_spmamba.loading.turns import FADE, draw_turns

RATE = 1000


def _runs(gains):
    """Seconds of every whole turn and every whole pause."""
    edges = np.flatnonzero(np.diff((gains > 0).astype(int)))
    seconds = np.diff(edges) / RATE
    first_is_turn = gains[edges[0]] == 0
    turns, pauses = seconds[::2], seconds[1::2]
    return (turns, pauses) if first_is_turn else (pauses, turns)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_turns_have_their_share_of_the_time(share):
    rng = np.random.default_rng(0)
    gains = draw_turns(2_000 * RATE, RATE, (1.0, 3.0), share, rng)
    assert abs((gains > 0).mean() - share) < 0.03


def test_turns_and_pauses_are_as_long_as_the_law_says():
    rng = np.random.default_rng(1)
    turns, pauses = _runs(draw_turns(500 * RATE, RATE, (1.0, 3.0), 0.25, rng))
    assert 0.99 <= turns.min() < 1.3 and 2.7 < turns.max() <= 3.01
    assert 2.99 <= pauses.min() < 3.9 and 8.1 < pauses.max() <= 9.01


@pytest.mark.parametrize("share", [0.3, 0.8])
def test_a_short_mixture_is_any_stretch_of_a_long_one(share):
    rng = np.random.default_rng(2)
    draws = [
        draw_turns(RATE // 2, RATE, (1.0, 3.0), share, rng) for _ in range(2000)
    ]
    begins, ends = (np.mean([d[i] > 0 for d in draws]) for i in (20, -20))
    assert abs(begins - share) < 0.05 and abs(ends - share) < 0.05


def test_a_turn_fades_in_and_out():
    rng = np.random.default_rng(3)
    gains = draw_turns(100 * RATE, RATE, (1.0, 2.0), 0.5, rng)
    assert np.abs(np.diff(gains)).max() <= 1.01 / (FADE * RATE)
    assert gains.min() == 0 and gains.max() == 1


def test_all_of_the_time_is_one_turn():
    rng = np.random.default_rng(4)
    assert (draw_turns(50, RATE, (1.0, 2.0), 1.0, rng) == 1).all()
