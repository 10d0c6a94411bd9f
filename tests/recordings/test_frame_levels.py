"""Levels of frames are counted in whole dB; copies have none of their own."""

import numpy as np
import pytest

from speechbrain_spmamba.recordings.frame_levels import (
    HIGHEST,
    LEVELS,
    LOWEST,
    NOT_OWN,
    active_level,
    count_levels,
    frame_levels,
    leaks,
    spread,
)
from speechbrain_spmamba.speech_frames import frame_power, reference_activity
from tests.separating import noise, talker


def _counts(*outputs):
    levels = np.array(outputs).T
    return count_levels(levels, np.ones_like(levels, bool))


@pytest.mark.parametrize("db", [-90, -70, -20, 0, 59])
def test_the_level_is_that_of_the_mean_power(db):
    frames = noise(32 * 20).reshape(20, 32, 1).astype(float)
    frames *= 10 ** (db / 20) / np.sqrt(np.mean(frames**2, 1, keepdims=True))
    np.testing.assert_array_equal(frame_levels(frames, 0.8), db)


def test_levels_end_somewhere():
    frames = np.stack([np.zeros((32, 1)), np.full((32, 1), 1e30)])
    with np.errstate(all="raise"):
        found = frame_levels(frames.astype("float32"), 0.8)
    np.testing.assert_array_equal(found[:, 0], [LOWEST, HIGHEST])


@pytest.mark.parametrize("cosine", [0.78, 0.82, -0.82])
@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_the_softer_of_two_alike_frames_is_a_copy(cosine, gain):
    rng = np.random.default_rng(0)
    one, other, third = rng.standard_normal((3, 50, 32))
    energy = np.sum(one**2, 1, keepdims=True)
    other -= one * np.sum(one * other, 1, keepdims=True) / energy
    other *= np.sqrt(energy / np.sum(other**2, 1, keepdims=True))
    other = gain * (cosine * one + np.sqrt(1 - cosine**2) * other)
    found = frame_levels(np.stack([one, other, third], 2), 0.8) == NOT_OWN
    assert found[:, 0].all() == found[:, 0].any() == (cosine != 0.78 < gain)
    assert found[:, 1].all() == found[:, 1].any() == (cosine != 0.78 > gain)
    assert not found[:, 2].any()


def test_of_equal_frames_the_first_is_no_copy():
    frames = np.repeat(noise(64).reshape(2, 32, 1), 3, 2)
    np.testing.assert_array_equal(
        frame_levels(frames, 0.8) == NOT_OWN, [[False, True, True]] * 2
    )


def test_silence_is_no_copy():
    assert (frame_levels(np.zeros((2, 32, 3)), 0.8) == LOWEST).all()


def test_what_is_far_below_the_loudest_output_leaks():
    levels = np.array([[-20, -40], [-41, -20], [-60, -60], [NOT_OWN, -100]])
    wanted = [[False, False], [True, False], [False, False], [True, False]]
    np.testing.assert_array_equal(leaks(levels, 20), wanted)


def test_frames_are_counted_where_wanted():
    levels = np.array([[-20, -30], [-20, -20], [-500, 99]])
    where = np.array([[1, 1], [1, 0], [1, 1]], bool)
    wanted = np.zeros((2, len(LEVELS)))
    wanted[0, -20 - LOWEST] = 2
    wanted[0, 0] = wanted[1, -30 - LOWEST] = wanted[1, -1] = 1
    np.testing.assert_array_equal(count_levels(levels, where), wanted)
    half = count_levels(levels, 0.5 * where)
    np.testing.assert_array_equal(half, 0.5 * wanted)


def test_the_active_level_is_that_of_references():
    src = np.stack([talker(0, 20), 0.05 * talker(1, 20)], 1)
    frames = src[: len(src) // 256 * 256].reshape(-1, 256, 2)
    levels = frame_levels(frames, 2.0)
    found = active_level(count_levels(levels, np.ones_like(levels, bool)))
    # References fill pauses; that changes the level by little.
    speaks = reference_activity(src, 8000)
    power = np.where(speaks, frame_power(src, 8000), 0).sum(0) / speaks.sum(0)
    assert np.abs(found - 10 * np.log10(power)).max() < 1.0


@pytest.mark.parametrize("silence", [0, 10, 10000])
def test_the_active_level_does_not_depend_on_pauses(silence):
    found = active_level(_counts([0] * 30 + [-10] * 30 + [-40] * silence))
    assert found[0] == pytest.approx(10 * np.log10(0.55))


def test_of_silence_there_is_no_active_level():
    assert active_level(_counts([LOWEST] * 9))[0] == -np.inf
    assert active_level(np.zeros((1, len(LEVELS))))[0] == -np.inf


@pytest.mark.parametrize(
    "levels, wanted",
    [
        ([-20] * 90 + [-30] * 10, 10),
        ([-20] * 91 + [-30] * 9, 0),
        ([-30] * 89 + [-20] * 11, 10),
        ([-30] * 90 + [-20] * 10, 0),
        (list(range(-50, 50)), 80),
        ([-20], 0),
    ],
)
def test_the_spread_is_that_of_the_loud_and_the_soft_tenth(levels, wanted):
    assert spread(_counts(levels)).tolist() == [wanted]
    assert spread(np.zeros((2, len(LEVELS)))).tolist() == [0, 0]
