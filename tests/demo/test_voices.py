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
from speechbrain_spmamba.demo import voices
from speechbrain_spmamba.demo.voices import separate_upload
from speechbrain_spmamba.recordings.activity import FRAME
from speechbrain_spmamba.recordings.segments import as_labels, as_rttm
from tests.separating import noise, parts_model, talker, turns_model

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
    found = separate_upload(
        parts_model(),
        talk,
        folder,
        lambda *at: seen.append(at),
        all_outputs=True,
    )
    return found, seen


def test_voices_become_files(talk, shown):
    wave = soundfile.read(talk)[0]
    for path, share in zip(shown[0].paths, (0.75, 0.25), strict=True):
        voice, rate = soundfile.read(path)
        assert rate == RATE
        np.testing.assert_allclose(voice, share * wave, atol=1e-4)


def test_the_archive_holds_all_and_nothing_else_is_left(shown):
    found, _ = shown
    names = ["talk_s1.wav", "talk_s2.wav"]
    names += ["talk.rttm", "talk.txt", "talk.json", "talk_voices.png"]
    with zipfile.ZipFile(found.archive) as archive:
        assert archive.namelist() == names
        assert archive.read(names[1]) == found.paths[1].read_bytes()
    there = sorted(path.name for path in found.archive.parent.iterdir())
    assert there == sorted([*names, "talk_voices.zip"])


def test_a_leak_is_no_voice_unless_all_are_asked_for(talk, shown, tmp_path):
    found = separate_upload(parts_model(), talk, tmp_path)
    assert [path.name for path in found.paths] == ["talk_s1.wav"]
    assert found.talkers == shown[0].talkers == "1 talks"
    assert [found.lines[0], "no one speaks"] == shown[0].lines


def test_the_texts_are_those_of_the_command(talk, shown, tmp_path):
    model = parts_model()
    found = model.separate_to_files(talk, tmp_path, all_outputs=True)
    rttm, labels, _ = (path.read_text() for path in shown[0].texts)
    assert rttm == as_rttm(found.segments, "talk")
    assert labels == as_labels(found.segments) != ""


def test_a_recording_of_nobody_is_shown_alone(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(4000), RATE)
    found = separate_upload(parts_model(), tmp_path / "a.wav", tmp_path)
    assert (found.talkers, found.paths, found.lines) == ("nobody talks", [], [])
    with zipfile.ZipFile(found.archive) as archive:
        assert "a.json" in archive.namelist()
    assert matplotlib.image.imread(found.figure).shape[0] > 100


def test_there_is_a_figure(shown):
    height, width, _ = matplotlib.image.imread(shown[0].figure).shape
    assert height > 300 and width > 800


def test_progress_reaches_the_end(shown):
    assert shown[1][-1] == (6.0, 6.0)


def test_with_the_option_voices_sum_to_the_recording(talk, tmp_path):
    model = parts_model(shares=(0.5, 0.0))
    options = {"mixture_consistent": True, "all_outputs": True}
    found = separate_upload(model, talk, tmp_path, **options)
    voices = sum(soundfile.read(path)[0] for path in found.paths)
    np.testing.assert_allclose(voices, soundfile.read(talk)[0], atol=1e-4)
    speaks, empty = found.lines
    assert speaks.startswith("speaks ") and speaks.endswith(" % of the time")
    assert empty == "no one speaks"


def test_bars_are_dark_where_somebody_speaks(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(voices, "draw_powers", lambda *all: drawn.append(all))
    monkeypatch.setattr(voices, "pack", lambda *all: None)
    wave = talker(0, 2.0, pause=0.0)
    soundfile.write(tmp_path / "a.wav", 0.5 * wave, RATE)
    found = separate_upload(turns_model(2), tmp_path / "a.wav", tmp_path)
    ((_, powers, *_, bars),) = drawn
    assert list(powers) == ["recording", *bars]
    first, second = bars.values()
    middle = round(1.0 / FRAME)
    assert first[:middle].any() and not first[middle + 1 :].any()
    assert second[middle:].any() and not second[: middle - 1].any()
    for bar, line in zip(bars.values(), found.lines, strict=True):
        percent = int(line.split()[1])
        assert percent == pytest.approx(100 * bar.mean(), abs=1)


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
    found = separate_upload(parts_model(), path, tmp_path, all_outputs=True)
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
