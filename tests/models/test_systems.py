"""A system is a file with its network and a row of the table."""

import importlib
import json
import sys

import pytest
import torch

from speechbrain_spmamba import cli
from speechbrain_spmamba.comparison import one_system
from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.models.systems import SYSTEMS, System
from tests.train_server import SETTINGS

# The file: the network, and how its published weights are read.
FILE = """
import torch

SIGNATURE = "toy.encoder."
NAMES = {"width": "hidden"}


class Toy(torch.nn.Module):
    def __init__(self, num_spks=2, sample_rate=8000, hidden=8):
        super().__init__()
        self.num_spks, self.sample_rate = num_spks, sample_rate
        self.encode = torch.nn.Conv1d(1, hidden, 9, padding=4)
        self.decode = torch.nn.Conv1d(hidden, num_spks, 9, padding=4)

    def forward(self, mix, lengths=None):
        hidden = self.encode(mix.unsqueeze(1)).relu()
        return self.decode(hidden).transpose(1, 2)


def convert(weights):
    weights.move("toy.encoder", "encode")
    weights.move("toy.decoder", "decode")


def measure(weights, given):
    spks, hidden, _ = weights.shape("toy.decoder.weight")
    return {"num_spks": spks, "hidden": hidden}, {"sample_rate": 8000}
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The class of a system that has been added."""
    (tmp_path / "toy_system.py").write_text(FILE)
    monkeypatch.syspath_prepend(str(tmp_path))
    model = importlib.import_module("toy_system").Toy
    row = System(
        model=model,
        title="The toy",
        colour="#123456",
        marker="*",
        smoke={"hidden": 4},
        layouts=("toy_system",),
    )
    monkeypatch.setitem(SYSTEMS, "toy", row)
    yield model
    sys.modules.pop("toy_system")


def _call(*words):
    with pytest.raises(SystemExit) as stop:
        cli.main([str(word) for word in words])
    return stop.value.code


@pytest.mark.parametrize("name", ["toy", "look2hear"])
def test_an_added_system_is_converted_and_its_folder_is_safe(
    name, toy, tmp_path
):
    published = toy(3, hidden=5)
    weights = {
        f"module.toy.{key.replace('code.', 'coder.')}": w
        for key, w in published.state_dict().items()
    }
    torch.save(weights, tmp_path / "weights.pth")
    folder = tmp_path / "model"
    assert not _call("convert", name, tmp_path / "weights.pth", folder)
    model = WaveformSeparation.from_hparams(folder)
    mix = torch.randn(1, 100)
    assert torch.equal(model(mix), published(mix))


def test_an_added_system_is_counted(toy, capsys):
    assert not _call("complexity", "toy")
    line = next(x for x in capsys.readouterr().out.splitlines() if "toy" in x)
    macs = 8000 * 9 * (8 + 8 * 2)  # a second of both convolutions
    assert f"{macs / 1e9:.3f}" in line and " - | - |" in line


@pytest.mark.filterwarnings("error::UserWarning")  # of a figure of one
def test_an_added_system_is_compared(toy, tmp_path, train, monkeypatch):
    # In this process, whose table has the row.
    monkeypatch.setattr(
        one_system, "run_logged", lambda command, *_: train(command[2:])
    )
    skipped = ("--separator", "--device", "--noprogressbar")
    small = [word for word in SETTINGS[1:] if not word.startswith(skipped)]
    words = ["--systems=toy", "--epochs=1", "--no_measure", "--device=cpu"]
    words.append(f"--data_folder={tmp_path / 'data'}")
    out = tmp_path / "out"
    _call("compare", "--smoke", out, *words, *small)
    found = json.loads((out / "report.json").read_text())["systems"]["toy"]
    assert found["parameters"] == 9 * 4 + 4 + 9 * 4 * 2 + 2
    assert found["si_snri"]["mean"] is not None
    assert "The toy" in (out / "report.md").read_text()
    text = (out / "toy/experiment.yaml").read_text()
    assert "separator: !new:toy_system.Toy\n" in text
