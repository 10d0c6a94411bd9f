"""Published laws: what is published of them holds."""

import numpy as np
import pytest

from speechbrain_spmamba.prepare.scenes.conversation import (
    ConversationLaw,
    draw_conversation,
)
from speechbrain_spmamba.prepare.scenes.presets import PRESETS, find_preset
from tests.prepare.small_scenes import imaginary_pools

STEP = 0.001  # s


@pytest.fixture(scope="module")
def pools():
    return imaginary_pools()


def _draw(pools, name, count=3, **changes):
    law = ConversationLaw(**{**find_preset(name), **changes})
    return [draw_conversation(pools, law, 0, name, n) for n in range(count)]


def _speaking(scene):
    """How many speak in each millisecond."""
    speaking = np.zeros(round(scene.seconds / STEP), int)
    for track in scene.readers:
        for event in track.events:
            begin, end = round(event.onset / STEP), round(event.end / STEP)
            speaking[begin:end] += 1
    return speaking


def _pauses(scene):
    """Lengths of silences between utterances, s."""
    at = np.flatnonzero(_speaking(scene))
    rests = np.diff(at) - 1
    return rests[rests > 0] * STEP


@pytest.mark.parametrize("name, low, high", [("0S", 0.1, 0.5), ("0L", 2.9, 3)])
def test_libricss_without_overlap_has_its_pauses(pools, name, low, high):
    for scene in _draw(pools, f"libricss-{name}"):
        assert scene.seconds == 600 and len(scene.readers) == 8
        assert _speaking(scene).max() == 1
        pauses = _pauses(scene)
        assert len(pauses) > 20
        assert low - 2 * STEP <= pauses.min() <= pauses.max() <= high + 2 * STEP


@pytest.mark.parametrize("ratio", [10, 20, 30, 40])
def test_libricss_overlaps_by_its_share_of_the_talkers_time(pools, ratio):
    for scene in _draw(pools, f"libricss-OV{ratio}"):
        speaking = _speaking(scene)
        share = speaking[speaking > 1].sum() / speaking.sum()
        assert share == pytest.approx(ratio / 100, abs=0.015)
        assert speaking.max() == 2
        pauses = _pauses(scene)
        assert pauses.min() > 0.1 - 2 * STEP and pauses.max() < 1 + 2 * STEP


def test_libricss_joins_nothing_and_cuts_the_end_alone(pools):
    for scene in _draw(pools, "libricss-OV20"):
        lengths = {c.path: c.frames for r in pools.speech.values() for c in r}
        events = [e for track in scene.readers for e in track.events]
        assert min(e.onset for e in events) == 3.0
        for event in events:
            if event.end < 590:
                assert event.frames == lengths[event.path]


@pytest.mark.parametrize("overlap", [0.0, 0.2, 0.4, 0.6, 0.8])
@pytest.mark.parametrize("talkers", [2, 3])
def test_sparselibrimix_overlaps_and_has_its_levels(pools, overlap, talkers):
    scenes = _draw(
        pools, "sparselibrimix", 30, overlap=overlap, num_spks=talkers
    )
    shares = []
    for scene in scenes:
        assert 4 <= scene.seconds <= 14 and len(scene.readers) <= talkers
        speaking = _speaking(scene)
        shares.append(np.mean(speaking[speaking > 0] > 1))
        levels = [e.level for t in scene.readers for e in t.events]
        assert -33 <= min(levels) <= max(levels) <= -25
        assert -38 <= scene.levels["noise"] <= -30
        at = np.flatnonzero(speaking) * STEP
        assert 0.2 <= at[0] + STEP <= 0.51
    assert np.mean(shares) == pytest.approx(overlap, abs=0.01)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_may_be_changed(name):
    assert ConversationLaw(**{**find_preset(name), "seconds": 60}).seconds == 60


def test_there_is_none_of_another_name():
    assert find_preset(None) == {}
    with pytest.raises(ValueError, match="libricss-OV40'"):
        find_preset("libricss-OV45")
