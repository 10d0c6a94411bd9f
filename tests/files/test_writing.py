"""A file is written whole or not at all, and in one place of the package."""

import ast
import errno
import math
import signal
from pathlib import Path

import pytest

from speechbrain_spmamba.errors import explain
from speechbrain_spmamba.files.text import read_csv, read_json
from speechbrain_spmamba.files.writing import (
    write_bytes,
    write_csv,
    write_json,
    write_text,
)
from tests import package_calls


def test_the_bytes_are_the_same_on_every_system(tmp_path):
    write_text(tmp_path / "deep" / "a.txt", "ä\r\nb\n")
    assert (tmp_path / "deep" / "a.txt").read_bytes() == b"\xc3\xa4\r\nb\n"
    write_json(tmp_path / "a.json", {"b": [1, "ä"]})
    assert (tmp_path / "a.json").read_bytes() == (
        b'{\n  "b": [\n    1,\n    "\\u00e4"\n  ]\n}\n'
    )
    write_json(tmp_path / "a.json", {"b": [math.inf]}, indent=None, end="")
    assert (tmp_path / "a.json").read_bytes() == b'{"b": [Infinity]}'
    assert read_json(tmp_path / "a.json") == {"b": [math.inf]}


def test_a_table_has_its_columns_in_order_and_tells_what_is_undefined(tmp_path):
    path, rows = tmp_path / "a.csv", [{"b": math.nan, "a": 1}, {"a": "x,\ny"}]
    write_csv(path, rows)
    assert path.read_bytes() == b'b,a\nnan,1\n,"x,\ny"\n'
    write_csv(path, iter(rows), ["a", "b"], undefined="")
    assert path.read_bytes() == b'a,b\n1,\n"x,\ny",\n'
    assert read_csv(path)[1][1] == (4, {"a": "x,\ny", "b": ""})


def test_a_full_disk_leaves_no_half_file_and_is_explained(
    tmp_path, monkeypatch
):
    path = tmp_path / "a" / "b.wav"
    write_bytes(path, b"old")

    def full(self, content):
        self.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.raises(OSError) as caught:
            write_bytes(path, b"new content")
    assert explain(caught.value) == (
        f"{path}: No space left on device; free some, or choose another "
        "folder; what is finished is kept"
    )
    assert [p.name for p in path.parent.iterdir()] == ["b.wav"]
    assert path.read_bytes() == b"old"


def test_a_file_beyond_the_limit_is_explained(tmp_path):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        with pytest.raises(OSError) as caught:
            write_bytes(tmp_path / "large", bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert "large: File too large; raise `ulimit -f`" in explain(caught.value)
    assert list(tmp_path.iterdir()) == []


# Not whole files: logs and a lock grow, a switch of the system is none; and
# the files of a model folder, which appear together.
OTHERS = {
    "comparison/compare.py",
    "comparison/logged_program.py",
    "estimates/kept_rows.py",
    "builtin/make.py",
    "cost/time_and_memory.py",
    "weights/export.py",
}
OWN = {"files/figures.py", "files/text.py", "files/writing.py"}
WRITERS = {
    "json.dump", "csv.writer", "csv.DictWriter", "csv.reader",
    "csv.DictReader",
}  # fmt: skip


def _writes(name, call):
    """Whether a call writes a whole file, or parses or forms one, by itself."""
    if name in WRITERS or name.endswith(
        (".write_text", ".write_bytes", ".savefig")
    ):
        return True
    mode = [n.value for n in call.args[1:2] if isinstance(n, ast.Constant)]
    mode += [w.value.value for w in call.keywords if w.arg == "mode"]
    return name == "open" and any(set("wax+") & set(m) for m in mode)


def test_no_module_but_three_writes_files_or_forms_tables_by_itself():
    found = {
        file for file, name, call in package_calls() if _writes(name, call)
    }
    assert found == {*OWN, *OTHERS}
