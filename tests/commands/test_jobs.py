"""`spmamba separate`: what is separated, skipped and reported."""

import io
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from speechbrain_spmamba.commands import jobs
from tests.separating import noise, parts_model, talk


def _write(
    path, frames=4000, rate=8000, subtype="FLOAT", seed=0, channels=None
):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, talk(frames, channels, seed=seed), rate, subtype)
    return path


def _tree(folder="out"):
    return sorted(
        p.relative_to(folder).as_posix()
        for p in Path(folder).rglob("*")
        if p.is_file()
    )


def test_a_folder_comes_out_as_it_went_in(call):
    _write("in/a.wav")
    _write("in/day1/a.wav", seed=1)
    done = call("in", "--all-outputs")
    assert done.status == 0
    assert _tree() == ["a_s1.wav", "a_s2.wav", "day1/a_s1.wav", "day1/a_s2.wav"]
    assert done.out.decode().split() == [f"out/{name}" for name in _tree()]
    for place in ("a", "day1/a"):
        wave = soundfile.read(f"in/{place}.wav")[0]
        found = soundfile.read(f"out/{place}_s1.wav")[0]
        np.testing.assert_allclose(found, 0.75 * wave, atol=1e-6)


def test_one_line_of_report_a_recording(call):
    _write("in/a.wav", 16000)
    _write("in/b.wav", 8000)
    lines = call("in", "--all-outputs").err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("in/a.wav: 2.0 s in ")
    assert "s1: " in lines[0] and "s2: no one speaks" in lines[0]


def test_what_is_done_is_skipped(call):
    _write("a.wav")
    call("a.wav", "--all-outputs")
    before = Path("out/a_s1.wav").stat().st_mtime_ns
    done = call("a.wav", "--all-outputs")
    assert done.status == 0 and done.err == "a.wav: done before\n"
    assert done.out == b"out/a_s1.wav\nout/a_s2.wav\n"
    assert Path("out/a_s1.wav").stat().st_mtime_ns == before


def test_a_missing_output_is_made_again(call):
    _write("a.wav")
    call("a.wav", "--all-outputs")
    Path("out/a_s2.wav").unlink()
    assert call("a.wav", "--all-outputs").status == 0
    assert _tree() == ["a_s1.wav", "a_s2.wav"]


@pytest.mark.parametrize("change", ["recording", "model", "window"])
def test_what_is_out_of_date_is_made_again(call, change):
    _write("a.wav")
    call("a.wav")
    words, model = ["a.wav"], "model"
    if change == "recording":
        _write("a.wav", seed=1)
    elif change == "model":
        model = "other"
    else:
        words += ["--window", "5"]
    done = call(*words, model=model)
    assert done.status == 0 and "done before" not in done.err
    assert call(*words, model=model).err.endswith("done before\n")


def test_outputs_of_another_recording_are_not_replaced_unasked(call):
    _write("day1/a.wav")
    _write("day2/a.wav", seed=1)
    call("day1/a.wav")
    before = Path("out/a_s1.wav").read_bytes()
    done = call("day2/a.wav")
    assert done.status == 1 and "is not of this recording" in done.err
    assert Path("out/a_s1.wav").read_bytes() == before
    assert call("day2/a.wav", "--overwrite").status == 0
    assert Path("out/a_s1.wav").read_bytes() != before


def test_an_output_never_replaces_a_recording(call):
    for name in ("a.wav", "a_s1.wav"):
        _write(name)
    before = Path("a_s1.wav").read_bytes()
    done = call("a.wav", output=".")
    assert done.status == 1 and "a_s1.wav exists" in done.err
    link = Path("link_s1.wav")
    link.symlink_to("link.wav")
    _write("link.wav")
    done = call("link.wav", "--overwrite", output=".")
    assert done.status == 1 and "is also an output" in done.err
    assert Path("a_s1.wav").read_bytes() == before


def test_bad_recordings_are_reported_and_the_others_go_on(call):
    _write("in/b.wav")
    Path("in/a.wav").write_bytes(b"no audio")
    done = call("in", "none.wav", "no*.wav", "--all-outputs")
    assert done.status == 1
    lines = done.err.splitlines()
    assert sum(line.startswith("error: ") for line in lines) == 3
    assert any("in/a.wav cannot be read as audio" in line for line in lines)
    assert any("none.wav does not exist" in line for line in lines)
    assert any("no*.wav matches no audio" in line for line in lines)
    assert _tree() == ["b_s1.wav", "b_s2.wav"]


@pytest.mark.parametrize(
    "names", [["nothere.wav"], ["no*.wav"], ["a.wav", "empty"]]
)
def test_where_nothing_can_begin_the_status_is_2(call, names):
    Path("empty").mkdir()
    done = call(*names)
    assert done.status == 2 and done.err.count("\n") == 1
    assert done.err.startswith("error: ") and not Path("out").exists()


