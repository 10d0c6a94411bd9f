"""Intervals hold the mean as often as they say, over new talkers too."""

from itertools import combinations

import numpy as np
import pytest

from speechbrain_spmamba.scoring.intervals import describe


def test_the_interval_holds_the_mean_nineteen_times_in_twenty():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(100):
        low, high = describe(list(rng.normal(3.0, 2.0, 60)), draws=400)[
            "interval"
        ]
        held += low < 3.0 < high
    assert 88 <= held <= 100


def test_the_interval_is_the_same_whenever_it_is_asked_for():
    values = [0.0, 1.0] * 50
    found = describe(values)
    assert found == describe(values)
    assert found["interval"] == pytest.approx([0.4, 0.6], abs=0.015)


def test_undefined_scores_are_left_out():
    found = describe([1.0, float("nan"), 3.0])
    assert found["mean"] == 2.0
    found = describe([float("nan")])
    assert found.pop("items") == 0 and set(found.values()) == {None}


def test_over_talkers_it_is_as_wide_as_talkers_differ():
    # Two talkers of six are easy: many mixtures of theirs prove nothing.
    rng = np.random.default_rng(2)
    held = known = 0
    for _ in range(60):
        ease = rng.normal(0, 3.0, 8)
        pairs = list(combinations(range(8), 2)) * 4
        gains = [ease[a] + ease[b] + rng.normal() for a, b in pairs]
        names = [[str(a), str(b)] for a, b in pairs]
        low, high = describe(gains, draws=200)["interval"]
        known += low < 0 < high
        low, high = describe(gains, names, draws=200)["interval"]
        held += low < 0 < high
    assert known < 35 and held > 48


def test_without_three_known_talkers_it_is_over_mixtures():
    values = [1.0, 2.0, 3.0]
    plain = describe(values)
    assert describe(values, [["a", "b"]] * 3) == plain
    assert describe(values, [["a", "b"], ["c", "d"], []]) == plain
    assert describe(values, [["a", "b"], ["c", "d"], ["a", "d"]]) != plain
