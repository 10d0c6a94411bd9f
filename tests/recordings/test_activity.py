"""An output in which no one speaks is told from a talker."""

import numpy as np
import pytest
import torch

from speechbrain_spmamba.recordings.activity import (
    Activity,
    ActivityMeter,
    activity,
    most_active,
)
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
    assert meter.kept is None  # unless asked: memory does not grow


@pytest.mark.parametrize("frames", [1, 10, 255, 256, 257])
def test_very_short_recordings_are_judged(frames):
    found = activity(noise(frames, 2), RATE)
    assert len(found) == 2
    assert all(0 <= a.share <= 1 for a in found)


def test_nothing_at_all_has_no_activity():
    meter = ActivityMeter(RATE, keep=True)
    assert meter.result() == []
    assert meter.speaking().shape == (0, 0)


def test_of_silence_nothing_is_said():
    silence = Activity(False, 0.0, 0.0, -np.inf)
    assert activity(np.zeros((8000, 2)), RATE) == [silence, silence]


def test_tensors_are_taken(voice):
    assert activity(torch.tensor(voice)[:, None], RATE)[0].speaks


def test_most_active_first(voice):
    silence = np.zeros_like(voice)
    half = np.where(np.arange(len(voice)) < 32000, talker(1, 8), 0)
    found = activity(np.stack([silence, half, voice], 1), RATE)
    assert most_active(found) == [2, 1, 0]


def test_of_equally_long_talkers_the_louder_is_the_more_active():
    soft, loud = (Activity(True, 2.0, 0.5, level) for level in (-40, -20))
    longer = Activity(True, 2.1, 0.5, -60)
    noisy = Activity(False, 3.0, 0.7, 0)
    assert most_active([noisy, soft, loud, longer, loud]) == [3, 2, 4, 1, 0]


def test_it_reads_as_share_and_level():
    assert str(Activity(True, 2.0, 0.996, -25.4)) == "100 % at -25 dB"
    assert str(Activity(False, 0.0, 0.0, -np.inf)) == "no one speaks"


# What follows is exact: noise of a given level in each frame of 32 samples.
SLOW = 1000  # Hz
SPEECH = [-20, -30] * 50


def _frames(levels, seed=0):
    noise = np.random.default_rng(seed).standard_normal((len(levels), 32))
    noise /= np.sqrt(np.mean(noise**2, 1, keepdims=True))
    return noise * 10 ** (np.array(levels)[:, None] / 20)


def _found(*outputs):
    return activity(np.stack([o.ravel() for o in outputs], 1), SLOW)


@pytest.mark.parametrize(
    "loud, levels",
    [(0, [-30, -40, -50, -51]), (-25, [-60, -69, -70, -71])],
    ids=["30 dB below the loudest", "70 dB below full scale"],
)
def test_softer_frames_do_not_count(loud, levels):
    speech = _frames(np.array(SPEECH) + loud)
    other = _frames(levels * 25, seed=1)
    meter = ActivityMeter(SLOW, keep=True)
    meter.push(np.stack([speech.ravel(), other.ravel()], 1))
    np.testing.assert_array_equal(
        meter.speaking()[:, 1], [True, True, True, False] * 25
    )
    found = meter.result()[1]
    assert found.speaks
    assert found.seconds == pytest.approx(75 * 0.032)
    assert found.share == pytest.approx(0.75)
    mean = np.mean(10.0 ** (np.array(levels[:3]) / 10))
    assert found.level == pytest.approx(10 * np.log10(mean))


@pytest.mark.parametrize(
    "frames, speaking, speaks",
    [
        (400, 8, True),  # a quarter of a second
        (400, 7, False),
        (4200, 9, True),  # 1/500 of 134 s
        (4200, 8, False),
        (10, 5, True),  # half of what there is
        (10, 4, False),
    ],
)
def test_a_talker_speaks_for_long_enough(frames, speaking, speaks):
    levels = np.full(frames, -np.inf)
    levels[:speaking] = np.resize([-20, -30], speaking)
    assert _found(_frames(levels))[0].speaks == speaks


@pytest.mark.parametrize(
    "levels, speaks",
    [
        ([-20] * 50 + [-26] * 50, True),
        ([-20] * 50 + [-25] * 50, False),
        ([-20] * 90 + [-30] * 10, True),  # a soft tenth
        ([-20] * 91 + [-30] * 9, False),
        ([-30] * 89 + [-20] * 11, True),  # a loud tenth
        ([-30] * 90 + [-20] * 10, False),
        ([-20] * 31, True),  # less than a second may be steady
        ([-20] * 32, False),
    ],
)
def test_a_talkers_level_moves(levels, speaks):
    assert _found(_frames(levels))[0].speaks == speaks


@pytest.mark.parametrize(
    "cosine, copies", [(0.78, False), (0.82, True), (-0.82, True)]
)
@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_the_softer_of_two_alike_outputs_is_a_copy(cosine, copies, gain):
    one, other = _frames(SPEECH), _frames(SPEECH, seed=1)
    energy = np.sum(one**2, 1, keepdims=True)
    other -= one * np.sum(one * other, 1, keepdims=True) / energy
    other *= np.sqrt(energy / np.sum(other**2, 1, keepdims=True))
    other = gain * (cosine * one + np.sqrt(1 - cosine**2) * other)
    third = _frames(SPEECH, seed=2)
    speaks = [a.speaks for a in _found(one, other, third)]
    assert speaks == [
        not (copies and gain > 1),
        not (copies and gain < 1),
        True,
    ]


def test_the_frames_in_which_someone_speaks_are_told():
    speech, other = _frames(SPEECH), _frames(SPEECH, seed=1)
    speech[:5] = 0
    other[:40] = 0.1 * speech[:40]  # what leaks is no speech
    other[60] *= 1e-3
    meter = ActivityMeter(SLOW, keep=True)
    steady = _frames([-20] * 100, seed=2)
    outputs = [o.ravel() for o in (speech, other, steady)]
    meter.push(np.stack(outputs, 1))
    wanted = np.ones((100, 3), bool)
    wanted[:5, 0] = wanted[:40, 1] = wanted[60, 1] = wanted[:, 2] = False
    np.testing.assert_array_equal(meter.speaking(), wanted)


def test_no_frame_speaks_where_there_are_none():
    meter = ActivityMeter(SLOW, keep=True)
    meter.push(np.zeros((0, 2)))
    assert meter.speaking().shape == (0, 2)


def test_a_recording_shorter_than_a_frame_is_one():
    meter = ActivityMeter(SLOW)
    meter.push(np.array([[0.1]] * 5 + [[0.2]] * 5))
    for _ in range(2):  # asking changes nothing
        (found,) = meter.result()
        assert found.speaks
        assert (found.seconds, found.share) == (0.01, 1.0)
        assert found.level == pytest.approx(-16)  # of a frame: whole dB


def test_absurdly_loud_outputs_are_judged():
    wave = 1e30 * _frames(SPEECH).astype("float32")
    with np.errstate(all="raise"):
        (found,) = _found(wave)
    assert found.level == 60 and found.share == 1
