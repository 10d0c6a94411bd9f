"""An output in which no one speaks is told from a talker."""

from dataclasses import replace

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
from speechbrain_spmamba.recordings.thresholds import FLOOR, Thresholds
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
    assert abs(cosine) < 0.9  # not found as a copy
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


# What follows is exact: noise of a given level in each frame of 32 samples.
SLOW = 1000  # Hz
SPEECH = ([-20] * 3 + [-30] * 3 + [-60]) * 15  # active level: -22.6 dB
PLAIN = Thresholds(leak=20, below=16, range=24, rise=8, pause=0.25, changes=6)


def _frames(levels, seed=0):
    noise = np.random.default_rng(seed).standard_normal((len(levels), 32))
    noise /= np.sqrt(np.mean(noise**2, 1, keepdims=True))
    return noise * 10 ** (np.array(levels)[:, None] / 20)


def _meter(*outputs, thresholds=PLAIN):
    meter = ActivityMeter(SLOW, keep=True, thresholds=thresholds)
    meter.push(np.stack([o.ravel() for o in outputs], 1))
    return meter


def _found(*outputs, thresholds=PLAIN):
    return _meter(*outputs, thresholds=thresholds).result()


def _slowly(outputs, law):
    """When somebody speaks, step by step, ``[F, S]``; outputs ``[S, F, 32]``.

    The law as the module says it, of outputs that are no copies.
    """
    level = np.round(10 * np.log10(np.mean(outputs**2, 2) + 1e-12)).T
    loudest = level.max(1, keepdims=True)
    active = []
    for output in range(level.shape[1]):
        own = level[level[:, output] >= loudest[:, 0] - law.leak, output]
        power = np.sort(10 ** (own / 10))[::-1]
        half = power[np.argmax(np.cumsum(power) >= power.sum() / 2)]
        for _ in range(100):
            half = power[power >= half * 10**-1.59].mean()
        active.append(10 * np.log10(half))
    found = np.zeros(level.shape, bool)
    for output in range(level.shape[1]):
        mine = level[:, output]
        limit = max(active[output] - law.below, max(active) - law.range, FLOOR)
        limit = np.ceil(limit)
        over = np.minimum(mine - limit, mine - loudest[:, 0] + law.leak)
        at = np.flatnonzero(over >= 0)
        ends = np.flatnonzero((np.diff(at) - 1) * 0.032 >= law.pause)
        for run in np.split(at, ends + 1):
            if len(run) and over[run].max() >= law.rise:
                found[run[0] : run[-1] + 1, output] = True
        change = [
            min(abs(mine[t] - mine[t - 5]), 12)
            for t in at
            if t >= 5 and over[t] >= 0
        ]
        tenths = np.quantile(mine[over >= 0], [0.1, 0.9], method="inverted_cdf")
        changes = np.sqrt(np.mean(np.square(change))) >= law.changes
        if not changes or tenths[1] - tenths[0] < 6:
            found[:, output] = False
    return found


@pytest.mark.parametrize("seed", range(6))
def test_it_agrees_with_the_law_step_by_step(seed):
    rng = np.random.default_rng(seed)
    levels = np.cumsum(rng.normal(0, 6, (400, 3)), 0)
    levels = -40 + 20 * np.sin(levels / 15) - 10 * rng.random(3)
    outputs = np.stack([_frames(levels[:, k], 10 * seed + k) for k in range(3)])
    meter = _meter(*outputs)
    wanted = _slowly(outputs, PLAIN)
    assert 0.05 < wanted.mean() < 0.95
    np.testing.assert_array_equal(meter.speaking(), wanted)
    for each, speaks in zip(meter.result(), wanted.T, strict=True):
        assert each.speaks == speaks.any()
        if each.speaks:
            assert each.seconds == pytest.approx(speaks.sum() * 0.032)


@pytest.mark.parametrize("level, speaks", [(-38, True), (-39, False)])
def test_softer_frames_do_not_count(level, speaks):
    levels = SPEECH + [-60] * 20 + [level, -20] + [-60] * 20
    assert _meter(_frames(levels)).speaking()[125, 0] == speaks


def test_what_is_far_below_the_loudest_talker_does_not_count():
    loud = _frames(SPEECH + [-120] * 105)
    for below, speaks in ((13, True), (40, False)):
        soft = _frames([-120] * 105 + [level - below for level in SPEECH], 1)
        assert [a.speaks for a in _found(loud, soft)] == [True, speaks]


def test_speech_is_measured():
    levels = SPEECH + [-100] * 95
    (found,) = _found(_frames(levels))
    assert found.speaks
    assert found.seconds == pytest.approx(104 * 0.032)  # ends with a pause
    assert found.share == pytest.approx(104 / 200)
    assert found.level == pytest.approx(10 * np.log10(0.0055), abs=0.01)


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


@pytest.mark.parametrize("change, speaks", [(5, False), (6, True)])
@pytest.mark.parametrize("frames", [10, 100])
def test_a_talkers_level_changes_as_syllables_do(frames, change, speaks):
    levels = np.where(np.arange(frames) % 10 < 5, -20, -20 - change)
    law = replace(PLAIN, changes=5.5)
    found = _found(_frames(levels), thresholds=law)
    assert found[0].speaks == speaks


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
    law = replace(PLAIN, changes=0)
    assert _found(_frames(levels), thresholds=law)[0].speaks == speaks


@pytest.mark.parametrize(
    "cosine, copies", [(0.83, False), (0.87, True), (-0.87, True)]
)
@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_the_softer_of_two_alike_outputs_is_a_copy(cosine, copies, gain):
    one, other = _frames(SPEECH), _frames(SPEECH, seed=1)
    energy = np.sum(one**2, 1, keepdims=True)
    other -= one * np.sum(one * other, 1, keepdims=True) / energy
    other *= np.sqrt(energy / np.sum(other**2, 1, keepdims=True))
    other = gain * (cosine * one + np.sqrt(1 - cosine**2) * other)
    third = _frames(SPEECH, seed=2)
    law = replace(PLAIN, copy=0.85)
    speaks = [a.speaks for a in _found(one, other, third, thresholds=law)]
    assert speaks == [
        not (copies and gain > 1),
        not (copies and gain < 1),
        True,
    ]


def test_the_frames_in_which_someone_speaks_are_told():
    speech, other = _frames(SPEECH), _frames(SPEECH, seed=1)
    speech[:7] = 0
    other[:42] = 0.1 * speech[:42]  # what leaks is no speech
    other[63:72] *= 1e-3
    steady = _frames([-20] * 105, seed=2)
    wanted = np.ones((105, 3), bool)
    wanted[:7, 0] = wanted[:42, 1] = wanted[62:72, 1] = wanted[:, 2] = False
    wanted[104] = False
    found = _meter(speech, other, steady).speaking()
    np.testing.assert_array_equal(found, wanted)


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


@pytest.mark.parametrize("share, talkers", [(0.75, 1), (0.05, 0)])
def test_files_are_judged_beside_their_recording(
    voice, share, talkers, tmp_path
):
    soundfile.write(tmp_path / "talk.wav", voice, RATE, "FLOAT")
    model = parts_model(shares=(share, 0.0))
    found = model.separate_to_files(tmp_path / "talk.wav", tmp_path / "out")
    assert (found.talkers, len(found.paths)) == (talkers, talkers)
