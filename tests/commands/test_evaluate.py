"""``spmamba evaluate`` scores what a user of ``spmamba separate`` gets."""

import csv
import json
import sys

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_spmamba import cli
from speechbrain_spmamba.builtin.models import DEFAULT, builtin_models
from speechbrain_spmamba.commands.evaluate import _separate, _with_silence
from speechbrain_spmamba.files.checksums import file_sum
from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.manifest import write_manifest
from speechbrain_spmamba.scoring.evaluate import summary_lines
from speechbrain_spmamba.weights.export import write_model
from speechbrain_spmamba.weights.folder_yaml import model_yaml
from tests.small_models import SMALL

RATE, WINDOW = 8000, 80_000


@pytest.fixture
def model(small_model):
    return WaveformSeparation(
        modules={"separator": small_model().eval()},
        hparams={"sample_rate": RATE, "num_spks": 2},
        run_opts={"device": "cpu"},
    )


def test_up_to_a_window_a_mixture_is_separated_at_once(model):
    mix = 0.1 * torch.randn(1, WINDOW)
    est = _separate(model, mix, whole=False)
    assert torch.equal(est, model.separate_batch(mix))


def test_a_longer_one_is_separated_as_recordings_are(model):
    mix = 0.1 * torch.randn(1, WINDOW + 1)
    at_once = model.separate_batch(mix)
    in_windows = model.separate_array(mix[0], RATE).unsqueeze(0)
    assert not torch.allclose(at_once, in_windows, atol=1e-5)
    assert torch.equal(_separate(model, mix, whole=False), in_windows)
    assert torch.equal(_separate(model, mix, whole=True), at_once)


def test_all_microphones_of_a_long_mixture_are_heard(small_model):
    model = WaveformSeparation(
        modules={"separator": small_model(num_mics=2).eval()},
        hparams={"sample_rate": RATE, "num_spks": 2},
        run_opts={"device": "cpu"},
    )
    mix = 0.1 * torch.randn(1, WINDOW + 1, 2)
    est = _separate(model, mix, whole=False)
    assert torch.equal(est, model.separate_batch(mix))


def test_a_test_set_may_have_fewer_sources_than_the_model_outputs():
    src = torch.randn(1, 100, 2)
    padded = _with_silence(src, 3, "test.csv")
    assert torch.equal(padded[..., :2], src) and not padded[..., 2].any()
    assert torch.equal(_with_silence(src, 2, "test.csv"), src)
    with pytest.raises(ValueError, match="has 2 sources a mixture, the model"):
        _with_silence(src, 1, "test.csv")


@pytest.fixture
def evaluate_files(tmp_path, small_model):
    """``spmamba evaluate`` of a model on two mixtures; one has one talker."""
    src = 0.1 * np.random.default_rng(0).standard_normal((4000, 2))
    rows = []
    for item, signals in (("a", src), ("b", src * [1, 0])):
        row = {"ID": item, "duration": 0.5}
        waves = {
            "mix": signals.sum(1),
            "s1": signals[:, 0],
            "s2": signals[:, 1],
        }
        for part, wave in waves.items():
            row[f"{part}_wav"] = tmp_path / f"{item}_{part}.wav"
            soundfile.write(row[f"{part}_wav"], wave, RATE, "FLOAT")
        rows.append(row)
    write_manifest(tmp_path / "m.csv", rows, tmp_path)

    def run(change=lambda model: None, name=str(tmp_path / "model"), words=()):
        model = small_model()
        change(model)
        text = model_yaml(model, {"num_spks": 2, **SMALL["spmamba"]})
        write_model(tmp_path / "model", model, text)
        cli.main([
            "evaluate", name, str(tmp_path / "m.csv"),
            "--data_root", str(tmp_path), "-o", str(tmp_path / "scores"),
            "--device", "cpu", *words,
        ])  # fmt: skip

    return run


def test_the_command_prints_the_table_of_a_training(
    evaluate_files, tmp_path, capsys
):
    with pytest.raises(SystemExit) as stop:
        evaluate_files()
    assert not stop.value.code
    summary = json.loads((tmp_path / "scores/summary.json").read_text())
    *lines, where = capsys.readouterr().out.splitlines()
    assert lines == summary_lines(summary) and summary["undefined"] == 1
    assert where == f"  scores: {tmp_path / 'scores'}"


def test_the_command_scores_what_is_asked_for(evaluate_files, tmp_path, capsys):
    pytest.importorskip("pystoi")
    with pytest.raises(SystemExit) as stop:
        evaluate_files(words=["--metrics", "[estoi, sdr]"])
    assert not stop.value.code
    with open(tmp_path / "scores/results.csv", newline="") as file:
        row = next(csv.DictReader(file))
    assert list(row)[2:6] == ["sdr", "sdri", "estoi", "silence"]
    assert 0 < float(row["estoi"]) < 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("  mean ESTOI 0.") for line in lines)
    assert not any("mean SI-SNR" in line for line in lines)


def test_scores_name_a_model_of_the_package_and_the_sum_of_its_weights(
    evaluate_files, tmp_path
):
    with pytest.raises(SystemExit) as stop:
        evaluate_files(name=DEFAULT)
    assert not stop.value.code
    summary = json.loads((tmp_path / "scores/summary.json").read_text())
    weights = builtin_models()[DEFAULT].folder / "separator.safetensors"
    wanted = {"name": DEFAULT, "sha256": file_sum(weights)}
    assert summary["checkpoint"] == wanted


def test_a_model_that_gives_nan_has_no_scores(evaluate_files, tmp_path, capsys):
    def damage(model):
        with torch.no_grad():
            next(model.parameters()).fill_(float("nan"))

    with pytest.raises(SystemExit) as stop:
        evaluate_files(damage)
    assert stop.value.code == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: the model gives NaN") and "'a'" in last
    assert not (tmp_path / "scores").exists()


def test_the_diarization_error_says_what_it_needs(
    evaluate_files, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "pyannote.metrics.diarization", None)
    with pytest.raises(SystemExit) as stop:
        evaluate_files(words=["--diarization"])
    assert stop.value.code == 2
    assert capsys.readouterr().err.strip().splitlines()[-1] == (
        "error: the diarization error needs pyannote.metrics, which is not "
        "installed; pip install 'speechbrain_spmamba[diarization]'"
    )


def test_the_diarization_error_is_printed_if_asked_for(
    evaluate_files, tmp_path, capsys
):
    pytest.importorskip("pyannote.metrics")
    with pytest.raises(SystemExit) as stop:
        evaluate_files(words=["--diarization"])
    assert not stop.value.code
    summary = json.loads((tmp_path / "scores/summary.json").read_text())
    assert len(summary["diarization"]) == 4
    assert "diarization error, %" in capsys.readouterr().out


def test_a_mixture_that_the_model_does_not_take_is_named(
    evaluate_files, tmp_path, capsys
):
    path = tmp_path / "b_mix.wav"
    soundfile.write(path, np.ones((4000, 2)), RATE)
    with pytest.raises(SystemExit) as stop:
        evaluate_files()
    assert stop.value.code == 2
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("error: 'b': mixture has shape [1, 4000, 2]")
