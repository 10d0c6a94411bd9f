"""The law of activity, frame by frame, beside one that is slow and obvious."""

from dataclasses import replace

import numpy as np
import pytest

from speechbrain_spmamba.recordings.activity import ActivityMeter
from speechbrain_spmamba.recordings.thresholds import FLOOR, Thresholds

# What follows is exact: noise of a given level in each frame of 32 samples.
SLOW = 1000  # Hz
SPEECH = ([-20] * 3 + [-30] * 3 + [-60]) * 15  # active level: -22.6 dB
PLAIN = Thresholds(
    leak=20, below=16, range=24, rise=8, pause=0.25, changes=6, shortest=0.25
)


def _frames(levels, seed=0):
    noise = np.random.default_rng(seed).standard_normal((len(levels), 32))
    noise -= noise.mean(1, keepdims=True)
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


@pytest.mark.parametrize("faint, speaks", [(9, False), (11, True)])
@pytest.mark.parametrize("pause", [0, 900])
def test_all_outputs_together_are_judged_beside_the_recording(
    faint, speaks, pause
):
    levels = SPEECH + [-np.inf] * pause
    one, other = _frames(levels), _frames(levels, seed=1)
    recording = np.sqrt(10 * 2) * np.repeat(one.ravel(), 2)  # at twice the rate
    meter = _meter(one, other, thresholds=replace(PLAIN, faint=faint))
    assert [a.speaks for a in meter.result()] == [True, True]
    for block in np.array_split(recording, 7):
        meter.hear(block)
    meter.push(np.stack([one.ravel(), other.ravel()], 1))  # the same again
    assert [a.speaks for a in meter.result()] == [speaks, speaks]
    assert meter.speaking().any() == speaks


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
    meter.push(np.array([[-0.1], [0.2], [-0.1]] * 3 + [[0.0]]))
    for _ in range(2):  # asking changes nothing
        (found,) = meter.result()
        assert found.speaks
        assert (found.seconds, found.share) == (0.01, 1.0)
        assert found.level == pytest.approx(-17)  # of a frame: whole dB


@pytest.mark.parametrize("constant", [0.05, 0.3])
def test_a_constant_in_recording_and_outputs_is_no_sound(constant):
    one, other = _frames(SPEECH), _frames(SPEECH, seed=1)
    outputs = np.stack([one.ravel(), other.ravel()], 1)

    def found(constant):
        meter = ActivityMeter(SLOW, thresholds=PLAIN)
        # in pieces, whose means are not that of all
        for piece in np.array_split(outputs.sum(1) + constant, 400):
            meter.hear(piece)
        meter.push(outputs + [constant, 0])
        return meter.result()

    assert found(constant) == found(0)
    assert [one.speaks for one in found(0)] == [True, True]


def test_absurdly_loud_outputs_are_judged():
    wave = 1e30 * _frames(SPEECH).astype("float32")
    with np.errstate(all="raise"):
        (found,) = _found(wave)
    assert found.level == 60 and found.share == 1
