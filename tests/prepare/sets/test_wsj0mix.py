"""WSJ0-mix is read from wherever in it the given folder points."""

import pytest

from speechbrain_spmamba.manifest import read_manifest
from speechbrain_spmamba.prepare.sets.wsj0mix import prepare
from tests.prepare.trees import write_parts

NAMES = ["01aa010b_0.97482_209a010p_-0.97482", "40na010x_1.9857_01xo031a_-1.9"]


@pytest.fixture
def folder(tmp_path):
    """2 and 3 talkers at 8 kHz, 2 at 16 kHz, as the scripts write them."""
    for spks, rate in ((2, 8000), (3, 8000), (2, 16000)):
        parts = ["mix", *(f"s{i + 1}" for i in range(spks))]
        for split in ("tr", "cv", "tt"):
            below = f"{spks}speakers/wav{rate // 1000}k/min/{split}"
            base = tmp_path / "data" / "wsj0-mix" / below
            write_parts(base, parts, NAMES, 400, rate)
    return tmp_path / "data"


@pytest.mark.parametrize("below", ["", "wsj0-mix", "wsj0-mix/2speakers"])
def test_any_folder_above_will_do(folder, tmp_path, below):
    manifests = prepare(folder / below, tmp_path / "out")
    assert list(manifests) == ["train", "valid", "test"]
    rows = read_manifest(manifests["test"], folder / below, num_spks=2)
    assert set(rows) == set(NAMES)
    row = rows[NAMES[0]]
    assert row["mix_wav"].endswith(f"2speakers/wav8k/min/tt/mix/{NAMES[0]}.wav")
    assert row["s2_wav"].endswith(f"2speakers/wav8k/min/tt/s2/{NAMES[0]}.wav")


def test_three_talkers(folder, tmp_path):
    manifests = prepare(folder, tmp_path / "out", num_spks=3)
    read_manifest(manifests["train"], folder, num_spks=3)


def test_sixteen_kilohertz(folder, tmp_path):
    path = prepare(folder, tmp_path / "out", sample_rate=16000)["valid"]
    row = read_manifest(path, folder)[NAMES[0]]
    assert "wav16k" in row["mix_wav"] and row["duration"] == 400 / 16000


def test_only_the_wanted_splits_are_needed(folder, tmp_path):
    manifests = prepare(folder, tmp_path / "out", splits={"test": "tt"})
    assert list(manifests) == ["test"]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"version": "max"}, "no 2speakers/wav8k/max/tr at any level"),
        ({"version": "mid"}, "version is mid; expected min or max"),
        ({"sample_rate": 44100}, "the data set has 8000 and 16000"),
        ({"folder": "nowhere"}, "nowhere is no folder; expected 2speakers"),
    ],
)
def test_what_is_not_there_is_named(folder, tmp_path, changes, message):
    arguments = {"folder": folder, "output_folder": tmp_path / "out", **changes}
    with pytest.raises(ValueError, match=message):
        prepare(**arguments)


def test_three_talkers_do_not_pass_for_two(folder, tmp_path):
    base = folder / "wsj0-mix" / "3speakers"
    with pytest.raises(ValueError, match="holds s3, so more than 2 talkers"):
        prepare(base, tmp_path / "out", num_spks=2)
