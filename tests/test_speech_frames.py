"""References say themselves when they speak."""

import numpy as np
import pytest
import torch

from speechbrain_spmamba.speech_frames import (
    FRAME,
    fill_pauses,
    frame_power,
    reference_activity,
)
from tests.separating import noise, talker

RATE = 1000  # a frame has 32 samples


def _at(levels, seed=0):
    """Noise of a level in dB in each frame, ``[T, 1]``."""
    wave = np.random.default_rng(seed).standard_normal((len(levels), 32))
    wave -= wave.mean(1, keepdims=True)
    wave /= np.sqrt(np.mean(wave**2, 1, keepdims=True))
    return (wave * 10 ** (np.array(levels)[:, None] / 20)).reshape(-1, 1)


def test_a_frame_is_active_within_15_9_db_of_the_active_level():
    # 50 frames at 0 dB and 10 each of softer ones, pauses between them
    levels = [0] * 50 + [-80] * 10 + [-15] * 10 + [-80] * 10 + [-18] * 10
    speaks = reference_activity(_at(levels), RATE)[:, 0]
    np.testing.assert_array_equal(speaks, np.array(levels) >= -15)


def test_the_pauses_do_not_change_the_active_level():
    speech = [0, -10, -16.5, -5] * 30  # active level: -2.7 dB
    for silence in (0, 100, 3000):
        found = reference_activity(_at(speech + [-90] * silence), RATE)
        assert found[:118].all() and not found[120:].any()


@pytest.mark.parametrize("gain", [1e-4, 1.0, 100.0])
def test_any_level_is_as_good(gain):
    src = talker(0, 8)[:, None]
    np.testing.assert_array_equal(
        reference_activity(gain * src, 8000), reference_activity(src, 8000)
    )


def test_each_reference_is_judged_by_itself():
    src = np.stack([talker(0, 8), 0.01 * talker(1, 8)], 1)
    found = reference_activity(src, 8000)
    assert found.shape == (250, 2)
    for index in range(2):
        alone = reference_activity(src[:, index : index + 1], 8000)
        np.testing.assert_array_equal(found[:, index], alone[:, 0])


@pytest.mark.parametrize("offset", [0.0, 0.1, -1 / 3])
def test_silent_references_never_speak(offset):
    src = np.full((8000, 2), offset, "float32")
    src[:, 1] += noise(8000)
    found = reference_activity(src, 8000)
    assert not found[:, 0].any() and found[:, 1].all()


def test_an_offset_changes_nothing():
    src = talker(0, 8)[:, None]
    np.testing.assert_array_equal(
        reference_activity(src + 0.2, 8000), reference_activity(src, 8000)
    )


@pytest.mark.parametrize("pause, filled", [(7, True), (8, False)])
def test_pauses_of_a_quarter_of_a_second_stay(pause, filled):
    assert 7 * FRAME < 0.25 < 8 * FRAME
    levels = [0] * 20 + [-80] * pause + [0] * 20
    assert reference_activity(_at(levels), RATE).all() == filled


def test_silence_before_and_after_is_no_pause():
    speaks = np.zeros((9, 2), bool)
    speaks[3:6, 0] = True
    np.testing.assert_array_equal(fill_pauses(speaks, 100), speaks)


def test_a_made_up_talker_pauses_between_phrases():
    phrase, silence = talker(3, 2, pause=0.0), np.zeros(4096, "float32")
    src = np.concatenate([phrase, silence] * 3)[:, None]
    found = reference_activity(src, 8000)[:, 0]
    quiet = frame_power(src, 8000)[:, 0] == 0
    assert quiet.sum() > 40 and not found[quiet].any()
    assert found[~quiet].mean() > 0.8  # phrases begin softly


def test_filling_agrees_with_looking_at_each_pause():
    rng = np.random.default_rng(0)
    for shorter_than in (0, 1, 2.5, 4, 100):
        speaks = rng.random((60, 4)) < [0.0, 0.1, 0.5, 0.9]
        wanted = speaks.copy()
        for found, filled in zip(speaks.T, wanted.T, strict=True):
            at = np.flatnonzero(found)
            for start, end in zip(at[:-1], at[1:], strict=True):
                if end - start - 1 < shorter_than:
                    filled[start:end] = True
        np.testing.assert_array_equal(fill_pauses(speaks, shorter_than), wanted)


def test_silence_within_speech_may_be_exact():
    levels = ([0] * 5 + [-np.inf] * 3) * 4 + [-np.inf] * 20
    found = reference_activity(_at(levels), RATE)
    assert found[:29].all() and not found[29:].any()


@pytest.mark.parametrize(
    "samples, frames", [(0, 0), (1, 1), (255, 1), (256, 1), (511, 1), (512, 2)]
)
def test_a_row_for_each_whole_frame(samples, frames):
    src = noise(samples, 3)
    assert reference_activity(src, 8000).shape == (frames, 3)


def test_tensors_are_taken():
    src = torch.from_numpy(talker(0, 2))[:, None]
    np.testing.assert_array_equal(
        reference_activity(src, 8000), reference_activity(src.numpy(), 8000)
    )
