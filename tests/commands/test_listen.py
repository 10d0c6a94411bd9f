"""`spmamba listen`: what a microphone hears becomes files, and is played.

The microphone is made of numpy, see `tests/fake_sound.py`.
"""

import re
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from speechbrain_spmamba import cli
from speechbrain_spmamba.builtin.models import LIVE
from speechbrain_spmamba.commands.listen_messages import (
    LevelMeter,
    heard_line,
    meter_text,
)
from tests import fake_sound
from tests.live import PUBLISHED, live_folder, live_model
from tests.separating import noise
from tests.test_strange_files import make_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return live_folder(tmp_path_factory.mktemp("live") / "model")


@pytest.fixture(scope="module")
def offline(folder):
    """What the model gives of a whole wave, ``[n, S]``."""
    model = live_model(folder)
    return lambda wave: model.separate_array(wave, 8000)


@pytest.fixture
def call(folder, tmp_path, monkeypatch, capfd):
    """Runs the command: status, names of the files, their voices, errors."""
    monkeypatch.chdir(tmp_path)

    def run(*words, model=folder):
        words = ["listen", *words, "-m", str(model), "--device", "cpu"]
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main(words)
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        paths = out.split()
        waves = [soundfile.read(path)[0] for path in paths]
        return SimpleNamespace(
            status=stop.value.code,
            paths=paths,
            voices=np.stack(waves, 1) if waves else None,
            err=[x for x in err.splitlines() if "selective_scan" not in x],
        )

    return run


def test_so_many_seconds_become_files(call, offline, monkeypatch):
    wave = noise(8000)
    fake = fake_sound.install(monkeypatch, wave)
    done = call("--seconds", "0.5", "--output", "out")
    assert done.status == 0
    for number, path in enumerate(done.paths):
        pattern = rf"out/live-\d{{8}}-\d{{6}}_s{number + 1}.wav"
        assert re.fullmatch(pattern, path)
    assert sorted(done.paths) == sorted(map(str, Path("out").iterdir()))
    assert done.voices.shape == (4000, 2)
    np.testing.assert_allclose(done.voices, offline(wave[:4000]), atol=5e-5)
    (asked,) = fake.asked
    assert (asked["samplerate"], asked["blocksize"]) == (8000, 32)
    assert (asked["channels"], asked["device"]) == (1, None)
    assert done.err == [
        "listening at 8000 Hz; voices come 8 ms later; Ctrl-C ends it",
        "0.5 s heard; at most 4 ms behind; 0 blocks lost",
    ]


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_its_normal_end(call, offline, monkeypatch, which):
    def on_block(number):
        if number == 50:
            assert len(list(Path().glob(".live-*.part"))) == 2
            signal.raise_signal(which)

    wave = noise(8000)
    fake_sound.install(monkeypatch, wave, on_block=on_block)
    done = call()
    assert done.status == 0 and len(done.voices) == 50 * 32
    np.testing.assert_allclose(done.voices, offline(wave[:1600]), atol=5e-5)
    assert sorted(done.paths) == sorted(map(str, Path().iterdir()))


def test_a_microphone_that_is_pulled_out_leaves_what_it_heard(
    call, monkeypatch
):
    fake_sound.install(monkeypatch, noise(640), ends=True)
    done = call()
    assert done.status == 1 and len(done.voices) == 640
    assert done.err[-1].endswith("has ended; is it still connected?")


def test_what_gives_nothing_leaves_no_files(call, monkeypatch):
    fake_sound.install(monkeypatch, noise(0), ends=True)
    done = call()
    assert (done.status, done.paths) == (2, [])
    assert "the microphone gave nothing" in done.err[-1]
    assert not list(Path().iterdir())


def test_blocks_that_wait_are_taken_together_and_that_is_told(
    call, offline, monkeypatch
):
    """A second and a half comes while nobody looks."""
    wave = noise(24000)
    fake_sound.install(
        monkeypatch, wave, at_once=375, overflows=[3, 70], ends=True
    )
    done = call("--seconds", "3")
    warned, told = done.err[1:]
    assert warned.startswith("warning: 1.5 s of sound wait: this processor is")
    assert told == "3.0 s heard; at most 1500 ms behind; 2 blocks lost"
    np.testing.assert_allclose(done.voices, offline(wave), atol=5e-5)


def test_a_block_without_finite_samples_is_lost_and_no_more(
    call, offline, monkeypatch
):
    wave = noise(4000)
    wave[100:104] = [np.nan, np.inf, -np.inf, np.nan]
    fake_sound.install(monkeypatch, wave)
    done = call("--seconds", "0.5")
    assert done.status == 0 and done.err[-1].endswith("; 1 blocks lost")
    wave[100:104] = 0
    np.testing.assert_allclose(done.voices, offline(wave), atol=5e-5)


