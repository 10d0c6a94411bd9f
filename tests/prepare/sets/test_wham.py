"""WHAM! and WHAMR!: each task reads its own parts."""

import pytest

from speechbrain_spmamba.manifest import read_manifest
from speechbrain_spmamba.prepare.sets.wham import prepare
from tests.prepare.trees import write_parts

WHAM = ["mix_both", "mix_clean", "mix_single", "noise", "s1", "s2"]
WHAMR = ["noise"] + [
    f"{part}_{room}"
    for part in ("mix_both", "mix_clean", "mix_single", "s1", "s2")
    for room in ("anechoic", "reverb")
]


def _tree(folder, parts):
    for split in ("tr", "cv", "tt"):
        write_parts(folder / "wav8k" / "min" / split, parts, ["a", "b"])
    return folder


def _parts(tmp_path, parts, **task):
    """Folders that the first row of the test set names, by column."""
    folder = _tree(tmp_path / "data", parts)
    path = prepare(folder, tmp_path / "out", **task)["test"]
    row = read_manifest(path, folder)["a"]
    assert row["duration"] == 400 / 8000
    return {
        key: value.split("/")[-2]
        for key, value in row.items()
        if key.endswith("_wav")
    }


@pytest.mark.parametrize(
    "task, expected",
    [
        ({}, ["mix_both", "s1", "s2", "noise"]),
        ({"mixture": "clean"}, ["mix_clean", "s1", "s2"]),
        ({"mixture": "single"}, ["mix_single", "s1", "noise"]),
    ],
)
def test_wham(tmp_path, task, expected):
    assert list(_parts(tmp_path, WHAM, **task).values()) == expected


@pytest.mark.parametrize(
    "task, expected",
    [
        (
            {"room": "reverb"},
            ["mix_both_reverb", "s1_anechoic", "s2_anechoic", "noise"],
        ),
        (
            {"room": "reverb", "reference": "reverb", "mixture": "clean"},
            ["mix_clean_reverb", "s1_reverb", "s2_reverb"],
        ),
        (
            {"room": "anechoic"},
            ["mix_both_anechoic", "s1_anechoic", "s2_anechoic", "noise"],
        ),
    ],
)
def test_whamr(tmp_path, task, expected):
    assert list(_parts(tmp_path, WHAMR, **task).values()) == expected


@pytest.mark.parametrize(
    "task, message",
    [
        ({"mixture": "all"}, "mixture is all; expected both, clean, single"),
        ({"room": "wet"}, "room is wet; expected anechoic or reverb"),
        ({"reference": "reverb"}, "reference is for WHAMR!; set room"),
        ({"room": "reverb"}, "min/tr/mix_both_reverb at any level"),
    ],
)
def test_tasks_that_are_not_there_are_named(tmp_path, task, message):
    folder = _tree(tmp_path / "data", WHAM)
    with pytest.raises(ValueError, match=message):
        prepare(folder, tmp_path / "out", **task)
