"""The notebook docs/tour.ipynb runs, and stays small."""

import ast
import json
import re
import shlex

import pytest
import speechbrain as sb

from speechbrain_spmamba.cli import make_app
from speechbrain_spmamba.commands.app import understand
from speechbrain_spmamba.settings.requirements import check_keys
from tests import ROOT

TOUR = ROOT / "docs/tour.ipynb"


@pytest.fixture(scope="module")
def cells():
    """The cells as they are kept, with what they gave."""
    return json.loads(TOUR.read_text(encoding="utf-8"))["cells"]


def _commands(cells):
    """What the notebook hands to a shell, word by word."""
    text = "\n".join("".join(c["source"]) for c in cells).replace("\\\n", " ")
    for line in re.findall(r"^!\{PYTHON\} (.*)", text, re.MULTILINE):
        line = line.replace("{OUT}", "OUT")
        yield shlex.split(line.replace("{{", "{").replace("}}", "}"))


def test_it_is_small_and_tells_of_no_machine(cells):
    assert TOUR.stat().st_size < 300_000
    for cell in cells:
        for output in cell.get("outputs", []):
            assert output["output_type"] != "error"
            told = "".join(output.get("text", ""))
            assert not re.search(r"/(home|root|tmp|usr|work|opt)/", told)


def test_its_code_is_python_and_its_commands_exist(cells):
    code = [c["source"] for c in cells if c["cell_type"] == "code"]
    for source in code:
        if not source[0].startswith("!"):
            ast.parse("".join(x for x in source if not x.startswith("%")))
    train, export = _commands(cells)
    assert train[0] == "../train.py"
    path, _, overrides = sb.parse_arguments(train[1:])
    text = (ROOT / "docs" / path).read_text(encoding="utf-8")
    check_keys(path, text, overrides)
    assert export[:2] == ["-m", "speechbrain_spmamba.cli"]
    assert understand(make_app(), export[2:])[0].__name__ == "export"


@pytest.mark.slow
def test_it_runs_from_top_to_bottom(tmp_path):
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    (tmp_path / "docs").mkdir()
    for name in ("hparams", "train.py", "docs/example"):
        (tmp_path / name).symlink_to(ROOT / name)
    client = nbclient.NotebookClient(
        nbformat.read(TOUR, 4),
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path / "docs")}},
    )
    cells = client.execute().cells
    said = {
        c.source: "".join(output.get("text", "") for output in c.outputs)
        for c in cells
        if c.cell_type == "code"
    }
    assert any(text.startswith("2 talk: ") for text in said.values())
    (score,) = (x for x in said.values() if " dB better" in x)
    assert float(score.split()[0]) > 3
    for name in ("talk_s1.wav", "talk_s2.wav", "model/separator.ckpt"):
        assert (tmp_path / "results/tour" / name).is_file()
