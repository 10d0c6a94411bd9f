"""RTTM: a line an utterance, ten fields each, in order of time."""

from dataclasses import replace

from speechbrain_spmamba.prepare.scenes.conversation import (
    ConversationLaw,
    draw_conversation,
)
from speechbrain_spmamba.prepare.scenes.rttm import as_rttm
from tests.prepare.small_scenes import imaginary_pools


def test_every_utterance_is_a_line():
    pools = imaginary_pools()
    scenes = [
        draw_conversation(pools, ConversationLaw(), 0, "train", number)
        for number in range(3)
    ]
    plans = [
        {"ID": f"item{n}", "scene": scene.to_dict()}
        for n, scene in enumerate(scenes)
    ]
    lines = [line.split(" ") for line in as_rttm(plans).splitlines()]
    assert all(len(fields) == 10 for fields in lines)
    assert {fields[0] for fields in lines} == {"SPEAKER"}
    for number, scene in enumerate(scenes):
        said = [
            (float(onset), float(seconds), reader)
            for _, item, _, onset, seconds, _, _, reader, _, _ in lines
            if item == f"item{number}"
        ]
        expected = [
            (round(e.onset, 3), round(e.end - e.onset, 3), track.group)
            for track in scene.readers
            for e in track.events
        ]
        assert said == sorted(said) == sorted(expected)


def test_names_are_single_words():
    scene = draw_conversation(
        imaginary_pools(), ConversationLaw(num_spks=1), 0, "train", 0
    )
    track = replace(scene.tracks[0], group="A. Reader")
    scene = replace(scene, tracks=(track, *scene.tracks[1:]))
    plan = {"ID": "0 A. Reader", "scene": scene.to_dict()}
    fields = as_rttm([plan]).splitlines()[0].split()
    assert fields[1] == "0_A._Reader" and fields[7] == "A._Reader"
    assert len(fields) == 10
