"""Numbers of talkers: what a setting may be, and how often each is drawn."""

import json

import numpy as np
import pytest
from scipy.stats import chisquare

from speechbrain_spmamba.prepare.talker_counts import MOST, TalkerCounts


@pytest.mark.parametrize(
    "num_spks, weights",
    [
        (1, {1: 1}),
        (MOST, {MOST: 1}),
        ([0, 3], {0: 1, 1: 1, 2: 1, 3: 1}),
        ((2, 2), {2: 1}),
        ({3: 2, 0: 0.5}, {0: 0.5, 3: 2}),
        ({"1": 1, "2": 3}, {1: 1, 2: 3}),  # as JSON has it
    ],
)
def test_a_setting_says_the_numbers_and_their_weights(num_spks, weights):
    counts = TalkerCounts.of(num_spks)
    assert counts.weights == weights
    assert list(counts.weights) == sorted(weights)
    assert (counts.least, counts.most) == (min(weights), max(weights))
    again = json.loads(json.dumps(counts.weights))
    assert TalkerCounts.of(again) == counts


@pytest.mark.parametrize(
    "num_spks",
    [
        *(0, -1, MOST + 1, 1.0, 2.5, True, None, "2", "many"),
        *([3, 0], [0, 0], [-1, 2], [1], [1, 2, 3], [1.0, 2.0], ["1", "2"]),
        *({}, {0: 1}, {1: 0}, {1: -1}, {1: float("inf")}, {1: float("nan")}),
        *({-1: 1, 2: 1}, {"a": 1}, {1: "a"}, {MOST + 1: 1}, {1.5: 1}),
    ],
)
def test_what_is_no_setting_is_said_in_one_line(num_spks):
    with pytest.raises(ValueError, match="^num_spks is .*; expected") as told:
        TalkerCounts.of(num_spks)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("num_spks", [[0, 3], [1, 2], {0: 1, 1: 2, 4: 5}])
def test_each_number_is_drawn_as_often_as_its_weight(num_spks):
    counts, rng = TalkerCounts.of(num_spks), np.random.default_rng(0)
    drawn = [counts.draw(rng) for _ in range(2000)]
    assert {type(number) for number in drawn} == {int}
    assert set(drawn) == set(counts.weights)
    weights = np.array(list(counts.weights.values()))
    found = [drawn.count(number) for number in counts.weights]
    assert chisquare(found, 2000 * weights / weights.sum()).pvalue > 0.01


@pytest.mark.parametrize("num_spks", [2, [2, 2], {2: 7}])
def test_one_number_leaves_the_generator_as_it_is(num_spks):
    rng, twin = np.random.default_rng(0), np.random.default_rng(0)
    assert TalkerCounts.of(num_spks).draw(rng) == 2
    assert rng.random() == twin.random()
