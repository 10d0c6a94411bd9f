"""Speech is told from noise and hum by how its level changes."""

import numpy as np
import pytest

from speechbrain_spmamba.recordings.frame_levels import NOT_OWN, frame_levels
from speechbrain_spmamba.recordings.syllables import LAG, MOST, ChangeCounter
from tests.separating import noise, talker


def _changes(wave, limit):
    """Of a wave ``[T]`` at 8 kHz, in frames from a limit on."""
    frames = wave[: len(wave) // 256 * 256].reshape(-1, 256, 1)
    levels = frame_levels(frames, 2.0)
    counter = ChangeCounter(1)
    counter.push(levels, np.ones_like(levels, bool))
    return counter.change(np.array([limit]))[0]


@pytest.mark.parametrize("size", [1, 3, 7, 300])
def test_changes_are_those_of_each_frame(size):
    rng = np.random.default_rng(0)
    levels = rng.integers(-60, -20, (300, 3)).astype(np.int16)
    levels[rng.random(levels.shape) < 0.1] = NOT_OWN
    own = rng.random(levels.shape) < 0.8
    counter = ChangeCounter(3)
    for at in range(0, 300, size):
        counter.push(levels[at : at + size], own[at : at + size])
    limits = np.array([-50, -35, -10])
    wanted = []
    for output, limit in enumerate(limits):
        changes = [
            min(
                abs(int(levels[t, output]) - int(levels[t - LAG, output])), MOST
            )
            for t in range(LAG, 300)
            if own[t, output] and levels[t, output] >= limit
        ]
        wanted.append(
            np.sqrt(np.mean(np.square(changes))) if changes else np.inf
        )
    assert wanted[2] == np.inf
    np.testing.assert_allclose(counter.change(limits), wanted)


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("snr", [40, 10])
def test_talkers_change_more_than_noise_and_hum(number, snr):
    voice = talker(number, 10)
    level = np.sqrt(np.mean(voice**2)) * 10 ** (-snr / 20)
    assert _changes(voice + noise(len(voice), level=level), -45) > 5.5
    assert _changes(noise(len(voice), level=level), -100) < 2
    hum = np.sin(np.arange(len(voice)) * 0.1)
    assert _changes(hum, -100) < 1
    assert _changes(hum * (np.arange(len(hum)) % 32000 < 16000), -100) < 4


def test_what_is_too_short_may_be_speech():
    counter = ChangeCounter(2)
    for _ in range(LAG):
        counter.push(np.full((1, 2), -20), np.ones((1, 2), bool))
        assert (counter.change(np.array([-30, -30])) == np.inf).all()
    counter.push(np.full((1, 2), -20), np.ones((1, 2), bool))
    assert (counter.change(np.array([-30, -30])) == 0).all()
