"""Experiments have one name, in a checkout and in an installed package."""

import speechbrain_spmamba
from speechbrain_spmamba.settings.experiments import (
    experiment_names,
    experiments_folder,
    find_experiment,
)
from tests import ROOT


def test_a_checkout_has_them_beside_the_package():
    assert experiments_folder() == ROOT
    names = set(experiment_names())
    assert names == {
        path.relative_to(ROOT).as_posix()
        for pattern in ("hparams/*.yaml", "recipes/*/hparams/*.yaml")
        for path in ROOT.glob(pattern)
    }
    assert len(names) > 20


def test_an_installed_package_has_them_inside(tmp_path, monkeypatch):
    package = tmp_path / "site" / "speechbrain_spmamba"
    inside = package / "experiments"
    (inside / "hparams").mkdir(parents=True)
    (inside / "hparams/own.yaml").write_text("seed: 1\n")
    monkeypatch.setattr(
        speechbrain_spmamba, "__file__", str(package / "__init__.py")
    )
    assert experiments_folder() == inside
    assert experiment_names() == ["hparams/own.yaml"]


def test_a_file_of_this_folder_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "hparams/tiny.yaml"
    assert find_experiment(name) == str(ROOT / name)
    (tmp_path / "hparams").mkdir()
    (tmp_path / name).write_text("seed: 1\n")
    assert find_experiment(name) == name
