"""``spmamba train`` is ``python train.py``, from any folder."""

import pytest

from speechbrain_spmamba import cli


def _errors(capsys, *words):
    with pytest.raises(SystemExit) as stop:
        cli.main(["train", *words])
    assert stop.value.code == 2
    return capsys.readouterr().err


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_an_experiment_of_the_package_is_found_by_its_name(capsys):
    err = _errors(capsys, "hparams/spmamba.yaml")
    assert "needs --data_folder" in err and err.count("\n") == 1


def test_further_options_are_those_of_train_py(capsys):
    err = _errors(capsys, "hparams/tiny.yaml", "--seed", "1", "--lrate", "2")
    assert "no such key" in err and "lrate" in err


def test_no_such_file_is_said_as_train_py_says_it(capsys):
    assert "settings none.yaml do not exist" in _errors(capsys, "none.yaml")
