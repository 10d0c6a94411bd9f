"""A profile knows a talker again."""

import numpy as np
import pytest

from speechbrain_spmamba.recordings.profiles import (
    LIKE_ANYONE,
    Profile,
    profiles,
)
from tests.separating import noise, talker

RATE = 8000


@pytest.fixture(scope="module")
def voices():
    return np.stack([talker(n, 16, 0.2) for n in range(3)], 1)


def test_a_talker_is_nearest_to_what_she_said_before(voices):
    before = [profiles(v[:64000, None], RATE)[0] for v in voices.T]
    after = [profiles(v[64000:, None], RATE)[0] for v in voices.T]
    distance = np.array([[b.distance(a) for a in after] for b in before])
    assert distance.argmin(1).tolist() == [0, 1, 2]


def test_the_level_counts_a_little(voices):
    one = profiles(voices[:, :1], RATE)[0]
    softer = profiles(0.1 * voices[:, :1], RATE)[0]
    assert one.distance(one) < 0.05
    assert 0.2 < one.distance(softer) < 0.3


def test_of_nobody_nothing_is_known(voices):
    one = profiles(voices[:, :1], RATE)[0]
    assert one.distance(Profile()) == LIKE_ANYONE
    assert profiles(np.zeros((8000, 1), "float32"), RATE)[0].frames == 0


def test_what_leaks_from_another_is_not_profiled(voices):
    both = np.stack([voices[:, 0], 0.1 * voices[:, 0]], 1)
    assert profiles(both, RATE)[1].frames == 0


def test_old_speech_is_forgotten(voices):
    running, woman, man = (
        Profile(),
        *(profiles(voices[:, [n]], RATE)[0] for n in (0, 1)),
    )
    running.merge(woman)
    for _ in range(20):
        running.merge(man)
    assert running.distance(man) < 0.1
    assert running.frames < 60 / 0.032 + 1


def test_a_window_shorter_than_a_frame_has_empty_profiles():
    assert [p.frames for p in profiles(noise(100, 2), RATE)] == [0, 0]


def test_absurdly_loud_waves_have_finite_profiles(voices):
    found = profiles(1e30 * voices[:, :1], RATE)[0]
    assert found.frames > 0 and np.isfinite(found.total).all()
