"""What the page shows is right, and what is wrong is one line."""

import builtins
import socket
import sys
import zipfile

import matplotlib.image
import numpy as np
import pytest
import soundfile

from speechbrain_spmamba import cli
from speechbrain_spmamba.demo.voices import meter_of, separate_upload
from speechbrain_spmamba.recordings.activity import FRAME
from tests.separating import noise, parts_model, talker

RATE = 8000


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """A made-up talker, six seconds in 16 bits."""
    path = tmp_path_factory.mktemp("upload") / "talk.wav"
    soundfile.write(path, 0.5 * talker(0, 6.0), RATE, subtype="PCM_16")
    return path


@pytest.fixture(scope="module")
def shown(talk, tmp_path_factory):
    """What the page shows of it, and what was reported meanwhile."""
    folder, seen = tmp_path_factory.mktemp("shown"), []
    model = parts_model()
    found = separate_upload(model, talk, folder, lambda *at: seen.append(at))
    return found, seen


def test_voices_become_files(talk, shown):
    wave = soundfile.read(talk)[0]
    for path, share in zip(shown[0].paths, (0.75, 0.25), strict=True):
        voice, rate = soundfile.read(path)
        assert rate == RATE
        np.testing.assert_allclose(voice, share * wave, atol=1e-4)


def test_the_archive_holds_all_and_nothing_else_is_left(shown):
    found, _ = shown
    names = ["talk_s1.wav", "talk_s2.wav", "talk_voices.png"]
    with zipfile.ZipFile(found.archive) as archive:
        assert archive.namelist() == names
        assert archive.read(names[1]) == found.paths[1].read_bytes()
    there = sorted(path.name for path in found.archive.parent.iterdir())
    assert there == [*names, "talk_voices.zip"]


def test_there_is_a_figure(shown):
    height, width, _ = matplotlib.image.imread(shown[0].figure).shape
    assert height > 300 and width > 800


def test_progress_reaches_the_end(shown):
    assert shown[1][-1] == (6.0, 6.0)


def test_with_the_option_voices_sum_to_the_recording(talk, tmp_path):
    model = parts_model(shares=(0.5, 0.0))
    found = separate_upload(model, talk, tmp_path, mixture_consistent=True)
    voices = sum(soundfile.read(path)[0] for path in found.paths)
    np.testing.assert_allclose(voices, soundfile.read(talk)[0], atol=1e-4)
    speaks, empty = found.lines
    assert speaks.startswith("speaks ") and speaks.endswith(" % of the time")
    assert empty == "no one speaks"


def test_bars_are_dark_where_somebody_speaks(tmp_path):
    first = np.concatenate([talker(0, 4.0), np.zeros(4 * RATE)])
    second = np.roll(first, 4 * RATE)
    paths = [tmp_path / "first.wav", tmp_path / "second.wav"]
    for path, voice in zip(paths, (first, second), strict=True):
        soundfile.write(path, 0.5 * voice, RATE)
    meter = meter_of(paths, RATE)
    speaking = meter.speaking()
    middle = round(4.0 / FRAME)
    assert not speaking[middle + 1 :, 0].any()
    assert not speaking[: middle - 1, 1].any()
    shares = [activity.share for activity in meter.result()]
    np.testing.assert_allclose(speaking.mean(0), shares, atol=1e-6)
    assert min(shares) > 0.2


def test_a_soft_copy_has_no_bar(tmp_path):
    voice = talker(0, 4.0)
    for name, share in (("a", 0.5), ("b", 0.1)):
        soundfile.write(tmp_path / f"{name}.wav", share * voice, RATE)
    paths = [tmp_path / "a.wav", tmp_path / "b.wav"]
    speaking = meter_of(paths, RATE).speaking()
    assert speaking[:, 0].any() and not speaking[:, 1].any()


def test_a_bad_recording_is_named_without_its_folder(tmp_path):
    path = tmp_path / "upload" / "letter.wav"
    path.parent.mkdir()
    path.write_text("no audio")
    with pytest.raises(ValueError) as caught:
        separate_upload(parts_model(), path, tmp_path / "out")
    message = str(caught.value)
    assert message.startswith("letter.wav cannot be read as audio")
    assert "\n" not in message and str(tmp_path) not in message
    assert not list(tmp_path.glob("out/*"))


def test_many_channels_and_rates_are_drawn(tmp_path):
    path = tmp_path / "wide.flac"
    soundfile.write(path, noise(22050, channels=3), 44100)
    found = separate_upload(parts_model(), path, tmp_path)
    assert soundfile.info(found.paths[0]).frames == 22050
    assert found.figure.stat().st_size > 10_000


def _error_of(capsys, *argv):
    """What the command says before it ends with status 2."""
    with pytest.raises(SystemExit) as stop:
        cli.main(["demo", *argv])
    assert stop.value.code == 2
    return capsys.readouterr().err


def test_without_gradio_the_extra_is_named(monkeypatch, capsys):
    real = builtins.__import__

    def without(name, *args):
        if name == "gradio":
            raise ImportError(name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(sys.modules, "gradio", raising=False)
    # Another test may hold the usual port.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    error = _error_of(capsys, "no_model", "--port", port)
    assert error.startswith("error: the page needs Gradio")
    assert "pip install 'speechbrain_spmamba[demo]'" in error


def test_a_port_that_is_taken_is_one_line(capsys):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        error = _error_of(capsys, "no_model", "--port", str(port))
    assert error.startswith("error: no page can be served at 127.0.0.1")
    assert error.count("\n") == 1 and "another --port" in error
