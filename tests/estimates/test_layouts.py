"""The layouts of tools are found, and what is not found is told in a line."""

import pytest

from speechbrain_spmamba.estimates.items import (
    find_estimates,
    find_references,
    pair,
)
from speechbrain_spmamba.estimates.layouts import find_files
from tests.estimates.files import (
    ITEMS,
    LIBRIMIX,
    TOOLS,
    write_estimates,
    write_references,
)


@pytest.mark.parametrize("tool", TOOLS)
def test_the_layout_of_a_tool_is_found(tool, tmp_path):
    reference, estimate, mixture, first = TOOLS[tool]
    true = tmp_path / ("tool" if reference else "librimix")
    pattern, mixed = (reference, mixture) if reference else LIBRIMIX
    write_references(true, pattern, mixed, first)
    write_estimates(tmp_path / "tool", estimate, first)
    files, mixtures = find_references(true, true)
    found = find_estimates(tmp_path / "tool", files)
    items = pair(files, found, mixtures)
    assert [item.name for item in items] == sorted(ITEMS)
    for item in items:
        for folder, kind, paths in (
            (true, pattern, item.references),
            (tmp_path / "tool", estimate, item.estimates),
        ):
            names = [
                str(folder / kind.format(id=item.name, n=n))
                for n in (first, first + 1)
            ]
            assert list(paths) == names
        assert item.mixture == str(true / mixed.format(id=item.name))


def _touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_ids_may_differ_in_the_folders_before_them(tmp_path):
    _touch(tmp_path, "MossFormer2/a_s1.wav", "MossFormer2/b_s1.wav")
    found = find_files(tmp_path, "estimate", ids=["a", "x/b"])
    assert {k: len(v) for k, v in found.items.items()} == {"a": 1, "x/b": 1}


def test_last_parts_that_are_not_unique_are_no_ids(tmp_path):
    _touch(tmp_path, "one/a_s1.wav", "two/a_s1.wav")
    with pytest.raises(ValueError, match="2 estimate items by '{id}_s{n}', su"):
        find_files(tmp_path, "estimate", ids=["a"])


def test_of_two_layouts_that_which_has_the_references_items_is_taken(tmp_path):
    _touch(tmp_path, "s1/a.wav", "s2/a.wav", "x_s1.wav", "y_s1.wav", "z_s1.wav")
    found = find_files(tmp_path, "estimate", ids=["a"])
    assert list(found.items) == ["a"] and found.where.endswith("s{n}/{id}'")


def test_several_layouts_of_as_many_files_are_ambiguous(tmp_path):
    _touch(tmp_path, "mix_clean/a.wav", "mix_both/a.wav", "s1/a.wav")
    with pytest.raises(
        ValueError, match="'mix_clean/{id}' and 'mix_both/{id}'"
    ):
        find_files(tmp_path, "mixture", ids=["a"])
    found = find_files(tmp_path, "mixture", "mix_both/{id}.wav", ids=["a"])
    assert found.count == 1
    found = find_files(tmp_path / "mix_both", "mixture", ids=["a"])
    assert found.count == 1


MISTAKES = {
    "no folder": ([], None, None, "x does not exist; a folder of references"),
    "empty": (["a.txt"], None, None, "x has no audio files; references were"),
    "no layout": (
        ["a.wav"],
        None,
        None,
        "x has 1 audio files, such as 'a.wav'",
    ),
    "given pattern": (["a_s1.wav"], "{id}-{n}", None, "named like a reference"),
    "other items": (["a_s1.wav"], None, ["b"], "none of them is one of the 1"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_a_line(mistake, tmp_path):
    names, pattern, ids, words = MISTAKES[mistake]
    _touch(tmp_path / "x", *names) if names else None
    with pytest.raises(ValueError) as caught:
        find_files(tmp_path / "x", "reference", pattern, ids)
    assert words in str(caught.value) and "\n" not in str(caught.value)
