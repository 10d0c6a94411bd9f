"""What is exported carries sums, and what is loaded is checked by them."""

import re
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
import torch
from huggingface_hub.errors import (
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from safetensors.torch import load_file, save_file

from speechbrain_spmamba import cli
from speechbrain_spmamba.builtin.models import builtin_models
from speechbrain_spmamba.comparison.model_block import loaded_block
from speechbrain_spmamba.cost import complexity
from speechbrain_spmamba.files.checksums import (
    SUMS_FILE,
    check_sums,
    write_sums,
)
from speechbrain_spmamba.inference import WaveformSeparation, strict_load
from speechbrain_spmamba.weights.model_folder import find_weights
from tests.small_models import build_small
from tests.test_strange_files import HPARAMS, WEIGHTS, load, make_folder

SAFETENSORS = "separator.safetensors"


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path / "model", keep_sums=True)


def _append(path, text):
    path.write_text(path.read_text() + text)


def test_a_written_folder_has_sums_of_all_but_its_card(folder):
    lines = (folder / SUMS_FILE).read_text().splitlines()
    names = [line.split("  ")[1] for line in lines]
    assert names == sorted(names)
    assert {*names, SUMS_FILE} == {path.name for path in folder.iterdir()}
    check_sums(folder)


def test_sums_are_renewed_with_what_is_written_over(folder):
    torch.manual_seed(1)
    make_folder(folder, "conv_tasnet", keep_sums=True)
    check_sums(folder)
    load(folder)


@pytest.mark.parametrize("name", [HPARAMS, WEIGHTS])
def test_a_damaged_file_is_named_with_the_command_that_renews_sums(
    folder, name
):
    with open(folder / name, "ab") as file:
        file.write(b"\n")
    with pytest.raises(ValueError, match=f"{name} is damaged") as error:
        load(folder)
    command = "sha256sum hyperparams.yaml separator.* > SHA256SUMS"
    assert str(error.value).endswith(command)
    write_sums(folder, [HPARAMS, WEIGHTS])
    if name == HPARAMS:
        load(folder)


def test_a_file_that_the_sums_do_not_list_is_named(folder):
    write_sums(folder, [HPARAMS])
    with pytest.raises(ValueError, match="separator.ckpt has no sum"):
        load(folder)


def test_a_file_that_is_not_read_may_be_deleted(folder):
    (folder / "separator.safetensors").unlink()
    load(folder)


def test_weights_to_start_from_are_checked_too(folder):
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / WEIGHTS).write_bytes(data)
    with pytest.raises(ValueError, match="separator.ckpt is damaged"):
        strict_load(build_small("dprnn"), folder / WEIGHTS)


@pytest.fixture
def safe_folder(folder):
    """A model folder with safetensors alone."""
    (folder / WEIGHTS).unlink()
    write_sums(folder, [HPARAMS, SAFETENSORS])
    return folder


@pytest.mark.parametrize("safe", [True, False])
@pytest.mark.parametrize("width", [torch.float32, torch.float16])
def test_safetensors_do_alone(safe_folder, safe, width):
    wanted = load_file(safe_folder / SAFETENSORS)
    narrow = {name: tensor.to(width) for name, tensor in wanted.items()}
    save_file(narrow, safe_folder / SAFETENSORS)
    write_sums(safe_folder, [HPARAMS, SAFETENSORS])
    model = WaveformSeparation.from_hparams(
        safe_folder,
        safe=safe,
        overrides={"note": 1},
        overrides_must_match=False,
        run_opts={"device": "cpu"},
    )
    for name, found in model.mods.separator.state_dict().items():
        assert found.dtype == torch.float32
        assert torch.equal(found, narrow[name].float())


@pytest.mark.parametrize("safe", [True, False])
def test_safetensors_that_do_not_fit_are_named(safe_folder, safe):
    state = load_file(safe_folder / SAFETENSORS)
    state.pop(min(state))
    save_file(state, safe_folder / SAFETENSORS)
    write_sums(safe_folder, [HPARAMS, SAFETENSORS])
    with pytest.raises(ValueError, match="safetensors do not fit the model of"):
        WaveformSeparation.from_hparams(safe_folder, safe=safe)


def test_of_two_files_of_weights_the_first_counts(folder):
    (folder / SAFETENSORS).write_bytes(b"damaged")
    load(folder)
    assert find_weights(folder) == folder / WEIGHTS


def test_damaged_safetensors_are_named(safe_folder):
    with open(safe_folder / SAFETENSORS, "ab") as file:
        file.write(b"\n")
    with pytest.raises(ValueError, match="separator.safetensors is damaged"):
        load(safe_folder)
    (safe_folder / SUMS_FILE).unlink()
    with pytest.raises(ValueError, match="safetensors is no safetensors file"):
        load(safe_folder)


