"""Frames become segments, and segments what other programs read."""

import json
import re

import numpy as np
import pytest
import soundfile

from speechbrain_spmamba.recordings.activity import Activity
from speechbrain_spmamba.recordings.segments import (
    Segment,
    as_json,
    as_labels,
    as_rttm,
    find_segments,
    segment_text,
    text_path,
)
from speechbrain_spmamba.recordings.separation import Separated
from tests.separating import parts_model, talker

SEGMENTS = [Segment(0.0, 1.25, "s2"), Segment(1.0 / 3, 2.0, "s1")]


def _frames(segments, names, shape):
    """The slow way back: which frames have their middle in a segment."""
    found = np.zeros(shape, bool)
    for frame in range(shape[0]):
        for one in segments:
            if one.start <= frame + 0.5 < one.end:
                found[frame, names.index(one.talker)] = True
    return found


@pytest.mark.parametrize("seed", range(5))
def test_segments_say_what_the_frames_say(seed):
    speaking = np.random.default_rng(seed).random((50, 3)) < 0.6
    names = ["s1", "s2", "s3"]
    segments = find_segments(speaking, names, 1.0, 50.0)
    np.testing.assert_array_equal(
        _frames(segments, names, speaking.shape), speaking
    )
    assert segments == sorted(segments, key=lambda one: one.start)
    for name in names:  # as long as can be
        own = [one for one in segments if one.talker == name]
        assert all(a.end < b.start for a, b in zip(own, own[1:], strict=False))


def test_no_segment_ends_after_the_recording():
    (one,) = find_segments(np.ones((3, 1), bool), ["s1"], 0.5, 1.2)
    assert one == Segment(0.0, 1.2, "s1")


@pytest.mark.parametrize("shape", [(0, 0), (0, 2), (4, 0), (4, 2)])
def test_where_nobody_speaks_there_are_none(shape):
    names = ["s1", "s2"][: shape[1]]
    assert find_segments(np.zeros(shape, bool), names, 0.032, 1.0) == []


def test_rttm_has_ten_fields_whatever_the_name():
    for name in ("a b", "a\tb", "two\nlines", "x\u3000y", "Größe", "\udce9"):
        lines = as_rttm(SEGMENTS, name).encode().decode().splitlines()
        assert len(lines) == 2
        for line in lines:
            fields = line.split()
            assert len(fields) == 10 and fields[1] == re.sub(
                r"\s|\udce9", "_", name
            )
    assert lines[1].split()[3:5] == ["0.333", "1.667"]


def test_labels_are_read_back_as_they_were():
    rows = [line.split("\t") for line in as_labels(SEGMENTS).splitlines()]
    for (start, end, name), one in zip(rows, SEGMENTS, strict=True):
        assert (float(start), float(end), name) == (
            pytest.approx(one.start, abs=1e-6),
            pytest.approx(one.end, abs=1e-6),
            one.talker,
        )


def test_json_has_talkers_and_segments():
    found = Activity(True, 1.0 / 3, 0.1, -23.456)
    name = "two\nlines \udce9"
    text = as_json(SEGMENTS, name, 4.0, [("s1", "a_s1.wav", found)])
    assert text.isascii() and json.loads(text) == {
        "recording": name,
        "seconds": 4.0,
        "talkers": [
            {
                "name": "s1",
                "file": "a_s1.wav",
                "seconds": 0.333,
                "level_db": -23.5,
            }
        ],
        "segments": [
            {"start": 0.0, "end": 1.25, "talker": "s2"},
            {"start": 0.333, "end": 2.0, "talker": "s1"},
        ],
    }


def test_of_a_voice_in_which_nobody_speaks_nothing_is_told(tmp_path):
    silent = Activity(False, 0.0, 0.0, float("-inf"))
    heard = Activity(True, 1.0, 0.5, -20.0)
    found = Separated(
        [tmp_path / "a_s1.wav", tmp_path / "a_s2.wav"],
        [silent, heard],
        np.array([[False, True]] * 2),
        0.5, 1, 2.0, 8000, 1.0, False,
    )  # fmt: skip
    told = json.loads(segment_text("json", found, "a"))
    assert [one["name"] for one in told["talkers"]] == ["s2"]
    assert segment_text("labels", found, "a") == "0.000000\t1.000000\ts2\n"
    assert segment_text("rttm", found, "a").count("\n") == 1


def test_a_text_is_named_after_the_whole_stem():
    assert text_path("out/a.1.wav", "json").name == "a.1.wav.json"


def test_segments_do_not_drift_in_long_recordings(tmp_path):
    """A frame is a whole number of samples, and 32 ms only nearly."""
    rate = 11025
    voice = 0.3 * talker(0, 4.0)[: 2 * rate]
    soundfile.write(
        tmp_path / "a.wav",
        np.concatenate([voice, np.zeros(296 * rate), voice]),
        rate,
    )
    model = parts_model(rate, shares=(1.0,))
    found = model.separate_to_files(tmp_path / "a.wav", tmp_path).segments
    first, last = ([s for s in found if (s.start > 9) == k] for k in (0, 1))
    assert first[0].start == pytest.approx(last[0].start - 298, abs=0.05)
    assert first[-1].end == pytest.approx(last[-1].end - 298, abs=0.05)
