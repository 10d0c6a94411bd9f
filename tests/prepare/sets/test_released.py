"""Released sets are read as they are, whatever their folders are called."""

import pytest

from speechbrain_spmamba.manifest import read_manifest
from speechbrain_spmamba.prepare.sets.released import prepare
from tests.prepare.trees import write_noise, write_parts

PARTS = ("mix", "spk1_reverb", "spk2_reverb")
ITEMS = ("scene/1_3_library/84_121", "scene/0_0_mixed room/84_121")


def _echo(folder):
    """A prefix with "mix" in it, as it misled scripts before."""
    base = folder / "gpfs" / "Echo2mix"
    for split in ("train", "val", "test"):
        for item in ITEMS:
            for part in PARTS:
                write_noise(base / split / item / f"{part}.wav", 960, 16000)
    return base


@pytest.mark.parametrize("name", ["echo2mix", "echoset"])
def test_scenes_are_read_below_any_prefix(tmp_path, name):
    _echo(tmp_path / "data")
    manifests = prepare(tmp_path / "data", tmp_path / "out", name=name)
    assert list(manifests) == ["train", "valid", "test"]
    rows = read_manifest(manifests["valid"], tmp_path / "data", num_spks=2)
    assert set(rows) == {
        "scene_1_3_library_84_121",
        "scene_0_0_mixed room_84_121",
    }
    for row in rows.values():
        names = [row[f"{part}_wav"].split("/")[-1] for part in ("s1", "s2")]
        assert names == ["spk1_reverb.wav", "spk2_reverb.wav"]
        assert row["duration"] == 0.06
        assert "/val/" in row["mix_wav"]


def test_flat_sets_are_read(tmp_path):
    for split in ("tr", "cv", "tt"):
        base = tmp_path / "lrs2_rebuild" / "audio" / split
        write_parts(base, ["mix", "s1", "s2"], ["x_1_y_2"], 320, 16000)
    path = prepare(tmp_path, tmp_path / "out", name="lrs2-2mix")["train"]
    rows = read_manifest(path, tmp_path, num_spks=2)
    assert rows["x_1_y_2"]["s2_wav"].endswith("tr/s2/x_1_y_2.wav")


def test_a_part_of_the_download_will_do(tmp_path):
    base = _echo(tmp_path / "data")
    (base / "train").rename(base / "not yet")
    manifests = prepare(base, tmp_path / "out", splits={"test": "test"})
    assert list(manifests) == ["test"]
    with pytest.raises(ValueError, match="no train, val, test at any level"):
        prepare(base, tmp_path / "all")


def test_a_missing_reference_is_named(tmp_path):
    base = _echo(tmp_path)
    (base / "test" / ITEMS[0] / "spk2_reverb.wav").unlink()
    with pytest.raises(ValueError, match="no namesake for s2_wav .1 of 2"):
        prepare(tmp_path, tmp_path / "out")


def test_a_split_without_mixtures_is_named(tmp_path):
    for split in ("train", "val", "test"):
        (tmp_path / split).mkdir()
    with pytest.raises(ValueError, match="holds no mix.wav; expected"):
        prepare(tmp_path, tmp_path / "out")


def test_another_rate_is_named(tmp_path):
    _echo(tmp_path)
    with pytest.raises(ValueError, match="sampled at 16000 Hz, expected 8000"):
        prepare(tmp_path, tmp_path / "out", sample_rate=8000)