def test_format_subtype_and_rate_can_be_chosen(call):
    _write("a.wav", 16001, 16000)
    words = ("--format", "flac", "--subtype", "PCM_24", "--rate", "model")
    assert call("a.wav", *words).status == 0
    info = soundfile.info("out/a_s1.flac")
    assert (info.samplerate, info.frames) == (8000, 8001)
    assert (info.format, info.subtype) == ("FLAC", "PCM_24")


def test_flac_takes_the_nearest_sample_format(call):
    _write("a.wav")
    assert call("a.wav", "--format", "flac").status == 0
    assert soundfile.info("out/a_s1.flac").subtype == "PCM_24"


@pytest.mark.parametrize("kind", ["mp3", "opus"])
def test_compressed_voices_are_skipped_redone_and_removed_as_others_are(
    call, kind
):
    _write("a.wav")
    words = ("a.wav", "--format", kind, "--all-outputs", "--json")
    assert call(*words).status == 0
    voices = [f"a_s1.{kind}", f"a_s2.{kind}"]
    assert _tree() == ["a.json", *voices]
    assert all(soundfile.info(f"out/{n}").frames == 4000 for n in voices)
    assert call(*words).err == "a.wav: done before\n"
    done = call(*words, model="other")
    assert done.status == 0 and "done before" not in done.err
    # What is not of this recording is neither replaced nor removed.
    soundfile.write(f"out/a_s1.{kind}", talk(4000), 8000,
                    format="OGG" if kind == "opus" else "MP3",
                    subtype="OPUS" if kind == "opus" else None)  # fmt: skip
    done = call(*words)
    assert done.status == 1
    assert f"out/a_s1.{kind} exists and is not of this" in done.err
    assert call(*words, "--overwrite").status == 0
    done = call(*words, "--speakers", "1")
    assert "give one of the two" in done.err
    done = call(*words[:3], "--speakers", "1", "--json")
    assert f"out/a_s2.{kind} of an earlier run removed" in done.err
    assert _tree() == ["a.json", voices[0]]


def test_a_format_without_the_rate_has_the_next_one(call, caplog):
    _write("a.wav", 44100, 44100)
    assert call("a.wav", "--format", "opus", "--all-outputs").status == 0
    (record,) = caplog.records
    words = "a.wav: opus has no 44100 Hz, its files are at 48000 Hz"
    assert record.getMessage() == words
    info = soundfile.info("out/a_s2.opus")
    assert (info.samplerate, info.frames, info.subtype) == (
        48000,
        48000,
        "OPUS",
    )
    call("a.wav", "--format=opus", "--rate=model", "--all-outputs")
    assert len(caplog.records) == 1
    assert soundfile.info("out/a_s1.opus").frames == 8000
    # In memory, the rate is that of the recording whatever files have.
    est = parts_model().separate_file(
        "a.wav", "two", format="opus", all_outputs=True
    )
    assert len(est) == 44100
    assert soundfile.info("two/a_s1.opus").frames == 48000


def test_channels_that_mp3_does_not_hold_are_refused(call):
    _write("a.wav")
    words = ("a.wav", "--format", "mp3")
    done = call(*words, model="three", output="-")
    assert done.status == 1 and not done.out
    assert "mp3 holds up to 2 channels at 48000 Hz, not 3 at 8000" in done.err
    done = call(*words, output="-")
    with soundfile.SoundFile(io.BytesIO(done.out)) as file:
        assert (file.format, file.channels, file.frames) == ("MP3", 2, 4000)


def test_only_the_most_active_speakers(call):
    wave = noise(4000)
    wave[:2000] *= 0.01
    soundfile.write("a.wav", wave, 8000, "FLOAT")
    assert call("a.wav", "--speakers", "1").status == 0
    assert _tree() == ["a_s1.wav"]
    found = soundfile.read("out/a_s1.wav")[0]
    np.testing.assert_allclose(found, 0.75 * wave, atol=1e-6)


@pytest.mark.parametrize(
    "words, message",
    [
        (["--speakers", "3"], "3 speakers were asked for"),
        (["--window", "0"], "window is 0"),
        (["--window", "1", "--overlap", "0.9"], "at most half"),
        (["--batch", "0"], "--batch is 0"),
        (["--jobs", "0"], "--jobs is 0"),
        (["--speakers", "1", "--all-outputs"], "give one of the two"),
        (["--rttm", "--stream"], "--rttm is written beside the voices"),
        (["--format", "flac", "--subtype", "FLOAT"], "flac holds no FLOAT"),
        (["b.wav"], "cannot share standard output"),
    ],
)
def test_settings_that_make_no_sense_end_the_command(call, words, message):
    _write("a.wav")
    done = call("a.wav", *words, output="-" if "b.wav" in words else "out")
    assert done.status == 2 and message in done.err
    assert not Path("out").exists()


