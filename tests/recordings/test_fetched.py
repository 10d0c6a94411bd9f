"""Recordings that are elsewhere are fetched; those that are here stay."""

import functools
import http.server
import threading

import pytest
import soundfile
import torch

from speechbrain_spmamba.recordings.fetched import fetched
from tests.separating import parts_model


@pytest.fixture
def web(tmp_path, monkeypatch):
    """Address of a server that hands out the files of a folder."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (tmp_path / "web").mkdir()
    soundfile.write(tmp_path / "web/a.wav", [0.25, 0.5] * 400, 8000)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            """Says nothing."""

    handler = functools.partial(Quiet, directory=tmp_path / "web")
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(
            target=server.serve_forever, args=[0.01], daemon=True
        ).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_recording_of_the_web_is_kept_and_separated(web, tmp_path):
    kept = tmp_path / "kept"
    model = parts_model()
    est = model.separate_file(f"{web}/a.wav", savedir=kept)
    assert [path.name for path in kept.iterdir()] == ["a.wav"]
    (tmp_path / "web/a.wav").unlink()
    assert torch.equal(est, model.separate_file(f"{web}/a.wav", savedir=kept))
    assert torch.equal(est, model.separate_file(kept / "a.wav"))


def test_what_cannot_be_fetched_is_named_and_leaves_nothing(web, tmp_path):
    with pytest.raises(
        ValueError, match="not be fetched from the web"
    ) as error:
        fetched(f"{web}/none.wav", tmp_path / "kept")
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "kept").iterdir())
    with pytest.raises(ValueError, match="say with savedir where"):
        parts_model().separate_file(f"{web}/a.wav")


def test_a_recording_of_the_hub_is_asked_for_by_its_name(tmp_path, monkeypatch):
    asked = []

    def download(repo_id, filename, **options):
        asked.append((repo_id, filename))
        (tmp_path / "cached").write_bytes(b"audio")
        return str(tmp_path / "cached")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.chdir(tmp_path)
    path = fetched("someone/model/talk.wav", "kept")
    assert asked == [("someone/model", "talk.wav")]
    assert path.read_bytes() == b"audio" and path.parent.name == "kept"
    assert not path.is_symlink()


@pytest.mark.parametrize("path", ["a.wav", "here/a.wav", "here/b/none.wav"])
def test_what_can_be_meant_as_a_file_here_stays(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here").mkdir()
    (tmp_path / "here/a.wav").touch()
    assert fetched(path, tmp_path / "kept") == path
    assert not (tmp_path / "kept").exists()
