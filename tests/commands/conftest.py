"""Shared by tests of `spmamba separate`."""

from types import SimpleNamespace

import pytest

from speechbrain_spmamba import cli
from speechbrain_spmamba.commands import jobs
from tests.separating import parts_model, turns_model


@pytest.fixture
def call(tmp_path, monkeypatch, capfdbinary):
    """Runs the command in a folder of recordings; outputs go to ``out``."""
    monkeypatch.chdir(tmp_path)
    models = {
        "model": parts_model(),
        "other": parts_model(shares=(0.5, 0.5)),
        "turns": turns_model(2),
        "three": turns_model(3),
    }
    monkeypatch.setattr(jobs, "load_model", lambda name, *_: models[name])

    def run(*words, model="model", output="out"):
        words = ["separate", *map(str, words), "-m", model, "-o", str(output)]
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main(words)
        out, err = capfdbinary.readouterr()
        err = err.decode("utf-8", "replace")
        assert "Traceback" not in err
        return SimpleNamespace(status=stop.value.code, out=out, err=err)

    return run
