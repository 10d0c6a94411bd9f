"""Results are written whole, right and readable."""

import csv
import json

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_spmamba.evaluate import Evaluation, describe
from speechbrain_spmamba.metrics import score

RATE = 8000


def _batch():
    src = torch.randn(2, 4000, 2)
    est = src + 0.1 * torch.randn_like(src)
    return src.sum(-1), est, src


def test_every_mixture_has_its_row(tmp_path):
    mix, est, src = _batch()
    evaluation = Evaluation(tmp_path, RATE)
    order = torch.tensor([[0, 1], [0, 1]])
    evaluation.add(["b", "a"], mix, est, src, order, torch.tensor([1.0, 0.5]))
    summary = evaluation.finish()
    with open(tmp_path / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["ID"] for row in rows] == ["a", "b"]
    assert [float(row["duration"]) for row in rows] == [0.25, 0.5]
    expected = score(mix[1, :2000], est[1, :2000], src[1, :2000])
    for name, value in expected.items():
        assert float(rows[0][name]) == pytest.approx(value)
    assert summary["mixtures"] == 2
    mean = np.mean([float(row["si_snri"]) for row in rows])
    assert summary["si_snri"]["mean"] == pytest.approx(mean)
    assert json.loads((tmp_path / "summary.json").read_text()) == summary


def test_estimates_are_scored_in_the_order_of_their_sources(tmp_path):
    mix, est, src = _batch()
    evaluation = Evaluation(tmp_path, RATE)
    swapped = torch.tensor([[1, 0], [1, 0]])
    evaluation.add(["a", "b"], mix, est.flip(-1), src, swapped)
    assert all(row["si_snr"] > 15 for row in evaluation.rows)


def test_examples_have_audio_and_a_figure(tmp_path):
    mix, est, src = _batch()
    evaluation = Evaluation(tmp_path, RATE, num_examples=1)
    order = torch.tensor([[0, 1], [0, 1]])
    evaluation.add(["a", "b"], mix, est, src, order)
    folder = tmp_path / "examples" / "a"
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "mixture.wav",
        "estimate1.wav",
        "estimate2.wav",
        "reference1.wav",
        "reference2.wav",
        "spectrograms.png",
    }
    wave, rate = soundfile.read(folder / "estimate2.wav", dtype="float32")
    np.testing.assert_array_equal(wave, est[0, :, 1])
    assert rate == RATE
    assert (folder / "spectrograms.png").read_bytes()[:4] == b"\x89PNG"
    assert not (tmp_path / "examples" / "b").exists()


def test_the_interval_holds_the_mean_nineteen_times_in_twenty():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(100):
        low, high = describe(list(rng.normal(3.0, 2.0, 60)), 400)["interval"]
        held += low < 3.0 < high
    assert 88 <= held <= 100


def test_undefined_scores_are_left_out():
    found = describe([1.0, float("nan"), 3.0])
    assert found["mean"] == 2.0
    assert describe([float("nan")])["mean"] is None
