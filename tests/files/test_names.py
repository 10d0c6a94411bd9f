"""Whatever a name in data is, its file lies where it was meant to."""

from speechbrain_spmamba.files.names import file_name
from speechbrain_spmamba.prepare.scenes.plans import part_paths


def test_a_name_in_data_makes_one_file_and_no_two_make_the_same(tmp_path):
    names = [
        "a", "a b", "é", "a_b", "a/b", "a\\b", "a:b", "..", ".", "", " ", "/",
        "../a", "/a", ".a", "nul\0l", "two\nlines", "\ud800", "x" * 149,
        "x" * 300, "x" * 301, "é" * 140, "é" * 141, file_name("a/b"),
    ]  # fmt: skip
    for name in names:
        (tmp_path / f"{file_name(name)}.json").write_text(repr(name))
    made = {path.read_text() for path in tmp_path.iterdir()}
    assert made == {repr(name) for name in names}
    assert file_name("é") == "é" and file_name("x" * 149) == "x" * 149


def test_the_files_of_a_plan_stay_in_its_folder(tmp_path):
    plan = {"ID": "../../x", "format": "/../../y", "parts": ["s1", "../mix"]}
    paths = part_paths(tmp_path, plan).values()
    assert {path.parent.parent for path in paths} == {tmp_path}
    plan = {"ID": "000001_a_b", "format": "flac", "parts": ["mix"]}
    (path,) = part_paths(tmp_path, plan).values()
    assert path == tmp_path / "mix" / "000001_a_b.flac"