def test_sources_sum_to_the_mixture_if_asked(call, monkeypatch):
    model = parts_model(shares=(0.3, 0.3))
    monkeypatch.setattr(jobs, "load_model", lambda *_: model)
    _write("a.wav", 30000, 16000)
    words = ("--mixture-consistent", "--all-outputs")
    assert call("a.wav", *words).status == 0
    parts = [soundfile.read(f"out/a_s{n}.wav")[0] for n in (1, 2)]
    np.testing.assert_allclose(
        sum(parts), soundfile.read("a.wav")[0], atol=1e-6
    )


def test_standard_input_to_standard_output(call, monkeypatch):
    path = _write("a.wav", 4000, channels=2)
    stdin = SimpleNamespace(buffer=io.BytesIO(path.read_bytes()))
    monkeypatch.setattr(sys, "stdin", stdin)
    done = call("-", output="-")
    assert done.status == 0 and "s1: " in done.err
    wave, rate = soundfile.read(io.BytesIO(done.out))
    mono = soundfile.read(path)[0].mean(1)
    assert rate == 8000
    np.testing.assert_allclose(wave[:, 0], 0.75 * mono, atol=1e-6)
    np.testing.assert_allclose(wave[:, 1], 0.25 * mono, atol=1e-6)
    assert not Path("-").exists()


def test_standard_input_to_a_folder_is_never_taken_for_done(call, monkeypatch):
    path = _write("a.wav")
    for status in (0, 1):
        stdin = SimpleNamespace(buffer=io.BytesIO(path.read_bytes()))
        monkeypatch.setattr(sys, "stdin", stdin)
        assert call("-").status == status
    assert _tree() == ["stdin_s1.wav"]


def test_each_rank_takes_its_share(call, monkeypatch):
    for number in range(5):
        _write(f"in/{number}.wav")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(
        "speechbrain_spmamba.commands.distributed.highest_status", lambda s: s
    )
    for rank in "01":
        monkeypatch.setenv("RANK", rank)
        names = call("in").out.decode().split()
        assert [Path(p).name[:4] for p in names] == [
            f"{n}_s1" for n in range(int(rank), 5, 2)
        ]
    assert len(_tree()) == 5


def test_names_in_any_language_and_of_any_length(call):
    for name in ("Größe 日本語 🎤", "x" * 245, "two\nlines", "-dash"):
        _write(f"in/{name}.wav")
    Path("in", os.fsdecode(b"t\xe9.wav")).write_bytes(
        Path("in/-dash.wav").read_bytes()
    )
    done = call("in", "--all-outputs", "--json")
    assert done.status == 0, done.err
    assert len(done.err.splitlines()) == 5
    assert len(list(Path("out").iterdir())) == 15


def test_a_name_without_room_for_the_number_is_reported(call):
    _write(f"in/{'x' * 251}.wav")
    done = call("in")
    assert done.status == 1 and "File name too long" in done.err
    assert not Path("out").exists() or not _tree()


def test_an_output_folder_that_is_a_file_is_reported(call):
    _write("a.wav")
    Path("out").write_text("")
    done = call("a.wav")
    assert done.status == 1 and done.err.startswith("error: a.wav: ")


@pytest.mark.slow
@pytest.mark.parametrize("launch", ["jobs", "torchrun"])
def test_processes_share_the_work(tmp_path, small_model, launch):
    import torch

    from speechbrain_spmamba.weights.folder_yaml import TAIL
    from tests.small_models import SMALL

    (tmp_path / "model").mkdir()
    torch.save(small_model().state_dict(), tmp_path / "model/separator.ckpt")
    text = "sample_rate: 8000\nnum_spks: 2\n"
    text += "separator: !new:speechbrain_spmamba.models.spmamba.SPMamba\n"
    text += "".join(f"    {k}: {v}\n" for k, v in SMALL["spmamba"].items())
    (tmp_path / "model/hyperparams.yaml").write_text(text + TAIL)
    for number in range(4):
        _write(tmp_path / f"in/{number}.wav", seed=number)
    (tmp_path / "in/1.wav").write_bytes(b"no audio")
    words = ["separate", "in", "-m", "model", "-o", "out", "--all-outputs"]
    command = [sys.executable, "-m", "speechbrain_spmamba.cli", *words]
    if launch == "jobs":
        command += ["--jobs", "2"]
    else:
        command[1:3] = [
            "-m", "torch.distributed.run", "--standalone",
            "--nproc_per_node=2", "-m", "speechbrain_spmamba.cli",
        ]  # fmt: skip
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.count("error: in/1.wav cannot be read") == 1
    assert len(_tree(tmp_path / "out")) == 6
