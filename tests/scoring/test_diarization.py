"""Diarization errors of activity whose answer is known on paper."""

import numpy as np
import pytest

from speechbrain_spmamba.scoring.diarization import (
    DiarizationErrors,
    diarization_lines,
    segments,
)
from speechbrain_spmamba.scoring.who_speaks import Speech

pytest.importorskip("pyannote.metrics")
RATE, SIZE = 8000, 256
FRAME = SIZE / RATE


def talk(*turns, frames=400):
    """Turns (talker, first frame, one behind the last) as frames."""
    active = np.zeros((frames, 1 + max(turn[0] for turn in turns)), bool)
    for talker, start, end in turns:
        active[start:end, talker] = True
    return active


def errors_of(*pairs):
    """By (collar, overlap) of items (true, found)."""
    errors = DiarizationErrors(RATE)
    for true, found in pairs:
        errors.add(Speech(found, true, found.any(0).sum(), SIZE))
    return {(one["collar"], one["overlap"]): one for one in errors.finish()}


TURNS = [(0, 0, 100), (1, 100, 200), (0, 200, 300), (1, 300, 400)]


def test_what_is_right_has_no_error_whatever_the_outputs_are_called():
    true = talk(*TURNS)
    for one in errors_of((true, true[:, ::-1])).values():
        assert one["error"] == 0


def test_a_swap_halfway_takes_half_of_the_speech_for_another_s():
    swapped = talk((0, 0, 100), (1, 100, 200), (1, 200, 300), (0, 300, 400))
    one = errors_of((talk(*TURNS), swapped))[0, True]
    assert one["confusion"] == one["error"] == pytest.approx(0.5)
    assert one["missed"] == one["false_alarm"] == 0
    assert one["speech"] == pytest.approx(400 * FRAME)


def test_a_swap_late_costs_what_is_behind_it():
    swapped = talk((0, 0, 100), (1, 100, 200), (0, 200, 300), (0, 300, 400))
    one = errors_of((talk(*TURNS), swapped))[0, True]
    assert one["error"] == one["confusion"] == pytest.approx(0.25)


def test_overlap_counts_once_for_each_talker_or_not_at_all():
    true, found = talk((0, 0, 100), (1, 60, 100)), talk((0, 0, 100))
    found_errors = errors_of((true, found))
    assert found_errors[0, True]["missed"] == pytest.approx(40 / 140)
    assert found_errors[0, False]["error"] == 0
    assert found_errors[0, False]["speech"] == pytest.approx(60 * FRAME)


def test_boundaries_within_the_collar_are_forgiven():
    true = talk((0, 100, 200))
    late = errors_of((true, talk((0, 103, 203))))  # 96 ms
    assert late[0, True]["missed"] == pytest.approx(0.03)
    assert late[0, True]["false_alarm"] == pytest.approx(0.03)
    assert late[0.25, True]["error"] == pytest.approx(0)
    # 160 ms, of which 125 ms are forgiven on each side.
    later = errors_of((true, talk((0, 105, 205))))[0.25, True]
    assert later["missed"] == pytest.approx(0.035 / (100 * FRAME - 0.25))


def test_errors_are_added_up_before_they_are_divided():
    short, long = talk((0, 0, 100)), talk((0, 0, 300))
    one = errors_of((short, talk((0, 0, 50))), (long, long))[0, True]
    assert one["error"] == pytest.approx(50 / 400)


def test_noise_taken_for_speech_is_a_false_alarm_up_to_the_end():
    one = errors_of((talk((0, 0, 100)), talk((0, 0, 100), (1, 380, 400))))
    assert one[0, True]["false_alarm"] == pytest.approx(0.2)


def test_without_speech_there_is_no_rate():
    nobody = np.zeros((100, 2), bool)
    for one in errors_of((nobody, ~nobody)).values():
        assert one["error"] is one["missed"] is None and one["speech"] == 0
    assert "-" in diarization_lines([one])[1].split()


def test_errors_are_printed_with_their_parts():
    swapped = talk((0, 0, 100), (1, 100, 200), (1, 200, 300), (0, 300, 400))
    found = errors_of((talk(*TURNS), swapped))
    lines = diarization_lines(list(found.values()))
    assert lines[1].split() == ["0", "yes", "50.0", "0.0", "0.0", "50.0"]
    assert [line.split()[:2] for line in lines[2:]] == [
        ["0", "no"],
        ["0.25", "yes"],
        ["0.25", "no"],
    ]
    assert diarization_lines(None) == []


def test_runs_of_frames_are_segments():
    for text, runs in (
        ("", []),
        ("000", []),
        ("111", [(0, 3)]),
        ("0110100", [(1, 3), (4, 5)]),
        ("1001", [(0, 1), (3, 4)]),
    ):
        assert segments(np.array([c == "1" for c in text], bool)) == runs
