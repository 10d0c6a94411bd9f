"""Differences are those of the items that both have."""

import math

import pytest

from speechbrain_spmamba.scoring.paired import (
    all_differences,
    difference_lines,
    paired_difference,
)


def _rows(values, talkers="x y"):
    return [
        {"ID": item, "talkers": talkers, "sdr": value, "stoi": value / 100}
        for item, value in values.items()
    ]


def test_differences_are_taken_item_by_item():
    one = _rows({"a": 3.0, "b": 1.0, "c": math.nan, "d": 9.0})
    other = _rows({"b": 2.0, "a": 1.0, "c": 1.0, "e": 0.0})
    found, table = all_differences(one, other)
    assert [row["ID"] for row in table] == ["a", "b", "c"]
    assert [row["sdr"] for row in table[:2]] == [2.0, -1.0]
    assert math.isnan(table[2]["sdr"])
    assert found["sdr"]["mean"] == 0.5 and found["sdr"]["items"] == 2
    assert found["sdr"]["better"] == 0.5
    assert list(found) == ["sdr", "stoi"]
    lines = difference_lines(found)
    assert "+0.50" in lines[1] and "50.0" in lines[1]
    assert "+0.005" in lines[2]


def test_what_only_one_has_is_no_difference():
    one = [{**row, "sdri": 1.0} for row in _rows({"a": 3.0})]
    assert list(all_differences(one, _rows({"a": 3.0}))[0]) == ["sdr", "stoi"]


def test_what_is_undefined_has_no_difference_and_no_line():
    found, _ = all_differences(_rows({"a": math.nan}), _rows({"a": 1.0}))
    assert found["sdr"]["better"] is None and found["sdr"]["mean"] is None
    assert len(difference_lines(found)) == 1


def test_equal_ones_are_not_better():
    scores = {"a": {"sdr": 1.0}, "b": {"sdr": 2.0}}
    assert paired_difference(scores, scores, "sdr")["better"] == 0
    assert paired_difference(scores, scores, "sdr")["mean"] == pytest.approx(0)
