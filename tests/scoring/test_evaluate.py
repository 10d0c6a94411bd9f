"""Results are written whole, right and readable."""

import csv
import json

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_spmamba.scoring import evaluate
from speechbrain_spmamba.scoring.evaluate import (
    Evaluation,
    summary_lines,
)
from speechbrain_spmamba.scoring.metrics import score

RATE = 8000


def spoken(seconds):
    """Noise that moves as speech does, in pieces of a tenth of a second."""
    levels = torch.tensor([0.2, 0.05, 0.2, 0.01]).repeat(20)
    pieces = int(10 * seconds)
    levels = levels[:pieces].repeat_interleave(RATE // 10)
    return levels * torch.randn(len(levels))


def _batch():
    src = torch.randn(2, 4000, 2)
    est = src + 0.1 * torch.randn_like(src)
    return src.sum(-1), est, src


def test_every_mixture_has_its_row(tmp_path):
    mix, est, src = _batch()
    evaluation = Evaluation(tmp_path, RATE)
    order = torch.tensor([[0, 1], [0, 1]])
    evaluation.add(["b", "a"], mix, est, src, order, torch.tensor([1.0, 0.5]))
    assert evaluation.finish()["checkpoint"] is None
    whose = {"name": "CKPT+1", "sha256": "0"}
    summary = evaluation.finish(whose)
    assert summary["checkpoint"] == whose
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
    assert summary["hours"] == pytest.approx(0.75 / 3600)
    table = (tmp_path / "results.csv").read_bytes()
    header = b"ID,duration,si_snr,si_snri,sdr,sdri,sir,sar,silence,num_talkers,"
    header += b"found_talkers,frames_wrong,talkers\n"
    assert table.startswith(header + b"a,0.25,")
    assert not (tmp_path / "examples").exists()


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
    for name, signal in (
        ("mixture", mix[0]),
        ("estimate1", est[0, :, 0]),
        ("estimate2", est[0, :, 1]),
        ("reference1", src[0, :, 0]),
        ("reference2", src[0, :, 1]),
    ):
        wave, rate = soundfile.read(folder / f"{name}.wav", dtype="float32")
        np.testing.assert_array_equal(wave, signal)
        assert rate == RATE
    assert (folder / "spectrograms.png").read_bytes()[:4] == b"\x89PNG"
    assert not (tmp_path / "examples" / "b").exists()


def test_talkers_whom_the_ids_name_have_their_own_scores(tmp_path):
    mix, est, src = _batch()
    est[1] = src[1].flip(-1)  # of the second mixture, far worse than before
    evaluation = Evaluation(tmp_path, RATE)
    order = torch.tensor([[0, 1], [0, 1]])
    evaluation.add(["84-1-1_121-1-1", "84-1-2_908-1-1"], mix, est, src, order)
    summary = evaluation.finish()
    assert summary["worse"] == 0.5
    with open(tmp_path / "talkers.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["talker"] for row in rows] == ["908", "84", "121"]
    assert [row["mixtures"] for row in rows] == ["1", "2", "1"]
    mean = sum(row["si_snri"] for row in evaluation.rows) / 2
    assert float(rows[1]["si_snri"]) == pytest.approx(mean)


def test_mixtures_without_an_improvement_are_counted_and_left_out(tmp_path):
    mix, est, src = _batch()
    expected = score(mix[0], est[0], src[0])
    src[1, :, 1], mix[1] = 0, src[1, :, 0]
    est[1, :, 1] = 0.01 * mix[1]
    evaluation = Evaluation(tmp_path, RATE)
    order = torch.tensor([[0, 1], [0, 1]])
    evaluation.add(["a", "b"], mix, est, src, order)
    summary = evaluation.finish()
    assert (summary["mixtures"], summary["undefined"]) == (2, 1)
    for name in ("si_snri", "sdri"):
        assert summary[name]["items"] == 1
        assert summary[name]["mean"] == pytest.approx(expected[name])
    assert summary["si_snr"]["items"] == summary["sdr"]["items"] == 2
    assert summary["silence"]["mean"] == pytest.approx(40, abs=1e-3)
    with open(tmp_path / "results.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[1]["si_snri"] == rows[1]["sdri"] == rows[0]["silence"] == ""
    text = "\n".join(summary_lines(summary))
    assert "of 1 mixtures: 40.00 dB below the mixture" in text
    assert "1 mixtures without an improvement" in text


def test_a_test_set_of_silent_sources_alone_still_has_a_summary(tmp_path):
    mix, est, src = _batch()
    evaluation = Evaluation(tmp_path, RATE)
    order = torch.tensor([[0, 1], [0, 1]])
    evaluation.add(["a", "b"], mix, est, 0 * src, order)
    summary = evaluation.finish()
    assert summary["undefined"] == 2 and summary["si_snr"]["mean"] is None
    _, silence, undefined, right, *_ = summary_lines(summary)
    assert "silent sources, of 2 mixtures" in silence
    assert undefined.strip().startswith("2 mixtures without an improvement")
    assert right.strip().startswith("number of talkers right in")


@pytest.mark.parametrize(
    "signal, message",
    [
        (0, "the mixture of 'b\\\\n' has NaN"),
        (1, "the model gives NaN or infinite samples for 'b\\\\n'"),
        (2, "a source of 'b\\\\n' has NaN"),
    ],
)
@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_what_is_not_finite_is_named(tmp_path, signal, message, value):
    signals = _batch()
    signals[signal][1, 7] = value
    evaluation = Evaluation(tmp_path, RATE)
    order = torch.tensor([[0, 1], [0, 1]])
    with pytest.raises(ValueError, match=message) as error:
        evaluation.add(["a", "b\n"], *signals, order)
    assert "\n" not in str(error.value)


def test_examples_stay_in_their_folder_whatever_the_ids_are(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(evaluate, "draw_spectrograms", lambda *_: None)
    ids = ["../../up", str(tmp_path / "root"), "..", "nul\0l", "a/b", "a_b"]
    folder = tmp_path / "1/2/3"
    evaluation = Evaluation(folder, RATE, num_examples=len(ids))
    src = torch.randn(len(ids), 80, 2)
    order = torch.tensor([[0, 1]]).expand(len(ids), 2)
    evaluation.add(ids, src.sum(-1), src, src, order)
    written = {path.parent for path in tmp_path.rglob("mixture.wav")}
    assert len(written) == len(ids)
    assert {path.parent for path in written} == {folder / "examples"}
    assert folder / "examples" / "a_b" in written


def test_who_talks_is_counted_item_by_item(tmp_path):
    """Two who talk in turns, of whom the second is given out as nobody."""
    src = torch.zeros(1, 4 * RATE, 3)
    src[0, : 2 * RATE, 0] = src[0, 2 * RATE :, 1] = spoken(2)
    est = src * torch.tensor([1.0, 0.0, 0.0])
    order = torch.tensor([[0, 1, 2]])
    evaluation = Evaluation(tmp_path, RATE, diarization=True)
    mix = src.sum(-1) + 0.001 * torch.randn(1, 4 * RATE)
    evaluation.add(["84-1-1_121-1-1"], mix, est, src, order)
    summary = evaluation.finish()
    (row,) = evaluation.rows
    assert (row["num_talkers"], row["found_talkers"]) == (2, 1)
    # The second talks half of the time: one of six parts of all frames.
    assert row["frames_wrong"] == pytest.approx(1 / 6, abs=0.02)
    assert row["talkers"] == "84 121" and row["silence"] == 100
    assert summary["count_matrix"][2] == [0, 1, 0, 0]
    assert summary["by_talkers"]["2"]["number_right"]["mean"] == 0
    at_once = summary["over_time"]["at_once"]["1"]
    assert at_once["number_right"] == pytest.approx(0.5, abs=0.03)
    error = summary["diarization"][0]
    assert error["missed"] == pytest.approx(0.5, abs=0.03)
    assert json.loads((tmp_path / "summary.json").read_text()) == summary


@pytest.mark.parametrize("samples", [1, 100, 300])
def test_what_is_hardly_a_frame_long_has_scores(tmp_path, samples):
    src = torch.randn(1, samples, 2)
    evaluation = Evaluation(tmp_path, RATE, diarization=True)
    evaluation.add(["a"], src.sum(-1), src, src, torch.tensor([[0, 1]]))
    text = json.dumps(evaluation.finish())
    assert "NaN" not in text and "Infinity" not in text


def test_nobody_and_one_do_not_hide_who_the_others_are(tmp_path):
    mix, est, src = (torch.cat([x, x]) for x in _batch())
    src[2, :, 1] = src[3] = 0
    evaluation = Evaluation(tmp_path, RATE)
    order = torch.tensor([[0, 1]]).expand(4, 2)
    ids = ["84-1-1_121-1-1", "84-1-2_908-1-1", "1_84-1-1", "2"]
    evaluation.add(ids, mix, est, src, order)
    summary = evaluation.finish()
    assert [row["talkers"] for row in evaluation.rows[2:]] == ["84", ""]
    assert summary["si_snri"]["talkers"] == 3
    groups = summary["by_talkers"]
    assert [(n, one["mixtures"]) for n, one in groups.items()] == [
        ("0", 1), ("1", 1), ("2", 2)
    ]  # fmt: skip
    assert groups["0"]["si_snr"]["mean"] is None
    with open(tmp_path / "talkers.csv", newline="") as file:
        rows = {row["talker"]: row["mixtures"] for row in csv.DictReader(file)}
    assert rows == {"84": "3", "121": "1", "908": "1"}


def test_talkers_without_an_improvement_have_no_table(tmp_path):
    _, est, src = _batch()
    src[..., 1] = 0
    evaluation = Evaluation(tmp_path, RATE)
    order = torch.tensor([[0, 1]] * 2)
    evaluation.add(["84-1-1", "121-1-1"], src[..., 0], est, src, order)
    assert evaluation.finish()["by_talkers"]["1"]["si_snr"]["items"] == 2
    assert not (tmp_path / "talkers.csv").exists()


def test_improvements_are_over_the_first_microphone(tmp_path):
    mix, est, src = _batch()
    evaluation = Evaluation(tmp_path, RATE)
    order = torch.tensor([[0, 1], [0, 1]])
    two = torch.stack([mix, torch.randn_like(mix)], -1)
    evaluation.add(["a", "b"], two, est, src, order)
    expected = score(mix[1], est[1], src[1])
    assert evaluation.rows[1]["si_snri"] == pytest.approx(expected["si_snri"])


def test_what_a_test_brought_is_said_line_by_line():
    def figure(mean, talkers=None):
        interval = [mean - 1, mean + 1]
        known = {"items": 2, "mean": mean, "interval": interval}
        return known | {"talkers": talkers}

    summary = {"mixtures": 5, "undefined": 3, "worse": 0.5, "longest": 4.0}
    summary |= {"by_talkers": {"2": {}}, "count_matrix": [[0] * 3] * 3}
    summary |= {"number_right": figure(1), "over_time": {}}
    for name, mean in (("si_snri", 2), ("sdri", 3), ("silence", 40)):
        summary[name] = figure(mean)
    summary["si_snri"] = figure(2, talkers=7)
    summary["stoi"] = figure(0.9)
    assert summary_lines(summary) == [
        "Tested on 5 mixtures:",
        "  mean SI-SNRi 2.00 dB (95 % interval over 7 talkers 1.00 to 3.00)",
        "  mean SDRi 3.00 dB (95 % interval over mixtures 2.00 to 4.00)",
        "  mean STOI 0.900, undefined for 3 mixtures (95 % interval over "
        "mixtures -0.100 to 1.900)",
        "  outputs for silent sources, of 2 mixtures: 40.00 dB below the "
        "mixture (95 % interval over mixtures 39.00 to 41.00)",
        "  50.0 % of them are worse than before",
        "  3 mixtures without an improvement, in neither mean: nobody talks, "
        "or one with nothing else in it",
    ]
