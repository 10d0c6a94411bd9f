"""`spmamba separate` writes the voices in which somebody speaks, and when."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.separating import talker

RATE = 8000


def _record(*seconds, path="a.wav"):
    """A made-up talker who speaks in these seconds of four."""
    wave = talker(0, 4.0, pause=0.0).reshape(4, RATE)
    silent = [second for second in range(4) if second not in seconds]
    wave[silent] = 0
    soundfile.write(path, wave.reshape(-1), RATE, "FLOAT")


def _tree():
    return sorted(p.name for p in Path("out").iterdir())


def test_a_leak_is_no_voice(call):
    _record(0, 1, 2, 3)
    done = call("a.wav")
    assert (done.status, done.out) == (0, b"out/a_s1.wav\n")
    assert "; 1 talks; s1: " in done.err and "s2" not in done.err
    assert _tree() == ["a_s1.wav"]
    whole = call("a.wav", "--all-outputs")
    assert "; 1 talks; s1: " in whole.err and "s2: no one speaks" in whole.err
    assert _tree() == ["a_s1.wav", "a_s2.wav"]


def test_voices_are_numbered_in_the_order_of_the_outputs(call):
    _record(0, 2, 3)  # of three who take turns, the second is silent
    done = call("a.wav", model="three")
    assert "; 2 talk; s1: " in done.err
    assert _tree() == ["a_s1.wav", "a_s2.wav"]
    last = soundfile.read("out/a_s2.wav")[0].reshape(4, RATE)
    assert last[2].any() and not last[[0, 1, 3]].any()


def test_where_nobody_talks_nothing_is_written(call):
    _record()
    done = call("a.wav")
    assert (done.status, done.out) == (0, b"")
    assert done.err.endswith("; nobody talks: nothing written\n")
    assert _tree() == []


def test_how_many_talk_is_said_of_what_is_not_written_too(call):
    _record(0, 1, 2, 3)
    done = call("a.wav", "--speakers", "1", model="turns")
    assert "; 2 talk; s1: " in done.err and _tree() == ["a_s1.wav"]


def test_who_speaks_when_is_written_beside_the_voices(call):
    _record(0, 1, 2, 3)
    words = ("--rttm", "--labels", "--json")
    done = call("a.wav", *words, model="turns")
    names = ["a_s1.wav", "a_s2.wav", "a.rttm", "a.txt", "a.json"]
    assert done.out.decode().split() == [f"out/{name}" for name in names]
    told = json.loads(Path("out/a.json").read_text())
    assert (told["recording"], told["seconds"]) == ("a", 4.0)
    assert [(t["name"], t["file"]) for t in told["talkers"]] == [
        ("s1", "a_s1.wav"),
        ("s2", "a_s2.wav"),
    ]
    rttm = [x.split() for x in Path("out/a.rttm").read_text().splitlines()]
    labels = [x.split("\t") for x in Path("out/a.txt").read_text().splitlines()]
    assert len(told["segments"]) == len(rttm) == len(labels) > 3
    for segment, line, (start, end, name) in zip(
        told["segments"], rttm, labels, strict=True
    ):
        middle = (segment["start"] + segment["end"]) / 2
        assert segment["talker"] == f"s{1 + int(middle) % 2}"
        assert (
            line[:3] == ["SPEAKER", "a", "1"]
            and line[7] == name == segment["talker"]
        )
        length = segment["end"] - segment["start"]
        assert float(line[3]) == pytest.approx(segment["start"], abs=1e-3)
        assert float(line[4]) == pytest.approx(length, abs=2e-3)
        assert (float(start), float(end)) == (
            pytest.approx(segment["start"], abs=1e-3),
            pytest.approx(segment["end"], abs=1e-3),
        )
    again = call("a.wav", *words, model="turns")
    assert again.out == done.out and "done before" in again.err


def test_voices_of_an_earlier_run_do_not_stay_beside_the_new_ones(call):
    _record(0, 1, 2, 3)
    assert call("a.wav", "--rttm", model="three").status == 0
    soundfile.write("out/a_s4.wav", np.zeros(9), RATE)  # of another program
    assert _tree() == ["a.rttm", *(f"a_s{n}.wav" for n in (1, 2, 3, 4))]
    _record(0, 2)
    done = call("a.wav", model="turns")
    assert _tree() == ["a_s1.wav", "a_s4.wav"]
    gone = "out/a_s2.wav, out/a_s3.wav, out/a.rttm of an earlier run removed"
    assert f"; {gone}; out/a_s4.wav left, not of this recording" in done.err
    assert call("a.wav", model="turns").err == "a.wav: done before\n"
    _record()
    done = call("a.wav", model="turns")
    assert done.status == 0 and "; nobody talks: nothing written" in done.err
    assert _tree() == ["a_s4.wav"]


def test_a_voice_too_many_or_too_few_is_not_done(call):
    _record(0, 1, 2, 3)
    call("a.wav", model="turns")
    second = Path("out/a_s2.wav").read_bytes()
    Path("out/a_s2.wav").unlink()
    assert "done before" not in call("a.wav", model="turns").err
    _record(0, 2)
    call("a.wav", model="turns")
    Path("out/a_s2.wav").write_bytes(second)  # as of a run that was killed
    assert "of an earlier run removed" in call("a.wav", model="turns").err
    assert _tree() == ["a_s1.wav"]


def test_with_overwrite_what_is_of_another_recording_is_named(call):
    Path("day1").mkdir()
    _record(0, 1, 2, 3, path="day1/a.wav")
    call("day1/a.wav", model="turns")
    _record(0, 2)
    done = call("a.wav", "--overwrite", model="turns")
    assert "; out/a_s2.wav left, not of this recording" in done.err
    assert _tree() == ["a_s1.wav", "a_s2.wav"]


def test_texts_of_others_and_edited_ones_are_not_replaced_unasked(call):
    _record(0, 1, 2, 3)
    Path("a.txt").write_text("what is said in the recording\n")
    done = call("a.wav", "--labels", output=".")
    assert done.status == 1 and "a.txt exists and is not of this" in done.err
    assert not Path("a_s1.wav").exists()
    assert call("a.wav", output=".").status == 0
    assert Path("a.txt").read_text() == "what is said in the recording\n"

    call("a.wav", "--labels")
    labels = Path("out/a.txt")
    edited = labels.read_text().replace("s1", "Anna")
    labels.write_text(edited)
    done = call("a.wav", "--labels")
    assert done.status == 1 and "out/a.txt exists" in done.err
    _record(0, 1)
    assert call("a.wav").status == 0 and labels.read_text() == edited
    assert call("a.wav", "--labels", "--overwrite").status == 0
    assert labels.read_text() != edited


def test_a_text_that_is_missing_is_made_again(call):
    _record(0, 1, 2, 3)
    call("a.wav")
    assert "done before" not in call("a.wav", "--json").err
    Path("out/a.json").unlink()
    assert "done before" not in call("a.wav", "--json").err
    assert "done before" in call("a.wav", "--json").err
    assert "done before" in call("a.wav").err
    assert _tree() == ["a.json", "a_s1.wav"]


def test_texts_of_nobody_are_written_and_written_again(call):
    _record()
    words = ("--rttm", "--labels", "--json")
    for _ in range(2):
        done = call("a.wav", *words)
        assert done.status == 0 and done.err.endswith("; nobody talks\n")
        assert _tree() == ["a.json", "a.rttm", "a.txt"]
    told = json.loads(Path("out/a.json").read_text())
    assert told["talkers"] == told["segments"] == []
    assert Path("out/a.rttm").read_bytes() == b""
    _record(0)
    assert call("a.wav", *words).status == 0
    assert json.loads(Path("out/a.json").read_text())["segments"]


def test_two_formats_share_their_texts(call):
    _record(0, 1, 2, 3)
    assert call("a.wav", "--rttm").status == 0
    assert call("a.wav", "--rttm", "--format", "flac").status == 0
    assert _tree() == ["a.rttm", "a_s1.flac", "a_s1.wav"]


def test_a_name_with_spaces_and_lines_is_one_field(call):
    _record(0, 1, 2, 3, path="two\nlines, and so on.wav")
    done = call("two\nlines, and so on.wav", "--rttm", "--json")
    assert done.status == 0 and len(done.err.splitlines()) == 1
    lines = Path("out/two\nlines, and so on.rttm").read_text().splitlines()
    assert {line.split()[1] for line in lines} == {"two_lines,_and_so_on"}
    assert all(len(line.split()) == 10 for line in lines)
    told = json.loads(Path("out/two\nlines, and so on.json").read_text())
    assert told["recording"] == "two\nlines, and so on"


def test_recordings_of_one_stem_have_texts_of_their_own(call):
    for path in ("in/a.wav", "in/a.flac"):
        Path("in").mkdir(exist_ok=True)
        wave = talker(0, 2.0)
        soundfile.write(path, wave, RATE)
    assert call("in", "--rttm").status == 0
    names = [
        f"a.{kind}{end}"
        for kind in ("flac", "wav")
        for end in (".rttm", "_s1.wav")
    ]
    assert _tree() == sorted(names)


@pytest.mark.parametrize("form", ["rttm", "labels", "json"])
def test_texts_do_not_go_to_standard_output(call, form):
    _record(0, 1, 2, 3)
    done = call("a.wav", f"--{form}", output="-")
    assert done.status == 2 and done.err.count("\n") == 1
    assert f"--{form} is written beside the voices" in done.err


def test_standard_output_has_every_output(call):
    _record(0)
    done = call("a.wav", output="-")
    assert done.status == 0 and "; 1 talks; s1: " in done.err
    Path("b.wav").write_bytes(done.out)
    assert soundfile.info("b.wav").channels == 2
