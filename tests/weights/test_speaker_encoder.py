"""A speaker encoder of the toolkit: from a folder, from the Hub, or a line."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError

from speechbrain_spmamba.weights.speaker_encoder import load_encoder
from tests.separating import noise, parts_model, write_encoder


@pytest.fixture(autouse=True)
def nothing_loaded():
    load_encoder.cache_clear()
    yield
    load_encoder.cache_clear()


@pytest.fixture
def folder(tmp_path):
    return write_encoder(tmp_path / "encoder")


def _embed(encoder):
    return encoder.encode_batch(torch.from_numpy(noise(16000))[None])


def test_a_folder_is_loaded_once_with_its_weights(folder):
    encoder = load_encoder(str(folder))
    assert load_encoder(str(folder)) is encoder
    found = _embed(encoder)
    assert found.shape == (1, 1, 6) and not encoder.mods.training
    load_encoder.cache_clear()
    torch.testing.assert_close(_embed(load_encoder(str(folder))), found)
    other = write_encoder(folder.parent / "other", seed=1)
    assert not torch.equal(_embed(load_encoder(str(other))), found)


def test_a_copy_of_a_repository_does_without_the_hub(folder):
    path = folder / "hyperparams.yaml"
    assert "pretrained_path: nobody/nothing" in path.read_text()
    assert load_encoder(str(folder))


def test_long_recordings_are_separated_with_it(folder):
    model, wave = parts_model(), noise(30 * 8000)
    options = {"embedding": str(folder), "window": 4.0, "overlap": 1.0}
    found = model.separate_array(wave, 8000, **options)
    again = model.separate_array(wave, 8000, **options)
    np.testing.assert_array_equal(found, again)
    assert found.shape == (len(wave), 2)


def test_a_folder_that_is_no_encoder_is_one_line(folder, monkeypatch):
    with pytest.raises(ValueError, match="there is no folder nowhere") as error:
        load_encoder("nowhere")
    assert "spkrec-ecapa-voxceleb" in str(error.value)
    (folder / "embedding_model.ckpt").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is no speaker encoder") as error:
        load_encoder(str(folder))
    assert "\n" not in str(error.value)
    (folder / "hyperparams.yaml").unlink()
    with pytest.raises(ValueError, match="is no speaker encoder .*hyperparams"):
        load_encoder(str(folder))


def test_the_hub_is_asked_once_for_what_was_not_fetched(
    folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    asked = []

    def download(repo_id, filename, local_files_only=False, **options):
        asked.append(local_files_only)
        if local_files_only:
            raise LocalEntryNotFoundError(f"{filename} is not cached")
        return str(folder / filename)

    def info(self, repo_id, **options):
        asked.append("info")
        return SimpleNamespace(siblings=[])

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    monkeypatch.setattr("huggingface_hub.HfApi.model_info", info)
    assert _embed(load_encoder("nobody/nothing")).shape == (1, 1, 6)
    assert asked[:2] == [True, "info"] and not any(asked[2:])

    def nobody(self, repo_id, **options):
        raise OSError("no route")

    monkeypatch.setattr("huggingface_hub.HfApi.model_info", nobody)
    load_encoder.cache_clear()
    with pytest.raises(ValueError, match="cannot be reached .OSError: no rou"):
        load_encoder("nobody/nothing")


def test_an_own_module_beside_the_folder_is_not_looked_for(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "hyperparams.yaml").write_text("x: !new:module_of_nobody.Encoder")
    with pytest.raises(ValueError, match="module_of_nobody"):
        load_encoder(str(copy))
