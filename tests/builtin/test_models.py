"""What comes with the package is whole, loads, and is told as it is."""

import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard
from setuptools.dist import Distribution
from speechbrain.utils.fetching import LocalStrategy

from speechbrain_spmamba.builtin import make
from speechbrain_spmamba.builtin.models import (
    DEFAULT,
    FIGURES_FILE,
    FOLDER,
    HPARAMS_FILE,
    SAFETENSORS_FILE,
    builtin_models,
    find_model,
    read_figures,
    score_text,
)
from speechbrain_spmamba.files.checksums import SUMS_FILE, check_sums
from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.models.systems import SYSTEMS
from tests import ROOT
from tests.test_strange_files import load, make_folder

MODELS = builtin_models()
FILES = {
    HPARAMS_FILE,
    SAFETENSORS_FILE,
    SUMS_FILE,
    FIGURES_FILE,
    make.CARD_FILE,
}
each = pytest.mark.parametrize("name", MODELS)


def test_the_default_is_one_and_none_is_called_as_a_system():
    assert DEFAULT in MODELS
    assert not set(MODELS) & set(SYSTEMS)


@each
def test_a_folder_has_its_files_whole_and_no_more(name):
    folder = MODELS[name].folder
    assert {path.name for path in folder.iterdir()} == FILES
    check_sums(folder, needed=[HPARAMS_FILE, SAFETENSORS_FILE])
    assert MODELS[name].megabytes * 1e6 <= make.MAX_BYTES


@each
def test_the_card_has_the_figures_of_the_table(name):
    card = ModelCard.load(MODELS[name].folder / make.CARD_FILE)
    figures = MODELS[name].figures
    for score in figures["scores"]:
        low, high = score["interval"]
        assert low <= score["si_snri"] <= high
        assert score_text(score) in card.text
    assert figures["data"] in card.text and f"--model {name}" in card.text
    assert card.data.license == figures["licence"]
    assert card.text.rstrip().endswith(f"## Licence\n\n{figures['licence']}")


@each
@pytest.mark.parametrize("safe", [True, False])
def test_it_loads_by_its_name_as_what_the_table_says(name, safe):
    model = WaveformSeparation.from_hparams(
        name, safe=safe, run_opts={"device": "cpu"}
    )
    said = MODELS[name]
    assert isinstance(model.mods.separator, SYSTEMS[said.system].model)
    assert model.hparams.sample_rate == said.sample_rate
    est = model.separate_batch(torch.randn(1, 400))
    assert est.shape == (1, 400, said.num_spks) and est.isfinite().all()


def _state(folder):
    return {p: p.stat().st_mtime_ns for p in [folder, *folder.iterdir()]}


@pytest.mark.parametrize(
    "strategy", [LocalStrategy.SYMLINK, LocalStrategy.COPY]
)
def test_nothing_is_written_into_the_package(strategy, tmp_path):
    """For it may be installed where only root may write."""
    before = _state(find_model(DEFAULT))
    WaveformSeparation.from_hparams(
        DEFAULT,
        savedir=tmp_path,
        local_strategy=strategy,
        run_opts={"device": "cpu"},
    )
    assert _state(find_model(DEFAULT)) == before
    saved = {path.name for path in tmp_path.iterdir()}
    assert saved == {HPARAMS_FILE, SAFETENSORS_FILE, SUMS_FILE}


def test_a_folder_of_the_same_name_is_given_with_a_slash(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_folder(tmp_path / DEFAULT, "dprnn")
    mine = SYSTEMS["dprnn"].model
    assert not isinstance(load(DEFAULT).mods.separator, mine)
    for source in (f"./{DEFAULT}", f"{DEFAULT}/", Path(DEFAULT)):
        assert isinstance(load(source).mods.separator, mine)


@pytest.mark.parametrize(
    "change, message",
    [
        (("licence: ", "license: "), "expected data, licence, scores, found"),
        (("interval:", "95 %:"), "expected on, si_snri, interval, found on"),
        (("scores:", "scores: []\nrest:"), "found data, licence, scores, rest"),
        (("data: ", "- "), "no valid YAML"),
    ],
)
def test_figures_that_are_not_complete_are_refused(tmp_path, change, message):
    path = shutil.copy(MODELS[DEFAULT].folder / FIGURES_FILE, tmp_path)
    text = Path(path).read_text()
    Path(path).write_text(text.replace(*change))
    with pytest.raises(ValueError, match=message):
        read_figures(path)


def test_an_installation_brings_all_of_it(monkeypatch):
    """As setuptools' own reading of what belongs to the package has it."""
    monkeypatch.chdir(ROOT)
    distribution = Distribution()
    distribution.parse_config_files(["setup.cfg"])
    command = distribution.get_command_obj("build_py")
    command.ensure_finalized()
    there = {
        f"{folder}/{name}"
        for _, folder, _, names in command.data_files
        for name in names
    }
    wanted = {
        path.relative_to(ROOT).as_posix()
        for path in FOLDER.glob("*/*")
        if path.parent.name in MODELS
    }
    assert len(wanted) == len(FILES) * len(MODELS)
    assert {name for name in there if "/builtin/" in name} == wanted
