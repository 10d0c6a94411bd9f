"""The command writes what it counts, in three forms."""

import csv
import importlib
import json
import sys

import pytest
import torch

from speechbrain_spmamba.cli import main
from speechbrain_spmamba.cost.complexity import load
from speechbrain_spmamba.cost.complexity_report import complexity_page
from tests.cost.test_complexity import EXPERIMENT


@pytest.fixture
def experiment(tmp_path):
    path = tmp_path / "experiment.yaml"
    path.write_text(EXPERIMENT)
    return str(path)


@pytest.fixture
def without_ptflops(monkeypatch):
    monkeypatch.setitem(sys.modules, "ptflops", None)


def run(*argv):
    with pytest.raises(SystemExit) as stopped:
        main(["complexity", *argv])
    return stopped.value.code


def test_all_forms_hold_the_same_figures(
    experiment, without_ptflops, tmp_path, capsys
):
    assert not run(experiment, "-o", str(tmp_path / "out"))
    folder = tmp_path / "out"
    text = (folder / "complexity.md").read_text()
    assert capsys.readouterr().out == text + "\n"
    model = json.loads((folder / "complexity.json").read_text())["models"][
        experiment
    ]
    assert model["ptflops"] is None and model["table1"] is None
    with open(folder / "complexity.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["length"] for row in rows] == ["1", "4", "15", "60"]
    assert {row["model"] for row in rows} == {experiment}
    assert int(rows[0]["macs"]) == model["macs"]
    assert [int(row["macs"]) for row in rows] == model["growth"]["macs"]
    giga = f"{model['macs'] / 1e9:.3f}"
    line = f"| {experiment} | {model['parameters'] / 1e6:.3f} | {giga} |"
    assert line in text
    assert "blocks.lstm" in text


def test_latency_and_state_of_a_causal_model_are_told(
    tmp_path, without_ptflops, capsys
):
    path = tmp_path / "experiment.yaml"
    path.write_text(
        "separator: !new:speechbrain_spmamba.models.spmamba.SPMamba\n"
        "    {num_spks: 2, sample_rate: 8000, n_fft: 64, hop_length: 32,\n"
        "     num_blocks: 1, emb_dim: 4, causal: True, lookahead: 2}\n"
    )
    assert not run(str(path))
    row = capsys.readouterr().out.partition("state, MB |\n")[2]
    model = load(path)
    assert model.latency_samples == 64 + 2 * 32
    stream = model.stream()
    stream.feed(torch.randn(20 * 32))
    kept = sum(tensor.nbytes for tensor in stream.past.values())
    assert kept == model.state_bytes
    assert f"| 16 | {kept / 1e6:.2f} |" in row


def test_what_was_measured_and_what_failed_are_both_told():
    run = {
        "length": 1.0,
        "seconds": 0.5,
        "rtf": 0.5,
        "runs": 3,
        "peak_bytes": 3_000_000,
        "weight_bytes": 1_000_000,
    }
    model = {
        "parameters": 1_500_000,
        "macs": 2 * 10**9,
        "macs_computed": 10**9,
        "macs_scan_as_operations": 3 * 10**9,
        "parts": {"blocks.lstm": 2 * 10**9, "encoder": 10**5},
        "seconds": 1.0,
        "ptflops": {"macs": 4 * 10**9, "version": "0.7.5"},
        "table1": {"parameters": 6_140_000, "macs": 78_690_000_000},
        "growth": {"lengths": [1.0], "macs": [2 * 10**9], "exponent": None},
        "forward": {
            "runs": [run, {"length": 4.0, "error": "out of memory"}],
            "seconds": 1.234,
            "peak_bytes": None,
        },
    }
    text = complexity_page({"about": {"torch": "2.11"}, "models": {"x": model}})
    assert (
        "| x | 1.500 | 2.000 | 1.000 | 3.000 | 4.000 | 6.14 | 78.69 | - |"
        in (text)
    )
    assert "| x | forward | 1 | 0.5 | 0.5 | 3 | 1.23 | - |" in text
    assert "| x | forward | 4 | out of memory | - |" in text
    assert "encoder" not in text  # a thousandth is not shown


@pytest.mark.parametrize(
    "argv, message",
    [
        (["--lengths", "1,x"], "--lengths is '1,x'"),
        (["--step_lengths", "0"], "--step_lengths is '0'"),
        (["--repeats", "0"], "--repeats is 0"),
        (["no_such_model"], "unknown model 'no_such_model'"),
    ],
)
def test_mistakes_are_named_in_one_line(argv, message, capsys):
    assert run(*argv) == 2
    assert message in capsys.readouterr().err


def test_the_command_is_listed():
    cli = importlib.import_module("speechbrain_spmamba.cli")
    assert "complexity" in cli.COMMANDS
