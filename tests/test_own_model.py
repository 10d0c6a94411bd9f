"""A network, loss and data set of one's own, as docs/own_model.md says."""

import csv
import importlib
import logging
import re
import shutil
import sys

import numpy as np
import pytest
import soundfile
import torch
from speechbrain import Stage
from speechbrain.dataio.batch import PaddedBatch

from speechbrain_spmamba import cli
from speechbrain_spmamba.comparison import compare
from speechbrain_spmamba.files.own_code import keep_own_code
from speechbrain_spmamba.scoring.loss import pairwise_neg_snr
from speechbrain_spmamba.settings.experiment import load_settings
from speechbrain_spmamba.training.brain import SeparationBrain
from tests import ROOT

TEMPLATE = ROOT / "templates/own_model/own_model.py"
TINY = (ROOT / "hparams/tiny.yaml").read_text()
PAGE = (ROOT / "docs/own_model.md").read_text()
SMALL = "--separator=!new:own_model.OwnModel [2, 8000, 4, 16]"


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A folder of one's own, with a network and an experiment."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    folder = tmp_path / "mine"
    folder.mkdir()
    shutil.copy(TEMPLATE, folder)
    (folder / "tiny.yaml").write_text(TINY)
    monkeypatch.chdir(tmp_path)
    yield folder
    _forget()


def _forget():
    """What another process would not have imported."""
    sys.modules.pop("own_model", None)
    importlib.invalidate_caches()


def _page(language):
    """Blocks of a language of the page."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def _call(capsys, *words):
    """Exit status, and the last line of errors."""
    with pytest.raises(SystemExit) as stop:
        cli.main([str(word) for word in words])
    lines = capsys.readouterr().err.strip().splitlines()
    return stop.value.code or 0, lines[-1] if lines else ""


def test_the_template_and_what_calls_it_are_short():
    assert len(TEMPLATE.read_text().splitlines()) <= 40


def test_it_is_trained_exported_and_separated_with(
    mine, tmp_path, train, capsys, monkeypatch
):
    """With the page's loss and data set; beside the YAML, then elsewhere."""
    with open(mine / "own_model.py", "a") as file:
        file.write("\n".join(_page("python")))
    separator, loss, prepare = _page("yaml")
    text = TINY
    for pattern, block in (
        (r"^splits:.*?\n\n", prepare + "\n"),
        (r"^train_loss:.*?\n", loss),
        (r"^memory:.*?(?=modules:)", separator),
    ):
        text = re.sub(pattern, block, text, flags=re.DOTALL | re.MULTILINE)
    (mine / "tiny.yaml").write_text(text)
    words = ["--output_folder=run", f"--data_folder={tmp_path / 'data'}"]
    words += ["--separator={filters: 4, size: 16}", "--segment=0.3"]
    words += ["--prepare={sizes: {train: 4, valid: 1, test: 1}}"]
    words += ["--max_epochs=1", "--num_examples=0", "--noprogressbar"]
    train(["mine/tiny.yaml", "--device=cpu", *words])
    with open("run/history.csv", newline="") as file:
        (epoch,) = csv.DictReader(file)
    assert np.isfinite(float(epoch["valid_si_snri"]))
    run_code = (tmp_path / "run/own_model.py").read_text()
    assert run_code == (mine / "own_model.py").read_text()

    shutil.rmtree(mine)
    _forget()
    assert _call(capsys, "export", "run", "model", "--trust")[0] == 0
    (tmp_path / "elsewhere").mkdir()
    shutil.move("model", "elsewhere/model")
    monkeypatch.chdir(tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "run")
    _forget()
    soundfile.write("talk.wav", np.random.randn(5000) / 10, 8000)
    words = ["separate", "talk.wav", "-m", "model", "-o", "out"]
    words += ["--all-outputs"]
    status, line = _call(capsys, *words)
    assert status == 2 and "--trust" in line
    assert _call(capsys, *words, "--trust")[0] == 0
    for name in ("out/talk_s1.wav", "out/talk_s2.wav"):
        wave, rate = soundfile.read(name)
        assert wave.shape == (5000,) and rate == 8000


