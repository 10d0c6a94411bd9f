"""Plans follow the laws of scenes, repeat, and survive JSON."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest

from speechbrain_spmamba.prepare.corpora.clips import Clip, Pools
from speechbrain_spmamba.prepare.scenes.excerpts import (
    Excerpt,
    ExcerptLaw,
    draw_excerpt,
)
from speechbrain_spmamba.prepare.scenes.rooms import RoomLaw
from speechbrain_spmamba.prepare.scenes.scene import Scene, SceneLaw, draw_scene
from tests.prepare.small_scenes import imaginary_pools

LAW = SceneLaw()
LEVELS = {
    "speech": -17,
    "music": -24,
    "effects": -21,
    "background": -29,
    "noise": -29,
}


@pytest.fixture(scope="module")
def pools():
    return imaginary_pools()


@pytest.fixture(scope="module")
def scenes(pools):
    """Enough for statistics."""
    return [draw_scene(pools, LAW, 0, "train", n) for n in range(300)]


def _track(scene, name):
    return next((t for t in scene.tracks if t.name == name), None)


def _overlap(scene):
    """Time in which all readers speak over time in which anyone does."""
    time = np.arange(0, scene.seconds, 0.05)
    active = [
        np.any([(e.onset <= time) & (time < e.end) for e in t.events], axis=0)
        for t in scene.readers
    ]
    return np.all(active, axis=0).sum() / np.any(active, axis=0).sum()


def test_no_class_overlaps_itself_and_all_stay_in_the_scene(scenes):
    for scene in scenes:
        for track in scene.tracks:
            assert track.events and track.events[0].onset >= 0
            assert track.events[-1].end <= scene.seconds + 1e-3
            if track.name == "ambience":
                continue
            for event, following in zip(
                track.events, track.events[1:], strict=False
            ):
                assert event.end <= following.onset


def test_readers_differ_and_speak_whole_utterances_once(scenes, pools):
    for scene in scenes:
        assert [t.name for t in scene.readers] == ["s1", "s2"]
        assert scene.readers[0].group != scene.readers[1].group
        for track in scene.readers:
            lengths = {u.path: u.frames for u in pools.speech[track.group]}
            heard = [event.path for event in track.events]
            assert len(set(heard)) == len(heard)
            for event in track.events:
                assert event.start == 0
                assert event.frames == lengths[event.path]


def test_readers_and_kinds_of_effects_overlap_each_other(scenes):
    # 1,000 draws of the same law elsewhere: 0.67, 5-95 %: 0.52 to 0.84
    assert 0.62 < np.mean([_overlap(scene) for scene in scenes]) < 0.72
    crossing = [
        any(
            a.onset < b.end and b.onset < a.end
            for a in _track(scene, "effects").events
            for b in _track(scene, "background").events
        )
        for scene in scenes
        if _track(scene, "effects") and _track(scene, "background")
    ]
    assert 0.3 < np.mean(crossing) <= 1


@pytest.mark.parametrize("kind", LEVELS)
def test_class_levels_are_uniform_around_their_target(scenes, kind):
    drawn = [s.levels[kind] for s in scenes if kind in s.levels]
    assert len(drawn) > 290
    assert abs(np.mean(drawn) - LEVELS[kind]) < 0.2
    assert kstest(drawn, "uniform", (LEVELS[kind] - 2, 4)).pvalue > 0.01


def test_a_class_is_on_average_as_loud_as_was_drawn(scenes):
    for scene in scenes:
        readers = [track.level for track in scene.readers]
        assert np.mean(readers) == pytest.approx(scene.levels["speech"])
        assert max(abs(x - scene.levels["speech"]) for x in readers) <= 1.001
        for track in scene.tracks:
            levels = [event.level for event in track.events]
            assert np.mean(levels) == pytest.approx(track.level)
            assert max(abs(x - track.level) for x in levels) <= 1.001


def test_noise_fills_the_scene_with_cross_fades(scenes):
    for scene in scenes:
        events = _track(scene, "ambience").events
        assert events[0].onset == 0 and events[0].fade_in == 0
        assert events[-1].end == pytest.approx(scene.seconds, abs=1e-3)
        assert events[-1].fade_out == 0
        for event, following in zip(events, events[1:], strict=False):
            assert event.end - following.onset == pytest.approx(1.0)
            assert event.fade_out == following.fade_in == 1.0


def test_noise_of_one_place_stays_together():
    noise = [Clip(f"{i}", 160000, 16000, f"{i % 4}") for i in range(40)]
    pools = replace(imaginary_pools(2), noise=noise)
    scene = draw_scene(pools, LAW, 0, "train", 0)
    places = {int(e.path) % 4 for e in _track(scene, "ambience").events}
    assert len(places) == 1


def test_what_is_cut_is_faded(scenes, pools):
    whole = {r.path: r.frames for r in pools.effects + pools.music}
    for scene in scenes[:50]:
        for name in ("effects", "music"):
            track = _track(scene, name)
            for event in track.events if track else ():
                ends = event.start + event.frames == whole[event.path]
                assert ends == (event.fade_out == 0)
                assert (event.start == 0) == (event.fade_in == 0)


def test_a_scene_depends_on_seed_split_and_number_only(pools, scenes):
    np.random.seed(5)
    assert draw_scene(pools, LAW, 0, "train", 7) == scenes[7]
    others = [(1, "train", 7), (0, "test", 7), (0, "train", 8)]
    for arguments in others:
        other = draw_scene(pools, LAW, *arguments)
        assert other.tracks != scenes[7].tracks
        assert other.room != scenes[7].room


def test_json_keeps_every_digit(scenes):
    for scene in scenes[:20]:
        text = json.dumps(scene.to_dict())
        assert Scene.from_dict(json.loads(text)) == scene


def test_scenes_use_their_own_pools_only(scenes, pools):
    mine = {u.path for spoken in pools.speech.values() for u in spoken}
    for more in (pools.noise, pools.music, pools.effects, pools.background):
        mine |= {recording.path for recording in more}
    used = {e.path for s in scenes for t in s.tracks for e in t.events}
    assert used <= mine
    assert len(used) > 0.5 * len(mine)  # and spread over them


def test_three_readers_and_nothing_else(pools):
    speech = Pools(speech=pools.speech)
    scene = draw_scene(speech, SceneLaw(num_spks=3), 0, "train", 0)
    assert [t.name for t in scene.tracks] == ["s1", "s2", "s3"]
    assert len({t.group for t in scene.tracks}) == 3
    assert len(scene.room.sources) == 3


def test_noise_goes_through_the_room_where_it_must(pools):
    def source(law):
        scene = draw_scene(pools, law, 0, "train", 0)
        return _track(scene, "ambience").source

    assert source(LAW) is None
    assert source(SceneLaw(noise_in_room=True)) is not None
    assert source(SceneLaw(room=RoomLaw(num_mics=2))) is not None


def test_effects_stand_in_for_a_missing_background(pools):
    scene = draw_scene(replace(pools, background=[]), LAW, 0, "train", 1)
    events = _track(scene, "background").events
    assert {event.path[0] for event in events} == {"e"}


def test_a_part_of_an_utterance_that_is_too_long_fills_the_scene(pools):
    law = SceneLaw(seconds=2.0)
    for number in range(20):
        scene = draw_scene(pools, law, 0, "train", number)
        for track in scene.readers:
            (event,) = track.events
            assert event.onset == 0 and event.frames == 2 * 16000


def test_too_few_readers_are_counted():
    with pytest.raises(ValueError, match="test has 1 readers, 2 talkers"):
        draw_scene(imaginary_pools(1), LAW, 0, "test", 0)


@pytest.mark.parametrize(
    "changes", [{"seconds": 0}, {"speech_count": 0}, {"part_mean": -1}]
)
def test_impossible_laws_are_refused(changes):
    with pytest.raises(ValueError, match="give more than 0"):
        SceneLaw(**changes)


def test_items_are_cut_where_talkers_are_active(scenes):
    law = ExcerptLaw()
    least = []
    for scene in scenes:
        item, excerpt = draw_excerpt(scene, law)
        assert 0 <= excerpt.start <= scene.seconds - 6
        for values, (low, high) in (
            (excerpt.sir, law.sir),
            ([excerpt.snr], law.snr),
            ([excerpt.level], law.level),
        ):
            assert all(low <= value <= high for value in values)
        active = [
            sum(
                max(
                    0,
                    min(e.end, excerpt.start + 6) - max(e.onset, excerpt.start),
                )
                for e in track.events
            )
            for track in item.readers
        ]
        least.append(min(active) / 6)
        # What cannot be heard is not in the plan.
        for track in item.tracks:
            for event in track.events:
                assert event.onset < excerpt.start + 6
                assert event.end > excerpt.start - 1
        sources = [t.source for t in item.tracks if t.source is not None]
        assert sources == list(range(len(item.room.sources)))
        assert (
            Excerpt.from_dict(json.loads(json.dumps(excerpt.to_dict())))
            == excerpt
        )
    assert np.mean(np.array(least) >= 0.45) > 0.95


def test_ratios_of_items_are_uniform(scenes):
    cuts = [draw_excerpt(scene, ExcerptLaw())[1] for scene in scenes]
    sirs, snrs = [c.sir[0] for c in cuts], [c.snr for c in cuts]
    assert kstest(sirs, "uniform", (-6, 12)).pvalue > 0.01
    assert kstest(snrs, "uniform", (10, 10)).pvalue > 0.01


def test_items_longer_than_scenes_are_refused(scenes):
    with pytest.raises(ValueError, match="items of 61 s cannot be cut"):
        draw_excerpt(scenes[0], ExcerptLaw(seconds=61.0))
