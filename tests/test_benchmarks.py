"""The benchmarks keep what they found, and compute with what they were told."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import isa, measure

FOLDER = Path(isa.__file__).parent


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
