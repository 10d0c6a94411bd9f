"""An output in which no one speaks is told from a talker."""

import numpy as np
import pytest
import torch

from speechbrain_spmamba.activity import ActivityMeter, activity, most_active
from tests.separating import noise, talker

RATE = 8000


@pytest.fixture(scope="module")
def voice():
    return talker(0, 8)


def _speaks(*outputs):
    return [a.speaks for a in activity(np.stack(outputs, 1), RATE)]


@pytest.mark.parametrize("gain", [1.0, 0.01, 3.0])
def test_two_talkers_speak_at_any_level(voice, gain):
    other = talker(1, 8)
    assert _speaks(gain * voice, 0.3 * gain * other) == [True, True]


@pytest.mark.parametrize(
    "other",
    [
        lambda voice: np.zeros_like(voice),
        lambda voice: noise(len(voice), level=0.03),
        lambda voice: 0.1 * voice,
        lambda voice: -0.3 * voice + noise(len(voice), level=1e-3),
        lambda voice: 0.1 * np.sin(np.arange(len(voice)) * 0.1),
    ],
    ids=["silence", "noise", "leak", "noisy leak", "hum"],
)
def test_what_is_no_talker_does_not_speak(voice, other):
    assert _speaks(voice, other(voice).astype("float32")) == [True, False]


def test_of_two_equal_outputs_one_speaks(voice):
    assert _speaks(voice, voice) == [True, False]


def test_a_click_in_a_long_recording_is_no_talker():
    long = np.tile(talker(0, 20), 12)  # 4 minutes
    other = np.zeros_like(long)
    other[90000:91000] = long[1000:2000]
    assert _speaks(long, other) == [True, False]


def test_a_talker_who_says_little_speaks(voice):
    other = np.zeros_like(voice)
    other[20000:30000] = talker(1, 3)[:10000]
    found = activity(np.stack([voice, other], 1), RATE)[1]
    assert found.speaks and 0.2 < found.seconds < 1.5
    assert found.share == pytest.approx(found.seconds / 8, rel=1e-6)


@pytest.mark.parametrize("size", [1, 100, 7777])
def test_blocks_of_any_size_count_the_same(voice, size):
    outputs = np.stack([voice, 0.1 * voice], 1)[:20000]
    meter = ActivityMeter(RATE)
    for start in range(0, len(outputs), size):
        meter.push(outputs[start : start + size])
    assert meter.result() == activity(outputs, RATE)


@pytest.mark.parametrize("frames", [1, 10, 255, 256, 257])
def test_very_short_recordings_are_judged(frames):
    found = activity(noise(frames, 2), RATE)
    assert len(found) == 2
    assert all(0 <= a.share <= 1 for a in found)


def test_nothing_at_all_has_no_activity():
    assert ActivityMeter(RATE).result() == []


def test_tensors_are_taken(voice):
    assert activity(torch.tensor(voice)[:, None], RATE)[0].speaks


def test_most_active_first(voice):
    silence = np.zeros_like(voice)
    half = np.where(np.arange(len(voice)) < 32000, talker(1, 8), 0)
    found = activity(np.stack([silence, half, voice], 1), RATE)
    assert most_active(found) == [2, 1, 0]
