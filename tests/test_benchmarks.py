"""The benchmarks keep what they found, and compute with what they were told."""

import csv
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import isa
from speechbrain_spmamba.speech_frames import reference_activity
from tests.separating import talker

FOLDER = Path(isa.__file__).parent
sys.path.insert(0, str(FOLDER))

import activity_thresholds  # noqa: E402
import gpu_tables  # noqa: E402
import measure  # noqa: E402


def rows_of(machine, seconds):
    return [{"case": case, "s": seconds, "machine": machine} for case in "ab"]


def test_a_run_replaces_the_rows_of_its_own_machine_alone(tmp_path):
    path = tmp_path / "scan_cpu.csv"
    path.write_text("case,s,machine\na,1,mine\na,1,yours\nc,1,mine\n")
    mine = [{**row, "isa": "avx2"} for row in rows_of("mine", "2")]
    measure.write_rows(path, ["case", "s", "isa", "machine"], mine)
    with open(path, newline="") as file:
        found = list(csv.DictReader(file))
    yours = {"case": "a", "s": "1", "isa": "", "machine": "yours"}
    assert found == [yours, *mine]


def test_columns_that_only_other_machines_have_stay(tmp_path):
    path = tmp_path / "scan_cpu.csv"
    path.write_text("case,s,machine,watts\na,1,yours,9\n")
    measure.write_rows(path, ["case", "s", "machine"], rows_of("mine", "2"))
    with open(path, newline="") as file:
        assert [row["watts"] for row in csv.DictReader(file)] == ["9", "", ""]


@pytest.mark.parametrize(
    "command, available, restricted",
    [
        ([], ["avx2", "avx512"], ""),
        (["--runs", "3", "--isa=avx2"], ["avx2", "avx512"], "avx2"),
        (["--isa", "avx512"], ["avx2", "avx512"], ""),
        (["--isa", "avx2"], ["avx2"], ""),
    ],
)
def test_a_processor_is_restricted_to_less_than_it_has(
    command, available, restricted
):
    assert isa.restriction(command, available) == restricted


@pytest.mark.parametrize(
    "available, has", [(["avx2"], "has avx2;"), ([], "has none of its kind;")]
)
def test_instructions_that_a_processor_lacks_are_refused(
    available, has, capsys
):
    with pytest.raises(SystemExit) as ended:
        isa.restriction(["--isa", "avx512"], available)
    (line,) = capsys.readouterr().err.splitlines()
    assert ended.value.code == 2 and has in line and "avx512" in line


@pytest.mark.skipif(
    "avx512" not in isa.available(), reason="the processor has no AVX-512"
)
def test_a_restriction_reaches_the_libraries_before_torch_is_there():
    code = "import isa, os; print(os.environ['ATEN_CPU_CAPABILITY'])"
    done = subprocess.run(
        [sys.executable, "-c", code, "--isa", "avx2"],
        env={**os.environ, "PYTHONPATH": str(FOLDER)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == "avx2\n", done.stderr


def test_every_benchmark_imports_isa_before_torch():
    users = [
        text
        for path in FOLDER.glob("*.py")
        if "isa.RESTRICTED" in (text := path.read_text())
    ]
    assert users
    for text in users:
        assert text.index("import isa\n") < text.index("import torch\n")
        assert "isa.add_argument(parser)" in text


def test_a_table_keeps_other_cases_and_each_as_it_comes(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(measure, "RESULTS", tmp_path)
    for seconds in (1.0, 2.0):
        table = measure.Table("scan", "cpu")
        found = {"ours": {"seconds": [seconds], "megabytes": 0.0}}
        table.add("long", found, "published")
        if seconds == 1.0:
            table.add("short", found, "published")
    with open(tmp_path / "scan_cpu.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["case"]: row["seconds_median"] for row in rows} == {
        "short": "1",
        "long": "2",
    }


def test_what_there_is_no_memory_for_is_left_out_and_the_rest_stays(capsys):
    def fails():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried a lot.")

    found = measure.in_turns({"large": fails, "small": lambda: None}, 3)
    assert list(found) == ["small"] and len(found["small"]["seconds"]) == 3
    said = capsys.readouterr().out
    assert said == "# large left out: CUDA out of memory\n"


def test_the_tables_of_the_page_are_those_of_the_results():
    page = gpu_tables.PAGE.read_text()
    assert "| 359 |" in page
    assert gpu_tables.with_tables(page) == page


def test_what_was_measured_stands_beside_what_was_counted(
    tmp_path, monkeypatch
):
    for name in ("launches_counted", "memory_counted"):
        table = (measure.RESULTS / f"{name}.csv").read_text()
        (tmp_path / f"{name}.csv").write_text(table)
    (tmp_path / "model_cuda.csv").write_text(
        "case,variant,seconds_median,megabytes,times_faster,machine\n"
        '"inference, 4 s",ours,0.02,1000,8.50,A card\n'
        '"inference, 4 s",published,0.17,4000,1.00,A card\n'
        '"training step, 4 s",memory: low,0.2,1000,1.00,A card\n'
    )
    monkeypatch.setattr(gpu_tables, "RESULTS", tmp_path)
    head, _, inference, *_, low = gpu_tables.work_table().splitlines()
    assert head.endswith("| measured, A card |")
    assert inference.endswith(
        "| 20 ms, 1.0 GB, 8.50 times as fast as published |"
    )
    assert low.endswith("| 200 ms, 1.0 GB |")


def test_a_threshold_is_set_to_the_first_value_that_is_as_good(monkeypatch):
    values = {"leak": (10, 20, 30, 40), "below": (16, 14, 12)}
    monkeypatch.setattr(activity_thresholds, "VALUES", values)
    asked = []

    def cost(sets, thresholds):
        asked.append(thresholds)
        leak = {10: 0.3, 20: 0.1006, 30: 0.1003, 40: 0.1}[thresholds.leak]
        # what is best for one depends on the other
        below = 14 if thresholds.leak == 30 else 12
        return leak + abs(thresholds.below - below)

    monkeypatch.setattr(activity_thresholds, "cost", cost)
    chosen = activity_thresholds.search([])
    assert (chosen.leak, chosen.below) == (30, 14)
    assert len(asked) == 2 * (4 + 3)  # the second time, nothing moves


def test_found_activity_is_compared_with_that_of_the_references():
    voice, other = talker(0, 4), talker(1, 4)
    src = np.stack([voice, other * 0], 1)
    item = activity_thresholds.Item(
        src.sum(1), src, reference_activity(src, 8000), 1
    )
    swapped = replace(item, est=src[:, ::-1])
    faint = replace(item, est=0.1 * src)  # beside its mixture
    wrong, said = activity_thresholds.judge(8000, [item, swapped, faint], None)
    assert wrong[0] < 0.01 and wrong[1] > 0.5
    assert said.tolist() == [1, 1, 0]
