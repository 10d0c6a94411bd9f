"""Microphones and loudspeakers alone; the rest is tested by `listen`."""

import numpy as np

from speechbrain_spmamba.recordings import sound_device
from speechbrain_spmamba.recordings.sound_device import Loudspeakers, Microphone
from tests import fake_sound


def _played(fake, count):
    """The next blocks that a device of 1000 Hz gets, one voice of two."""
    before = len(fake.played)
    for _ in range(count):
        fake.output.tick()
    return np.concatenate(fake.played[before:])[:, 0].tolist()


def test_a_gap_is_silence_and_then_a_little_more(monkeypatch):
    """Fifty samples wait before any are played."""
    fake = fake_sound.install(monkeypatch, np.zeros(0))
    with Loudspeakers(1000, 10, 2) as speakers:
        ones = np.ones((45, 2), "float32")
        speakers.play(ones)
        assert _played(fake, 1) == [0] * 10
        speakers.play(2 * ones)  # too loud
        assert _played(fake, 9) == [1] * 90
        assert _played(fake, 1) == [0] * 10
        speakers.play(ones)
        assert _played(fake, 1) == [0] * 10
        speakers.play(ones[:5])
        assert _played(fake, 2) == [1] * 20
        assert speakers.skipped == 0


def test_of_many_the_oldest_are_left_out(monkeypatch):
    """Where 150 samples wait, 50 stay behind the next ones."""
    fake = fake_sound.install(monkeypatch, np.zeros(0))
    with Loudspeakers(1000, 10, 1) as speakers:
        ramp = np.arange(200, dtype="float32")[:, None] / 200
        speakers.play(ramp)
        found = _played(fake, 6)
        assert np.allclose(found, ramp[-60:, 0]) and speakers.skipped == 140


def test_what_nobody_takes_does_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(sound_device, "LONGEST", 0.5)
    fake = fake_sound.install(
        monkeypatch, np.ones(2000), at_once=200, ends=True
    )
    with Microphone(1000, 10) as microphone:
        found = np.concatenate(list(microphone.blocks(lambda: False)))
    assert len(found) == microphone.heard == 510
    assert fake.running.given == 200 and microphone.gone
    assert microphone.lost == 1  # a gap, of whatever length
