"""The command has the options of a separation, and one place for its words."""

import ast
import contextlib
from dataclasses import fields
from pathlib import Path

import pytest

from speechbrain_spmamba import cli, commands
from speechbrain_spmamba.recordings.options import SeparationOptions

FOLDER = Path(commands.__file__).parent


def test_each_option_of_a_separation_is_one_of_the_command(capsys):
    with contextlib.suppress(SystemExit):
        cli.main(["separate", "--help"])
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for field in fields(SeparationOptions):
        name = "rate" if field.name == "keep_rate" else field.name
        assert f"--{name}" in told
    assert "Only so many outputs, the most active ones" in told
    assert "share, up to half a window" in told


@pytest.mark.parametrize(
    "name", ["separate", "jobs", "inputs", "output_tags", "distributed"]
)
def test_what_the_command_prints_stands_in_one_place(name):
    """The sound itself, which `jobs` sends to standard output, is no print."""
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    calls = [x.func for x in ast.walk(tree) if isinstance(x, ast.Call)]
    called = {ast.unparse(call) for call in calls}
    printing = {"print", "tqdm", "sys.stdout.write", "sys.stderr.write"}
    assert not called & printing
