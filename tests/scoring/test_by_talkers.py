"""Scores by the number of talkers, of rows whose figures are known."""

import pytest

from speechbrain_spmamba.scoring.by_talkers import (
    by_talkers,
    count_matrix,
    describe_rows,
    talker_lines,
)

NAN = float("nan")


def row(true, found, si_snr=NAN, si_snri=NAN, silence=NAN, wrong=0.0, who=""):
    return {
        "num_talkers": true,
        "found_talkers": found,
        "si_snr": si_snr,
        "si_snri": si_snri,
        "sdr": si_snr,
        "sdri": si_snri,
        "silence": silence,
        "frames_wrong": wrong,
        "talkers": who,
    }


ROWS = [
    row(2, 2, 10.0, 9.0, wrong=0.1, who="a b"),
    row(0, 1, silence=20.0, wrong=0.5),
    row(1, 1, 30.0, 2.0, silence=40.0, who="a"),
    row(2, 1, 6.0, 5.0, wrong=0.3, who="b c"),
]


def whole(rows, outputs):
    """As much of a summary as the lines are made of."""
    true, found = (
        [row[name] for row in rows] for name in ("num_talkers", "found_talkers")
    )
    matrix = count_matrix(true, found, outputs).tolist()
    groups = {"by_talkers": by_talkers(rows), "count_matrix": matrix}
    return describe_rows(rows) | groups


def test_each_number_of_talkers_has_its_means():
    groups = by_talkers(ROWS)
    assert list(groups) == ["0", "1", "2"]
    assert [one["mixtures"] for one in groups.values()] == [1, 1, 2]
    assert groups["2"]["si_snri"]["mean"] == 7
    assert groups["2"]["si_snri"]["talkers"] == 3
    assert groups["2"]["number_right"]["mean"] == 0.5
    assert groups["2"]["frames_wrong"]["mean"] == pytest.approx(0.2)
    assert groups["2"]["silence"]["mean"] is None
    assert groups["1"]["si_snr"]["mean"] == 30
    assert groups["0"]["silence"]["mean"] == 20
    assert groups["0"]["si_snr"] == groups["0"]["sdri"]
    assert groups["0"]["si_snr"]["items"] == 0


def test_ten_talkers_stand_behind_nine():
    groups = by_talkers([row(10, 10), row(9, 9), row(2, 2)])
    assert list(groups) == ["2", "9", "10"]


def test_a_row_of_the_matrix_is_a_true_number_and_a_column_a_found_one():
    matrix = count_matrix([0, 0, 1, 2, 2, 2], [0, 1, 1, 1, 1, 2], 2)
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 0], [0, 2, 1]]


def test_a_table_and_a_matrix_where_the_numbers_differ():
    right, *lines = talker_lines(whole(ROWS, 2))
    assert right.startswith("  number of talkers right in 50.0 % of the mix")
    assert [line.split() for line in lines[1:4]] == [
        # One alone is passed through, not improved: no SI-SNRi and SDRi.
        ["0", "1", "-", "-", "-", "20.00", "50.0", "0.0"],
        ["1", "1", "30.00", "-", "-", "40.00", "0.0", "100.0"],
        ["2", "2", "8.00", "7.00", "7.00", "-", "20.0", "50.0"],
    ]
    assert [line.split() for line in lines[5:]] == [
        ["0", "0", "1", "0"],
        ["1", "0", "1", "0"],
        ["2", "0", "1", "1"],
    ]
    assert all(len(line) < 100 for line in lines)


def test_one_alone_is_told_of_where_there_are_more_outputs():
    rows = [each for each in ROWS if each["num_talkers"] == 1]
    right, _, one, _, counts = talker_lines(whole(rows, 2))
    assert "right in 100.0 %" in right
    assert one.split()[:4] == ["1", "1", "30.00", "-"]
    assert counts.split() == ["1", "0", "1", "0"]


def test_nothing_new_where_every_output_has_its_talker():
    rows = [each for each in ROWS if each["num_talkers"] == 2]
    assert talker_lines(whole(rows, 2)) == []