def test_voices_are_played_behind_a_little_silence(call, monkeypatch):
    fake = fake_sound.install(monkeypatch, noise(8000))
    done = call("--seconds", "0.5", "--play", "2", "--microphone", "USB")
    asked = {options["channels"]: options for options in fake.asked}
    assert (asked[1]["device"], asked[2]["device"]) == ("USB", 2)
    assert (asked[2]["samplerate"], asked[2]["blocksize"]) == (8000, 32)
    played = np.concatenate(fake.played)
    silence = int(played.any(1).argmax())
    # Until 50 ms wait; the voices themselves are a hop and 32 samples late.
    assert 400 <= silence <= 400 + 3 * 32
    sound = played[silence:]
    np.testing.assert_allclose(sound, done.voices[: len(sound)], atol=5e-5)
    assert "not played" not in done.err[-1]


def test_what_comes_too_late_is_not_played_but_written(call, monkeypatch):
    fake = fake_sound.install(monkeypatch, noise(8000), at_once=50)
    done = call("--seconds", "1", "--play", "default")
    assert fake.asked[1]["device"] is None and len(done.voices) == 8000
    assert done.err[-1].endswith(" s not played")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--microphone", "9"], "the microphone 9 cannot be opened with 1 "),
        (["--play", "9"], "the output device 9 cannot be opened with 2 chan"),
        (["--seconds", "0"], "--seconds is 0.0; give more than 0"),
        (["--seconds", "nan"], "--seconds is nan; give more than 0"),
    ],
)
def test_what_cannot_be_is_one_line(call, monkeypatch, words, message):
    fake_sound.install(monkeypatch, noise(800), missing=[9])
    done = call(*words)
    assert (done.status, done.paths) == (2, [])
    assert len(done.err) == 1 and message in done.err[0]
    assert not list(Path().iterdir())


def test_a_model_that_hears_everything_is_refused(call, monkeypatch, tmp_path):
    fake_sound.install(monkeypatch, noise(800))
    done = call(model=make_folder(tmp_path / "whole", "spmamba"))
    assert done.status == 2 and len(done.err) == 1
    assert "is not causal" in done.err[0] and f"--model {LIVE}" in done.err[0]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ImportError, "pip install 'speechbrain_spmamba[live]'"),
        (OSError, "`apt-get install libportaudio2`"),
    ],
)
def test_what_is_not_installed_is_named(call, monkeypatch, error, message):
    class Finder:
        def find_spec(self, name, *_):
            if name == "sounddevice":
                raise error("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    done = call()
    assert done.status == 2 and message in done.err[0] and len(done.err) == 1


def test_bars_grow_with_the_level_and_the_line_does_not():
    texts = [meter_text([x, -20.0]) for x in (-np.inf, -59.0, -30.0, 0.0, 6.0)]
    assert [text[: text.index("dB")].count("#") for text in texts] == [
        *(0, 0, 10, 20, 20)
    ]
    assert len({len(text) for text in texts}) == 1
    assert texts[-1].startswith(f"s1 |{'#' * 20}|    6 dB   s2 |#####")


def test_the_meter_is_drawn_ten_times_a_second_on_one_line(capsys):
    meter = LevelMeter(8000, visible=True)
    for _ in range(100):
        meter.push(np.full((80, 2), 0.1, "float32"))
    meter.clear()
    err = capsys.readouterr().err
    assert err.count("-20 dB") == 20 and "\n" not in err
    assert err.endswith(" \r")
    meter = LevelMeter(8000, visible=False)
    meter.push(np.ones((8000, 2), "float32"))
    meter.clear()
    assert capsys.readouterr().err == ""


def test_the_report_counts_what_was_clipped():
    heard = SimpleNamespace(
        sample_rate=8000, heard=8000, behind=0.024, lost=1, gone=False
    )
    line = heard_line(heard, SimpleNamespace(clipped=7))
    assert line == (
        "1.0 s heard; at most 24 ms behind; 1 blocks lost; 7 samples beyond "
        "full scale clipped"
    )


@pytest.mark.slow
def test_the_size_of_the_package_keeps_up_with_the_clock(
    call, monkeypatch, tmp_path
):
    """Twenty seconds as they pass: nothing is lost, little waits at the end."""
    folder = live_folder(tmp_path / "model", PUBLISHED)
    fake = fake_sound.install(monkeypatch, noise(160_000), clock=True)
    done = call("--seconds", "20", model=folder)
    assert done.status == 0 and done.voices.shape == (160_000, 2)
    assert "20.0 s heard" in done.err[-1] and "; 0 blocks lost" in done.err[-1]
    # What came until it was told to stop.
    waited = fake.running.given * 96 / 8000 - 20
    assert 0 <= waited < 0.5
