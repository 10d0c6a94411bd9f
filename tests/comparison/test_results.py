"""The report says what the files of a comparison say."""

import csv
import json
import math

import numpy as np
import pytest

from speechbrain_spmamba import cli
from speechbrain_spmamba.comparison.figures import style_of
from speechbrain_spmamba.comparison.results import (
    paired_difference,
    write_report,
)
from speechbrain_spmamba.comparison.results_page import score
from speechbrain_spmamba.models.systems import SYSTEMS

# SI-SNRi of four mixtures; SDRi is 1 dB above.
SCORES = {
    "spmamba": [1.0, 2.0, 3.0, 6.0],
    "dprnn": [2.0, 3.0, 4.0, 7.0],
    "tdanet": [1.0, 2.0, 1.0, 8.0],
}
TRAINING = {
    "spmamba": [1.0, 4.0],
    "dprnn": [1.0, 2.0, 3.0],
    "tdanet": [2.0, 1.0],
}


def _json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def _rows(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture
def comparison(tmp_path):
    """A comparison of three finished systems and one that failed."""
    _json(
        tmp_path / "comparison.json",
        {
            "systems": [*SCORES, "bsrnn", "skim"],
            "budget": {"minutes": 2.5},
            "smoke": True,
            "commands": ["spmamba compare --smoke out"],
            "failures": {"bsrnn": "exit status 1: out of luck"},
        },
    )
    _json(
        tmp_path / "data.json",
        {"test": {"manifest": "test.csv", "items": 4, "hours": 0.5,
                  "sha256": "ab" * 32}},
    )  # fmt: skip
    for index, (name, values) in enumerate(SCORES.items(), 1):
        folder = tmp_path / name
        rows = [
            {"ID": f"m{i}", "duration": 4.0, "si_snr": v - 1, "si_snri": v,
             "sdr": v, "sdri": v + 1}
            for i, v in enumerate(values)
        ]  # fmt: skip
        _rows(folder / "run/test/results.csv", rows)
        _rows(
            folder / "run/history.csv",
            [
                {"epoch": e, "lr": 0.1, "train_snr": t, "valid_si_snr": t,
                 "valid_si_snri": t}
                for e, t in enumerate(TRAINING[name], 1)
            ],
        )  # fmt: skip
        _json(
            folder / "finished.json",
            {
                "minutes": 2.5,
                "weights": None,
                "commands": [f"python train.py {name}/experiment.yaml"],
                "versions": {"torch": "2.9", "cpu": f"CPU {index // 3}"},
            },
        )
        costs = {"parameters": 10**index, "macs": 2 * 10**9}
        costs |= {"macs_computed": 10**9, "device": "cpu"}
        if name != "tdanet":
            costs |= {"rtf": 0.25, "peak_bytes": 3 * 10**8}
        _json(folder / "complexity.json", costs)
    return tmp_path


def test_means_differences_and_training_are_those_of_the_files(comparison):
    systems = write_report(comparison)["systems"]
    assert list(systems) == ["spmamba", "dprnn", "tdanet"]
    found = systems["spmamba"]
    assert found["si_snri"]["mean"] == 3.0 and found["sdri"]["mean"] == 4.0
    assert found["differences"] is None and found["items"] == 4
    assert (found["epochs"], found["best_epoch"]) == (2, 2)
    # Always one better: no doubt about it, whatever mixtures are drawn.
    gain = systems["dprnn"]["differences"]["si_snri"]
    assert (gain["mean"], gain["interval"], gain["items"]) == (
        1.0,
        [1.0, 1.0],
        4,
    )
    # Differences 0, 0, -2, 2.
    gain = systems["tdanet"]["differences"]["sdri"]
    low, high = gain["interval"]
    assert gain["mean"] == 0.0 and -2 < low < 0 < high < 2


def test_learning_means_a_falling_loss_and_a_gain_beyond_chance(comparison):
    systems = write_report(comparison)["systems"]
    assert [s["si_snri"]["interval"][0] > 0 for s in systems.values()] == [
        True,
        True,
        True,
    ]
    # Twice as long, the first one's interval would reach below 0 dB.
    assert [s["learned"] for s in systems.values()] == [False, True, False]
    # A single epoch has no loss to compare with: the test set tells alone.
    for name in SCORES:
        path = comparison / name / "run/history.csv"
        head, first, *_ = path.read_text().splitlines()
        path.write_text(f"{head}\n{first}\n")
    systems = write_report(comparison)["systems"]
    assert [s["learned"] for s in systems.values()] == [False, True, False]


def test_intervals_are_over_talkers_where_the_rows_name_them(comparison):
    rows = [
        {"ID": f"m{i}", "duration": 4.0, "si_snr": v, "si_snri": v, "sdr": v,
         "sdri": v, "talkers": names}
        for i, (v, names) in enumerate(
            [(1.0, "a b"), (2.0, "b c"), (3.0, "c d"), (6.0, "a d")]
        )
    ]  # fmt: skip
    for name in SCORES:
        _rows(comparison / name / "run/test/results.csv", rows)
    found = write_report(comparison)["systems"]
    assert found["dprnn"]["si_snri"]["talkers"] == 4
    assert found["dprnn"]["differences"]["sdri"]["talkers"] == 4
    assert "over their 4 talkers" in (comparison / "report.md").read_text()


def test_the_interval_of_a_difference_is_that_of_its_bootstrap():
    reference = {f"m{i}": {"sdr": 0.0} for i in range(2)}
    scores = {"m0": {"sdr": 0.0}, "m1": {"sdr": 2.0}}
    # Of two draws from {0, 2}, the mean is 0 or 2 with probability 1/4 each.
    found = paired_difference(scores, reference, "sdr")
    assert (found["mean"], found["interval"]) == (1.0, [0.0, 2.0])
    rng = np.random.default_rng(3)
    gains = rng.normal(0.5, 2.0, 400)
    scores = {f"m{i}": {"sdr": g} for i, g in enumerate(gains)}
    reference = {f"m{i}": {"sdr": 0.0} for i in range(400)}
    low, high = paired_difference(scores, reference, "sdr")["interval"]
    error = gains.std() / math.sqrt(400)
    assert low == pytest.approx(gains.mean() - 1.96 * error, abs=0.2 * error)
    assert high == pytest.approx(gains.mean() + 1.96 * error, abs=0.2 * error)
    assert paired_difference(scores, reference, "sdr") == paired_difference(
        scores, reference, "sdr"
    )


def test_only_mixtures_that_both_scored_are_compared():
    one = {"a": {"sdr": 3.0}, "b": {"sdr": math.nan}, "c": {"sdr": 9.0}}
    other = {"a": {"sdr": 1.0}, "b": {"sdr": 1.0}, "d": {"sdr": 0.0}}
    found = paired_difference(one, other, "sdr")
    assert (found["mean"], found["items"]) == (2.0, 1)


def test_the_tables_hold_every_system(comparison):
    write_report(comparison)
    with open(comparison / "table.csv", newline="") as file:
        rows = {row["system"]: row for row in csv.DictReader(file)}
    assert float(rows["dprnn"]["si_snri"]) == 4.0
    assert float(rows["dprnn"]["macs"]) == 2e9 and rows["tdanet"]["rtf"] == ""
    assert float(rows["spmamba"]["sdr_low"]) <= 3.0
    with open(comparison / "per_utterance.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["ID"] for row in rows] == ["m0", "m1", "m2", "m3"]
    assert float(rows[3]["tdanet_si_snri"]) == 8.0


def test_what_means_of_improvements_leave_out_is_told(comparison):
    path = comparison / "dprnn/run/test/results.csv"
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    _rows(path, [{**rows[0], "si_snri": "", "sdri": ""}, *rows[1:]])
    report = write_report(comparison)
    found = report["systems"]["dprnn"]
    assert (found["items"], found["undefined"]) == (4, 1)
    assert found["si_snri"]["items"] == found["sdri"]["items"] == 3
    assert found["differences"]["sdri"]["items"] == 3
    page = (comparison / "report.md").read_text()
    assert "SI-SNRi and SDRi leave out 1 mixtures" in page
    with open(comparison / "per_utterance.csv", newline="") as file:
        cells = next(csv.DictReader(file))
    assert cells["dprnn_sdri"] == "" and cells["tdanet_sdri"] == "2.0"


def test_the_page_tells_all_of_it(comparison):
    write_report(comparison)
    page = (comparison / "report.md").read_text()
    for text in (
        "for 2.5 minutes of training",
        "- **bsrnn failed**: exit status 1: out of luck",
        "- skim is not finished",
        "| DualPathRNN | +1.00 (+1.00 to +1.00) | +1.00 (+1.00 to +1.00) | 4 |",
        "Means over 4 test mixtures",
        "| test | 4 | 0.50 | `abababababababab` |",
        "| cpu | CPU 0 (spmamba, dprnn) |",
        "| cpu | CPU 1 (tdanet) |",
        "spmamba compare --smoke out",
        "python train.py tdanet/experiment.yaml",
        "](curves.png)",
        "](quality_cost.png)",
    ):
        assert text in page, text
    scores = [line for line in page.splitlines() if line.startswith("| TDANet")]
    assert scores[0].endswith("| 0.00100 | 2.00 | - | - |")
    for name in ("curves.png", "quality_cost.png"):
        assert (comparison / name).read_bytes()[:4] == b"\x89PNG"


def test_a_comparison_without_the_reference_has_no_differences(comparison):
    (comparison / "spmamba" / "finished.json").unlink()
    systems = write_report(comparison)["systems"]
    assert all(found["differences"] is None for found in systems.values())
    assert "Differences" not in (comparison / "report.md").read_text()


def test_a_comparison_of_which_nothing_is_finished_says_so(comparison):
    for name in SCORES:
        (comparison / name / "finished.json").unlink()
    assert write_report(comparison)["systems"] == {}
    assert "- dprnn is not finished" in (comparison / "report.md").read_text()


def test_systems_have_looks_of_their_own():
    looks = [tuple(style_of(name).values()) for name in SYSTEMS]
    assert (
        len({c for c, _ in looks}) == len({m for _, m in looks}) == len(looks)
    )


def test_a_score_that_is_undefined_is_a_dash():
    assert score({"mean": None, "interval": None}) == "-"


def test_the_command_writes_the_report_alone(comparison, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["compare", str(comparison), "--report_only"])
    assert stop.value.code == 1  # one failed, one did not learn
    out = capsys.readouterr().out
    assert "tdanet did not learn" in out and "report.md" in out


def test_a_folder_that_is_no_comparison_ends_in_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["compare", str(tmp_path), "--report_only"])
    assert stop.value.code == 2
    assert "is no comparison" in capsys.readouterr().err
