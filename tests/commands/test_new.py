"""An experiment of the package becomes a file of one's own."""

import pytest

from speechbrain_spmamba import cli
from speechbrain_spmamba.settings.experiments import experiment_names
from tests import ROOT


def _new(*words):
    return cli.run(cli.make_app(), ["new", *words])


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_each_experiment_has_a_line_that_says_what_it_trains(capsys):
    _new()
    lines = capsys.readouterr().out.splitlines()
    for name in experiment_names():
        (line,) = (x for x in lines if x.startswith(f"| {name} "))
        assert len(line.split("|")[2].split()) > 3, line


def test_a_copy_says_how_it_is_trained_and_is_else_the_same(tmp_path, capsys):
    _new("hparams/tiny.yaml", "mine.yaml")
    assert capsys.readouterr().out == "spmamba train mine.yaml\n"
    copy = (tmp_path / "mine.yaml").read_text().splitlines()
    text = (ROOT / "hparams/tiny.yaml").read_text().splitlines()
    assert copy[0] == "# spmamba train mine.yaml"
    assert copy[1:] == text[1:]


def test_a_copy_is_called_as_the_experiment_where_nobody_says_how(capsys):
    _new("recipes/LibriMix/hparams/spmamba.yaml")
    out = capsys.readouterr().out
    assert out == "spmamba train spmamba.yaml --data_folder DIR\n"


def test_no_file_is_overwritten(tmp_path):
    (tmp_path / "tiny.yaml").write_text("mine")
    with pytest.raises(ValueError, match="tiny.yaml exists; choose another"):
        _new("hparams/tiny.yaml")
    assert (tmp_path / "tiny.yaml").read_text() == "mine"


def test_what_is_no_experiment_is_named():
    with pytest.raises(ValueError, match="did you mean 'hparams/tiny.yaml'"):
        _new("hparams/tinny.yaml")
