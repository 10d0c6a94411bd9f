"""Channels that cancel are said, and one of them can be chosen."""

import io
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from speechbrain_spmamba import cli
from speechbrain_spmamba.commands import jobs
from speechbrain_spmamba.demo import voices
from speechbrain_spmamba.recordings.channels import Downmix
from tests import SHARED
from tests.separating import noise, parts_model

CASES = SHARED / "cases"


def antiphase(frames=8000, rest=1e-3):
    """Two channels of opposite sign and a little noise of their own."""
    wave = noise(frames)
    return np.stack([wave, -wave], 1) + noise(frames, 2, 0.1 * rest, seed=1)


def cancels(wave):
    downmix = Downmix()
    for block in np.split(wave, [1, 10, len(wave) // 2]):
        downmix(block)
    return downmix.cancels


@pytest.fixture
def call(tmp_path, monkeypatch, capfdbinary):
    """Runs `spmamba separate`; gives its status and messages."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(jobs, "load_model", lambda *_: parts_model())
    soundfile.write("a.wav", antiphase(), 8000, "FLOAT")

    def run(*words, output="out"):
        with pytest.raises(SystemExit) as stop:
            # Noise is nobody, and yet told apart by its channels here.
            options = ["--all-outputs", "-m", "model", "-o", output]
            cli.main(["separate", *words, *options])
        out, err = capfdbinary.readouterr()
        return SimpleNamespace(
            status=stop.value.code, out=out, err=err.decode()
        )

    yield run
    jobs.loaded.cache_clear()


@pytest.mark.parametrize("channels", [2, 3, 8, 64])
def test_unrelated_channels_do_not_cancel(channels):
    assert not cancels(noise(4000, channels))


@pytest.mark.parametrize("rest", [0.0, 1e-3, 0.03])
def test_channels_of_opposite_sign_cancel(rest):
    assert cancels(antiphase(4000, rest))


@pytest.mark.parametrize(
    "wave",
    [
        np.zeros((100, 2)),
        np.zeros((100, 1)),
        noise(4000, 1),
        antiphase(4000, 0.5),
        noise(4000, 2) * (1, 0),
    ],
)
def test_silence_and_single_channels_do_not_cancel(wave):
    assert not cancels(wave)


def test_a_recording_whose_channels_cancel_is_named(call, caplog):
    done = call("a.wav")
    assert done.status == 0
    line = done.err.splitlines()[-1]
    assert line.startswith("a.wav: ") and "channels cancel" in line
    assert "--channel 1" in line
    assert "a.wav: the channels cancel" in caplog.text


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("way", ["file", "folder", "pipe"])
def test_a_channel_can_be_chosen(call, caplog, monkeypatch, way, number):
    wave = antiphase()[:, number - 1]
    if way == "pipe":
        stdin = SimpleNamespace(buffer=io.BytesIO(Path("a.wav").read_bytes()))
        monkeypatch.setattr(sys, "stdin", stdin)
    words = {"file": ["a.wav"], "folder": ["."], "pipe": ["-"]}[way]
    output = "-" if way == "pipe" else "out"
    done = call(*words, "--channel", str(number), output=output)
    assert done.status == 0 and "cancel" not in done.err + caplog.text
    if way == "pipe":
        found = soundfile.read(io.BytesIO(done.out))[0][:, 0]
    else:
        found = soundfile.read("out/a_s1.wav")[0]
    np.testing.assert_allclose(found, 0.75 * wave, atol=1e-6)


def test_another_channel_is_another_separation(call):
    call("a.wav", "--channel", "1")
    assert "done before" in call("a.wav", "--channel", "1").err
    assert "done before" not in call("a.wav", "--channel", "2").err


def test_a_channel_that_is_not_there_is_named(call):
    done = call("a.wav", "--channel", "3")
    assert done.status == 1
    assert "a.wav: channel 3 was asked for, and there are 2" in done.err
    assert call("a.wav", "--channel", "0").status == 2


def test_in_python_as_well(tmp_path, caplog):
    model, wave = parts_model(), antiphase()
    path = tmp_path / "a.wav"
    soundfile.write(path, wave, 8000, "FLOAT")

    def separations(**options):
        yield model.separate_file(path, **options).numpy()
        yield model.separate_array(wave, 8000, **options)
        blocks = model.separate_stream(np.split(wave, 4), 8000, **options)
        yield np.concatenate(list(blocks))

    for est in separations(channel=2):
        np.testing.assert_allclose(est[:, 0], 0.75 * wave[:, 1], atol=1e-4)
    assert "cancel" not in caplog.text
    names = "a.wav", "the samples", "the stream"
    for name, _ in zip(names, separations(), strict=True):
        assert f"{name}: the channels cancel" in caplog.text
        caplog.clear()


def test_on_the_page_as_well(tmp_path, monkeypatch):
    monkeypatch.setattr(voices, "draw_powers", lambda path, *_: path.touch())
    soundfile.write(tmp_path / "a.wav", antiphase(), 8000)
    found = voices.separate_upload(parts_model(), tmp_path / "a.wav", tmp_path)
    assert found.cancelled
    found = voices.separate_upload(
        parts_model(),
        tmp_path / "a.wav",
        tmp_path,
        channel=2,
        all_outputs=True,
    )
    assert not found.cancelled
    est = soundfile.read(found.paths[0])[0]
    np.testing.assert_allclose(est, 0.75 * antiphase()[:, 1], atol=1e-4)


@pytest.mark.skipif(not CASES.is_dir(), reason="no shared cases")
def test_a_recording_that_cancels_exactly(call):
    path = str(CASES / "antiphase.wav")
    told = call(path).err
    assert "channels cancel" in told and "nobody talks" in told
    assert "nobody talks" not in call(path, "--channel", "1").err


@pytest.mark.parametrize("part", [slice(0, 9000), slice(30000, 40000)])
def test_channels_may_cancel_for_a_while(part, caplog):
    wave = np.stack([noise(40000)] * 2, 1)
    assert not cancels(wave)
    wave[part, 1] *= -1
    assert cancels(wave)
    parts_model().separate_array(wave, 8000)
    assert "channels cancel in their mean (2" in caplog.text