def test_without_lengths_it_hears_padding_that_the_loss_does_not(
    mine, monkeypatch, caplog
):
    monkeypatch.syspath_prepend(str(mine))
    network = importlib.import_module("own_model").OwnModel(2, 8000, 4, 16)
    caplog.set_level(logging.WARNING)
    brain = SeparationBrain(
        modules={"separator": network},
        opt_class=torch.optim.Adam,
        hparams={"train_loss": pairwise_neg_snr, "ema_decay": 0.0},
        run_opts={"device": "cpu"},
    )
    assert "OwnModel takes no lengths: " in caplog.text
    brain.init_optimizers()
    items = [torch.randn(length, 2) for length in (800, 500)]
    batch = PaddedBatch([{"mix_sig": x.sum(1), "src_sig": x} for x in items])
    with torch.no_grad():
        whole = network(items[0].sum(1)[None])
    found = brain.compute_forward(batch, Stage.TRAIN).detach()
    assert torch.allclose(found[:1], whole, atol=1e-6)
    loss = brain.compute_objectives(found, batch, Stage.TRAIN)
    found[1, 500:] = 1e3
    assert torch.equal(
        loss, brain.compute_objectives(found, batch, Stage.TRAIN)
    )


MISTAKES = {
    "no rate": (
        ("self.num_spks, self.sample_rate = num_spks, sample_rate",
         "self.num_spks = num_spks"),
        [], "OwnModel has no attribute sample_rate; set it in __init__",
    ),
    "another call": (
        ("def forward(self, mix):", "def forward(self, mix, voice):"),
        [], "OwnModel.forward cannot be called with a mixture .*'voice'.*; "
        "expected forward",
    ),
    "a typing error": (("import torch", "import torhc"), [], "'torhc'"),
    "another rate": (("", ""), ["--sample_rate=16000"],
                     "'sample_rate' is 16000, but its separator is built for "),
    "joined arguments": (
        ("", ""), ["--separator=!new:own_model.OwnModel {filters: 4}"],
        "--separator: !new:own_model.OwnModel would get the arguments of",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_what_is_missing_is_said_in_one_line(mine, name):
    (old, new), words, message = MISTAKES[name]
    path = mine / "own_model.py"
    path.write_text(path.read_text().replace(old, new))
    words = words if "joined" in name else [SMALL, *words]
    with pytest.raises(ValueError, match=message) as error:
        load_settings([str(mine / "tiny.yaml"), "--device=cpu", *words])
    assert "\n" not in str(error.value)


def test_two_files_of_one_name_are_an_error_and_one_of_python_wins(
    mine, tmp_path, monkeypatch
):
    other = tmp_path / "other"
    other.mkdir()
    words = [str(mine / "tiny.yaml"), "--device=cpu", SMALL]
    shutil.copy(TEMPLATE, other)  # the same in two places is no matter
    monkeypatch.syspath_prepend(str(other))
    load_settings(words)
    _forget()
    (other / "own_model.py").write_text("OwnModel = dict\n")
    with pytest.raises(ValueError, match="own_model.py beside it") as error:
        load_settings(words)
    assert str(other / "own_model.py") in str(error.value)
    assert "\n" not in str(error.value)
    (other / "own_model.py").unlink()
    (mine / "torch.py").write_text("raise SystemExit")
    with pytest.raises(ValueError, match="names torch, .*mine/torch.py"):
        load_settings(words)


def test_a_comparison_takes_the_modules_of_its_experiment_along(
    mine, tmp_path, monkeypatch
):
    loss = "train_loss: !name:own_model.OwnModel\n"
    text = re.sub("^train_loss:.*\n", loss, TINY, flags=re.MULTILINE)
    (mine / "tiny.yaml").write_text(text)
    monkeypatch.setattr(compare, "run_system", lambda *_: None)
    failed = compare.compare(
        mine / "tiny.yaml", tmp_path / "out", ["dprnn"], smoke=True
    )
    assert not failed and (tmp_path / "out/dprnn/own_model.py").is_file()


def test_a_package_is_found_and_kept_as_a_whole(mine, tmp_path):
    package = mine / "own_model"
    package.mkdir()
    (mine / "own_model.py").rename(package / "network.py")
    (package / "__init__.py").write_text("from .network import OwnModel\n")
    load_settings([str(mine / "tiny.yaml"), "--device=cpu", SMALL])
    keep_own_code(mine / "tiny.yaml", tmp_path / "kept", SMALL)
    files = (tmp_path / "kept").rglob("*.py")
    assert {f"{f.relative_to(tmp_path / 'kept')}" for f in files} == {
        "own_model/__init__.py",
        "own_model/network.py",
    }
