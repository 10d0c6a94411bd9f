"""An output in which no one speaks is told from a talker."""

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_spmamba.recordings.activity import (
    Activity,
    ActivityMeter,
    activity,
    most_active,
)
from speechbrain_spmamba.recordings.thresholds import Thresholds
from speechbrain_spmamba.speech_frames import reference_activity
from tests.separating import noise, parts_model, talker

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


# What leaks is no scaled copy: a model masks it in time and frequency.
def _masked(wave, level, seed=0):
    """A wave through a filter that changes, ``level`` dB softer."""
    found = np.fft.rfft(wave.reshape(-1, 128), axis=1)
    rng = np.random.default_rng(seed)
    gains = np.repeat(
        np.repeat(rng.random((len(found) // 4 + 1, 13)), 4, 0), 5, 1
    )
    found = np.fft.irfft(found * gains[: len(found)], axis=1).ravel()
    power = np.mean(found**2) / np.mean(wave**2)
    return (found * 10 ** (level / 20) / np.sqrt(power)).astype("float32")


def _speaking(*outputs):
    meter = ActivityMeter(RATE, keep=True)
    meter.push(np.stack(outputs, 1))
    assert meter.speaking().shape[1] == len(outputs)
    return meter.speaking()


def test_what_leaks_through_a_mask_does_not_speak(voice):
    leak = _masked(voice, -15)
    cosine = voice @ leak / np.sqrt(voice @ voice * (leak @ leak))
    assert abs(cosine) < Thresholds().copy  # not found as one
    assert _speaks(voice, leak) == [True, False]
    assert _speaks(leak, voice, _masked(voice, -20, 1)) == [False, True, False]


def test_noise_that_bleeds_with_the_voice_does_not_speak(voice):
    envelope = np.sqrt(np.convolve(voice**2, np.ones(800) / 800, "same"))
    bleeding = 0.1 * envelope * noise(len(voice), level=1.0)
    assert _speaks(voice, bleeding + noise(len(voice), level=1e-4)) == [
        True,
        False,
    ]


def test_noise_that_fills_the_pauses_does_not_speak(voice):
    pauses = np.convolve(voice**2, np.ones(800), "same") < 1e-3
    assert 0.05 < pauses.mean() < 0.5
    filling = np.where(pauses, noise(len(voice), level=0.02), 0)
    assert _speaks(voice, filling) == [True, False]


@pytest.mark.parametrize("level", [0.03, 1e-3])
def test_of_noise_alone_nobody_speaks(level):
    assert _speaks(*noise(64000, 3, level).T) == [False] * 3


def test_a_hum_that_begins_and_ends_does_not_speak(voice):
    time = np.arange(len(voice))
    hum = 0.1 * np.sin(0.1 * time) * (time % 16000 < 8000)
    assert _speaks(voice, hum.astype("float32")) == [True, False]


def test_talkers_who_alternate_speak_in_turn():
    one, other = talker(0, 12), talker(1, 12)
    turns = np.arange(len(one)) // 24000 % 2
    one, other = one * (turns == 0), other * (turns == 1)
    outputs = one + _masked(other, -15), other + _masked(one, -15, 1)
    outputs = [wave + noise(len(wave), level=3e-5) for wave in outputs]
    found = _speaking(*outputs)
    true = reference_activity(np.stack([one, other], 1), RATE)
    assert 0.3 < true.mean() < 0.5
    assert (found != true).mean() < 0.02


def test_two_at_once_speak_when_their_references_do():
    src = np.stack([talker(0, 12), 0.5 * talker(1, 12)], 1)
    leaks = [_masked(src[:, 1 - k], -15, k) for k in range(2)]
    found = _speaking(*(src + np.stack(leaks, 1)).T)
    assert (found != reference_activity(src, RATE)).mean() < 0.05


def test_one_talker_among_three_outputs(voice):
    outputs = [_masked(voice, -25), voice, np.zeros_like(voice)]
    found = _speaking(*outputs)
    true = reference_activity(voice[:, None], RATE)[:, 0]
    assert not found[:, [0, 2]].any()
    assert (found[:, 1] != true).mean() < 0.01


@pytest.mark.parametrize("soft, talks", [(0.5, True), (0.1, False)])
def test_far_below_the_recording_nobody_speaks(voice, soft, talks):
    """What is left of noise may move as speech does."""
    level = np.sqrt(np.mean(voice**2))
    recording = level * noise(len(voice), level=1.0) + soft * voice
    est = np.stack([soft * voice, 0 * voice], 1)
    assert [a.speaks for a in activity(est, 8000)] == [True, False]
    found = activity(est, 8000, recording)
    assert [a.speaks for a in found] == [talks, False]


def test_the_recording_counts_in_blocks_of_any_size_and_rate(voice):
    whole, parts = ActivityMeter(8000), ActivityMeter(8000)
    recording = 9 * voice
    whole.hear(recording)
    for block in np.array_split(np.repeat(recording, 2), 7):
        parts.hear(block)
    for meter in (whole, parts):
        meter.push(np.stack([voice, 0 * voice], 1))
    assert str(whole.result()[0]) == str(parts.result()[0]) == "no one speaks"


def test_memory_does_not_grow():
    def size(meter):
        parts = [meter, meter.runs, meter.changes]
        parts = [x for part in parts for x in vars(part).values()]
        return sum(x.nbytes for x in parts if isinstance(x, np.ndarray))

    meter, sizes = ActivityMeter(RATE), []
    for second in range(5):
        meter.push(noise(RATE, 2, seed=second))
        sizes.append(size(meter))
    assert len(set(sizes)) == 1 or max(sizes) - min(sizes) < 256 * 2 * 4
    assert meter.kept is None


@pytest.mark.parametrize("share, talkers", [(0.75, 1), (0.05, 0)])
def test_files_are_judged_beside_their_recording(
    voice, share, talkers, tmp_path
):
    soundfile.write(tmp_path / "talk.wav", voice, RATE, "FLOAT")
    model = parts_model(shares=(share, 0.0))
    found = model.separate_to_files(tmp_path / "talk.wav", tmp_path / "out")
    assert (found.talkers, len(found.paths)) == (talkers, talkers)
