"""Plans of conversations: how many, how long, how loud, in which room."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import chisquare, kstest

from speechbrain_spmamba.prepare.scenes.conversation import (
    NO_ROOM,
    ConversationLaw,
    draw_conversation,
)
from speechbrain_spmamba.prepare.scenes.rooms import RoomLaw
from speechbrain_spmamba.prepare.scenes.scene import Scene
from tests.prepare.small_scenes import imaginary_pools

LAW = ConversationLaw(seconds=(30.0, 40.0), num_spks=[0, 3], overlap=0.2)


@pytest.fixture(scope="module")
def pools():
    return imaginary_pools()


@pytest.fixture(scope="module")
def scenes(pools):
    """Enough for statistics."""
    return [draw_conversation(pools, LAW, 0, "train", n) for n in range(300)]


def test_as_many_speak_as_the_law_says(scenes):
    found = Counter(len(scene.readers) for scene in scenes)
    assert chisquare([found[n] for n in range(4)]).pvalue > 0.01
    for scene in scenes:
        names = [track.name for track in scene.readers]
        assert names == ["s1", "s2", "s3"][: len(names)]
        assert len({track.group for track in scene.readers}) == len(names)
        for track in scene.readers:
            assert all(e.path.startswith(track.group) for e in track.events)


def test_items_are_as_long_as_the_law_says(scenes, pools):
    lengths = [scene.seconds for scene in scenes]
    assert kstest(lengths, "uniform", (30, 10)).pvalue > 0.01
    assert all(round(x, 1) == x for x in lengths)
    fixed = draw_conversation(pools, replace(LAW, seconds=10.25), 0, "a", 0)
    assert fixed.seconds == 10.25
    narrow = replace(LAW, seconds=(10.06, 10.08))
    assert 10.06 <= draw_conversation(pools, narrow, 0, "a", 0).seconds <= 10.08


def test_levels_follow_their_laws(scenes):
    firsts = [scene.levels["speech"] for scene in scenes]
    assert kstest(firsts, "uniform", (-33, 8)).pvalue > 0.01
    sir = [
        scene.levels["speech"] - track.level
        for scene in scenes
        for track in scene.readers[1:]
    ]
    assert kstest(sir, "uniform", (-5, 10)).pvalue > 0.01
    snr = [scene.levels["speech"] - scene.levels["noise"] for scene in scenes]
    assert kstest(snr, "uniform", (10, 10)).pvalue > 0.01
    for scene in scenes:
        if scene.readers:
            assert scene.readers[0].level == scene.levels["speech"]
        for track in scene.readers:
            around = [event.level - track.level for event in track.events]
            assert max(map(abs, around)) <= 1.0


def test_noise_is_as_long_as_the_item(scenes):
    for scene in scenes:
        (noise,) = [t for t in scene.tracks if not t.group]
        assert noise.name == "ambience" and noise.level == scene.levels["noise"]
        assert noise.events[0].onset == 0
        assert noise.events[-1].end == pytest.approx(scene.seconds, abs=1e-3)


def test_a_range_of_overlap_is_drawn_from(pools):
    law = replace(LAW, num_spks=2, overlap=(0.1, 0.5))
    shares = []
    for number in range(100):
        scene = draw_conversation(pools, law, 0, "train", number)
        time = np.arange(0, scene.seconds, 0.01)
        count = sum(
            (event.onset <= time) & (time < event.end)
            for track in scene.readers
            for event in track.events
        )
        shares.append(np.mean(count[count > 0] > 1))
    assert kstest(shares, "uniform", (0.1, 0.4)).pvalue > 0.01


def test_a_plan_depends_on_seed_split_and_number_only(pools, scenes):
    np.random.seed(5)
    assert draw_conversation(pools, LAW, 0, "train", 7) == scenes[7]
    for arguments in ((1, "train", 7), (0, "test", 7), (0, "train", 8)):
        assert draw_conversation(pools, LAW, *arguments) != scenes[7]


def test_a_plan_survives_json(pools, scenes):
    for scene in scenes[:20]:
        again = Scene.from_dict(json.loads(json.dumps(scene.to_dict())))
        assert again == scene
    law = replace(LAW, room=RoomLaw(num_mics=2))
    scene = draw_conversation(pools, law, 0, "train", 3)
    assert Scene.from_dict(json.loads(json.dumps(scene.to_dict()))) == scene


def test_without_a_room_nothing_is_in_it(scenes):
    for scene in scenes[:20]:
        assert scene.room == NO_ROOM
        assert all(track.source is None for track in scene.tracks)


@pytest.mark.parametrize(
    "mics, noise_in_room, inside", [(1, False, 0), (1, True, 1), (2, False, 1)]
)
def test_in_a_room_everybody_has_a_place(pools, mics, noise_in_room, inside):
    room = RoomLaw(num_mics=mics)
    law = replace(LAW, num_spks=3, noise_in_room=noise_in_room, room=room)
    scene = draw_conversation(pools, law, 0, "train", 0)
    assert [t.source for t in scene.readers] == [0, 1, 2]
    assert len(scene.room.sources) == 3 + inside
    assert len(scene.room.mics) == mics and scene.room.rt60 > 0
    assert scene.tracks[-1].source == (3 if inside else None)


def test_readers_with_little_speech_are_left_out(pools):
    speech = {
        reader: clips[: 2 if int(reader[1:]) % 2 else None]
        for reader, clips in pools.speech.items()
    }
    pools = replace(pools, speech=speech)
    law = replace(LAW, num_spks=3, least_speech=60.0)
    for number in range(20):
        scene = draw_conversation(pools, law, 0, "train", number)
        assert all(int(t.group[1:]) % 2 == 0 for t in scene.readers)
    with pytest.raises(ValueError, match="has 0 readers with 6000 s of speech"):
        draw_conversation(pools, replace(law, least_speech=6e3), 0, "train", 0)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"seconds": 1.0}, "seconds is 1.0; give what is within 2 and 3600"),
        ({"seconds": "long"}, "seconds is long; give two numbers"),
        ({"overlap": 1.5}, "overlap is 1.5; give what is within 0 and 1"),
        ({"overlap": [0.5, 0.2]}, r"overlap is \[0.5, 0.2\]; give two"),
        ({"num_spks": [3, 1]}, "num_spks is .*; expected a number of talkers"),
        ({"at_once": 1}, "at_once is 1; give a whole number, 2 or more"),
        ({"at_once": 2.5}, "at_once is 2.5; give a whole number"),
        ({"tries": 0}, "tries is 0; give a whole number, 1 or more"),
        ({"least_speech": "a"}, "least_speech is 'a'; give 0 or more"),
        ({"crossfade": float("nan")}, "crossfade is nan; give 0 or more"),
        ({"pause": (-1.0, 1.0)}, "pause is .*; give what is within 0"),
        ({"gap": 3}, "gap is 3; give two numbers"),
        ({"away": 3}, "away is 3; give two numbers"),
        ({"level": 3}, "level is 3; give two numbers"),
        ({"away": (20, 40)}, r"away is \(20.0, 40.0\); .* within 0 and 18"),
        ({"longest": 0.1}, "longest is 0.1; give 0.5 or more"),
    ],
)
def test_impossible_laws_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        ConversationLaw(**changes)


def test_one_talker_alone_needs_nobody_at_once():
    assert ConversationLaw(num_spks=1, at_once=1).sources == ["s1"]
