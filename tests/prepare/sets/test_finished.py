"""Finished folders are found, matched by name, checked and written."""

import shutil

import pytest
import soundfile

from speechbrain_spmamba.manifest import read_manifest
from speechbrain_spmamba.prepare.sets.finished import (
    check_items,
    files_below,
    locate,
    match_parts,
    write_manifests,
)
from tests.prepare.trees import write_noise, write_parts

PARTS = {"mix_wav": "mix", "s1_wav": "s1"}
TREE = "{mix,s1}/*.wav"
SETTINGS = {"splits": {"test": "."}, "sample_rate": 8000, "rate": 8000}


@pytest.fixture
def folder(tmp_path):
    """Two mixtures of half a second."""
    write_parts(tmp_path / "data", ["mix", "s1"], ["b", "a"], 4000)
    return tmp_path / "data"


def _write(folder, **changes):
    arguments = {
        "output_folder": folder.parent / "out",
        "folder": folder,
        "settings": SETTINGS,
        "find": lambda root, name: match_parts(root / name, PARTS, TREE),
        **changes,
    }
    return write_manifests(**arguments)["test"]


def test_durations_are_those_of_the_files(folder):
    write_noise(folder / "mix" / "b.wav", 1000)
    write_noise(folder / "s1" / "b.wav", 1000)
    rows = read_manifest(_write(folder), folder)
    assert {k: row["duration"] for k, row in rows.items()} == {
        "a": 0.5,
        "b": 0.125,
    }


def test_a_manifest_moves_with_its_data(folder, tmp_path):
    path = _write(folder)
    shutil.move(folder, tmp_path / "moved")
    for row in read_manifest(path, tmp_path / "moved").values():
        assert soundfile.info(row["s1_wav"]).frames == 4000


def test_a_second_call_reads_nothing(folder):
    path = _write(folder)
    shutil.rmtree(folder)
    assert _write(folder) == path


def test_other_settings_need_another_folder(folder):
    _write(folder)
    with pytest.raises(ValueError, match="with rate=8000, now rate=16000"):
        _write(folder, settings={**SETTINGS, "rate": 16000})


def test_nothing_is_written_if_anything_is_wrong(folder):
    (folder / "s1" / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(ValueError):
        _write(folder)
    assert not (folder.parent / "out").exists()


def test_the_number_of_jobs_changes_nothing(folder):
    one = _write(folder).read_bytes()
    two = _write(folder, output_folder=folder.parent / "two", jobs=2)
    assert two.read_bytes() == one


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda p: p.write_bytes(b"no"), "1 of 2 .*a.wav cannot be read"),
        (lambda p: write_noise(p, 4000, 16000), "a.wav is sampled at 16000"),
        (lambda p: write_noise(p, 3999), "a.wav has 3999 samples, its mix"),
    ],
)
def test_bad_files_are_counted_and_named(folder, spoil, message):
    spoil(folder / "s1" / "a.wav")
    with pytest.raises(ValueError, match=message):
        check_items(match_parts(folder, PARTS, TREE), 8000)


def test_an_empty_mixture_is_named(folder):
    for part in ("mix", "s1"):
        write_noise(folder / part / "a.wav", 0)
    with pytest.raises(ValueError, match="mix/a.wav is empty"):
        check_items(match_parts(folder, PARTS, TREE))


def test_a_missing_part_shows_the_tree(folder):
    with pytest.raises(ValueError, match="no folder s2; expected .*found mix"):
        match_parts(folder, {**PARTS, "s2_wav": "s2"}, TREE)


def test_a_part_without_audio_is_named(folder):
    (folder / "s2").mkdir()
    with pytest.raises(ValueError, match="s2 holds no audio; expected"):
        match_parts(folder, {**PARTS, "s2_wav": "s2"}, TREE)


@pytest.mark.parametrize("part", ["mix", "s1"])
def test_a_file_without_a_namesake_is_named(folder, part):
    (folder / part / "b.wav").unlink()
    with pytest.raises(ValueError, match=f"b.wav has no namesake for {part}_"):
        match_parts(folder, PARTS, TREE)


def test_a_talker_that_nobody_asks_for_is_an_error(folder):
    (folder / "s2").mkdir()
    with pytest.raises(ValueError, match="more than 1 talkers"):
        match_parts(folder, PARTS, TREE, num_spks=1)


def test_hidden_and_other_files_are_passed_over(folder):
    (folder / "mix" / "README.txt").write_text("x")
    (folder / "mix" / "._a.wav").write_bytes(b"x")
    assert set(files_below(folder / "mix")) == {"a", "b"}


def test_two_files_of_one_name_are_an_error(folder):
    write_noise(folder / "mix" / "a.flac")
    with pytest.raises(ValueError, match="both named a; keep one"):
        files_below(folder / "mix")


def test_the_nearest_folder_is_found_at_any_depth(tmp_path):
    for place in ("mnt/host/set/tr", "other/mnt/host/set/tr"):
        (tmp_path / place).mkdir(parents=True)
    found = locate(tmp_path, ["set/tr"], "set/tr")
    assert found == tmp_path / "mnt" / "host"


def test_a_folder_that_is_not_there_shows_the_tree(tmp_path):
    (tmp_path / "wav8k").mkdir()
    with pytest.raises(
        ValueError, match="no tr, cv .*expected tree; found wav"
    ):
        locate(tmp_path, ["tr", "cv"], "tree")
    with pytest.raises(ValueError, match="nowhere is no folder; expected tree"):
        locate("nowhere", ["tr"], "tree")