class Hub:
    """Stands for the Hub: a cache and, behind a question, files."""

    def __init__(self, monkeypatch, cached=None, online=None):
        self.asked, self.cached, self.online = [], cached, online
        monkeypatch.setattr("huggingface_hub.hf_hub_download", self.download)
        monkeypatch.setattr("huggingface_hub.HfApi.model_info", self.info)

    def download(self, repo_id, filename, local_files_only=False, **options):
        self.asked.append((filename, local_files_only))
        place = self.cached if local_files_only else self.online
        if place is None or not (place / filename).is_file():
            raise LocalEntryNotFoundError(f"{filename} is not cached")
        return str(place / filename)

    def info(self, repo_id, **options):
        self.asked.append("info")
        assert options["timeout"] <= 10
        if isinstance(self.online, Exception):
            raise self.online
        names = [path.name for path in self.online.iterdir()]
        files = [SimpleNamespace(rfilename=name) for name in names]
        return SimpleNamespace(siblings=files)


class NoRoute(Exception):
    """As the Hub's client raises it, whichever that is."""


NOT_THERE = RepositoryNotFoundError(
    "404 Client Error\nnot found", response=MagicMock(headers={})
)


@pytest.mark.parametrize(
    "error, message",
    [
        (NOT_THERE, "and no model of that name"),
        (NoRoute("no route"), "cannot be reached .NoRoute: no route"),
        (OSError("offline"), "needs a network the first time"),
    ],
)
def test_a_name_that_is_nowhere_is_said_after_one_short_question(
    tmp_path, monkeypatch, error, message, capsys
):
    monkeypatch.chdir(tmp_path)
    hub = Hub(monkeypatch, online=error)
    (tmp_path / "a.wav").touch()
    with pytest.raises(SystemExit) as stop:
        cli.main(["separate", "a.wav", "-m", "foo/bar", "-o", "out"])
    assert stop.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "there is no folder foo/bar" in lines[0]
    assert re.search(message, lines[0])
    assert hub.asked == [(HPARAMS, True), "info"]


def test_a_model_of_the_hub_comes_with_its_sums(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hub = Hub(monkeypatch, online=folder)
    load("foo/bar")
    assert (SUMS_FILE, False) in hub.asked and hub.asked.count("info") == 1
    _append(folder / HPARAMS, "\n")
    with pytest.raises(ValueError, match="hyperparams.yaml is damaged"):
        load("foo/bar")


def test_what_was_fetched_before_needs_no_network(
    folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    hub = Hub(monkeypatch, cached=folder)
    load("foo/bar")
    (folder / SUMS_FILE).unlink()  # an older one
    load("foo/bar")
    assert "info" not in hub.asked


@pytest.mark.parametrize("place", ["cached", "online"])
def test_a_repository_with_safetensors_alone_is_one(
    safe_folder, tmp_path, monkeypatch, place
):
    monkeypatch.chdir(tmp_path)
    hub = Hub(monkeypatch, **{place: safe_folder})
    load("foo/bar")
    asked = (SAFETENSORS, place == "cached")
    assert asked in hub.asked and (WEIGHTS, False) not in hub.asked


def test_a_repository_that_is_no_model_folder_is_named(
    folder, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (folder / WEIGHTS).unlink()
    (folder / SAFETENSORS).unlink()
    Hub(monkeypatch, online=folder)
    with pytest.raises(ValueError, match="no separator.ckpt or .*safetensors"):
        load("foo/bar")


def test_a_savedir_gets_the_files_and_their_sums(folder, tmp_path):
    place = tmp_path / "saved"
    WaveformSeparation.from_hparams(
        folder, savedir=place, run_opts={"device": "cpu"}
    )
    names = {path.name for path in place.iterdir()}
    assert names == {HPARAMS, WEIGHTS, SUMS_FILE}


def test_a_damaged_folder_is_not_counted_either(folder):
    assert complexity.load(folder).num_spks == 2
    path = folder / HPARAMS
    path.write_text(path.read_text().replace("hidden: 5", "hidden: 4"))
    with pytest.raises(ValueError, match="hyperparams.yaml is damaged"):
        complexity.load(folder)


def test_what_is_not_there_is_told_what_could_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("none", "a/b/c", "/none", str(tmp_path / "none")):
        with pytest.raises(ValueError, match="no such folder; .*user/model"):
            WaveformSeparation.from_hparams(name)


def test_the_models_of_the_package_are_found_wherever_a_folder_is():
    """Without loading: to count, to compare with, to start from."""
    names = builtin_models()
    assert names
    for name, model in names.items():
        assert find_weights(name) == model.folder / SAFETENSORS
        assert complexity.load(name).num_spks == model.num_spks
        assert f"models.{model.system}." in loaded_block(name)
