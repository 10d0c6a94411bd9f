"""Conversations taken apart, of tones whose scores are known on paper."""

import math

import numpy as np
import pytest
import torch

from speechbrain_spmamba.scoring.intervals import describe
from speechbrain_spmamba.scoring.over_time import (
    describe_over_time,
    over_time_lines,
    score_over_time,
)
from speechbrain_spmamba.scoring.who_speaks import Speech

RATE, SIZE, FRAMES = 8000, 256, 50
# Nobody, the first, both, the second: 50 frames of 32 ms each.
TURNS = [(0, 0), (1, 0), (1, 1), (0, 1)]


def tone(number):
    """Of full periods in a stretch: orthogonal to those of other numbers."""
    time = torch.arange(FRAMES * SIZE, dtype=torch.float64)
    return torch.sin(2 * math.pi * number * time / len(time))


def conversation():
    """Mixture, estimates, sources and who speaks."""
    first, second, error = tone(100), tone(130), tone(170)
    nothing = torch.zeros_like(first)
    src = [
        torch.cat([first * one for one, _ in TURNS]),
        torch.cat([second * two for _, two in TURNS]),
    ]
    est = [
        torch.cat([
            error,  # where nobody talks, nothing is scored
            first + 0.1 * error,  # 20 dB
            first + 10**-0.75 * second,  # 15 dB
            0.1 * second,  # 20 dB below the mixture
        ]),
        torch.cat([
            nothing,
            0.01 * first,  # 40 dB below the mixture
            second + 10**-0.25 * first,  # 5 dB
            second + 0.01 * error,  # 40 dB
        ]),
    ]  # fmt: skip
    src, est = torch.stack(src, 1).float(), torch.stack(est, 1).float()
    true = np.repeat(np.array(TURNS, bool), FRAMES, 0)
    found = true.copy()
    found[:10, 1] = True  # false alarms, where nobody talks
    return src.sum(1), est, src, Speech(found, true, 2, SIZE)


def test_scores_by_how_many_talk_at_once():
    found = score_over_time(*conversation(), RATE)
    assert found["si_snr"] == pytest.approx([30, 10], abs=1e-3)
    # Alone in the mixture there is nothing to improve; of two as loud as each
    # other the mixture has 0 dB.
    assert math.isnan(found["si_snri"][0])
    assert found["si_snri"][1] == pytest.approx(10, abs=1e-3)


def test_what_is_let_through_while_the_talker_is_silent():
    found = score_over_time(*conversation(), RATE)
    assert found["pauses"] == pytest.approx(30, abs=1e-3)


def test_who_never_talks_has_no_pauses():
    mix, est, src, speech = conversation()
    mix, src = mix - src[:, 1], src * torch.tensor([1.0, 0.0])
    true = speech.true & [True, False]
    speech = Speech(speech.found, true, 2, SIZE)
    assert math.isnan(score_over_time(mix, est, src, speech, RATE)["pauses"])


def test_numbers_at_once_are_counted_in_frames():
    found = score_over_time(*conversation(), RATE)
    assert found["frames"].tolist() == [[40, 10, 0], [0, 100, 0], [0, 0, 50]]


def test_what_lies_behind_the_last_frame_is_not_scored():
    mix, est, src, speech = conversation()
    whole = score_over_time(mix, est, src, speech, RATE)
    rest = torch.ones(SIZE - 1)
    mix, pair = torch.cat([mix, rest]), rest.unsqueeze(1).expand(-1, 2)
    est, src = torch.cat([est, -pair]), torch.cat([src, pair])
    longer = score_over_time(mix, est, src, speech, RATE)
    assert repr(longer) == repr(whole)


def test_less_than_half_a_second_is_no_score():
    mix, est, src, speech = conversation()
    speech.true[: 4 * FRAMES] = False
    speech.true[50:65, 0] = True  # 0.48 s
    found = score_over_time(mix, est, src, speech, RATE)
    assert all(map(math.isnan, found["si_snr"]))
    speech.true[50:66, 0] = True  # 0.51 s
    found = score_over_time(mix, est, src, speech, RATE)
    assert not math.isnan(found["si_snr"][0])


def test_a_test_set_is_described_by_the_number_at_once():
    one = score_over_time(*conversation(), RATE)
    other = {
        "frames": np.array([[0, 0, 0], [0, 50, 50], [0, 0, 0]]),
        "si_snr": [10.0, math.nan],
        "si_snri": [4.0, math.nan],
        "pauses": math.nan,
    }
    summary = describe_over_time([one, other], [["a", "b"], ["c"]])
    at_once = summary["at_once"]
    assert [at_once[n]["share"] for n in "012"] == [1 / 6, 2 / 3, 1 / 6]
    assert [at_once[n]["number_right"] for n in "012"] == [0.8, 0.75, 1]
    assert at_once["0"]["si_snr"]["mean"] is None
    assert at_once["1"]["si_snr"]["mean"] == pytest.approx(20, abs=1e-3)
    assert at_once["1"]["si_snri"]["mean"] == 4
    assert at_once["2"]["si_snri"]["items"] == 1
    assert at_once["1"]["si_snr"]["talkers"] == 3
    assert summary["number_right"] == 0.8
    assert summary["pauses"]["items"] == 1
    assert summary["frames"] == [[40, 10, 0], [0, 150, 50], [0, 0, 50]]


def test_numbers_that_do_not_occur_are_left_out():
    one = score_over_time(*conversation(), RATE)
    one["frames"][2] = 0
    assert list(describe_over_time([one], [[]])["at_once"]) == ["0", "1"]


def test_conversations_alone_have_lines():
    over_time = describe_over_time(
        [score_over_time(*conversation(), RATE)], [[]]
    )
    summary = {"over_time": over_time, "frames_wrong": describe([0.05, 0.05])}
    assert over_time_lines(summary | {"longest": 11.9}) == []
    lines = over_time_lines(summary | {"longest": 12.0})
    assert [line.split() for line in lines[2:5]] == [
        ["0", "25.0", "-", "-", "80.0"],
        ["1", "50.0", "30.00", "-", "100.0"],
        ["2", "25.0", "10.00", "10.00", "100.0"],
    ]
    assert lines[5].startswith("  activity wrong in 5.0 % of the frames")
    assert "another talks: 30.00 dB below the mixture" in lines[6]
