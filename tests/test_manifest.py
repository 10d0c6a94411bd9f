"""Manifests round-trip, move with their folder, and say what is wrong."""

import pytest

from speechbrain_spmamba.manifest import read_manifest, write_manifest

HEADER = "ID,duration,mix_wav,s1_wav,s2_wav\n"


def _row(root, item, **changes):
    row = {"ID": item, "duration": 2.5}
    row.update(
        {f"{k}_wav": root / k / f"{item}.wav" for k in ("mix", "s1", "s2")}
    )
    return {**row, **changes}


def test_rows_come_back_sorted_and_whole(tmp_path):
    path = tmp_path / "a.csv"
    write_manifest(path, [_row(tmp_path, "b"), _row(tmp_path, "a")], tmp_path)
    rows = read_manifest(path, tmp_path, num_spks=2)
    assert list(rows) == ["a", "b"]
    assert rows["a"]["duration"] == 2.5
    assert rows["a"]["s2_wav"] == str(tmp_path / "s2" / "a.wav")


def test_paths_follow_the_data_root(tmp_path):
    path = tmp_path / "a.csv"
    write_manifest(path, [_row(tmp_path, "a")], tmp_path)
    assert str(tmp_path) not in path.read_text()
    rows = read_manifest(path, "/elsewhere")
    assert rows["a"]["mix_wav"] == "/elsewhere/mix/a.wav"


def test_a_silent_source_has_an_empty_cell(tmp_path):
    path = tmp_path / "a.csv"
    rows = [_row(tmp_path, "a", s1_wav=""), _row(tmp_path, "b", s2_wav="")]
    write_manifest(path, rows, tmp_path)
    assert "/mix/a.wav,,$data_root/s2/a.wav\n" in path.read_text()
    found = read_manifest(path, "/elsewhere", num_spks=2)
    assert (found["a"]["s1_wav"], found["b"]["s2_wav"]) == ("", "")
    assert found["a"]["s2_wav"] == "/elsewhere/s2/a.wav"


@pytest.mark.parametrize(
    "text, message",
    [
        ("ID,duration,s1_wav\n", "no column 'mix_wav'"),
        ("", "no column 'ID'"),
        (HEADER, "has no rows"),
        (HEADER + "a,1.0,m,s,t\na,1.0,m,s,t\n", "line 3: ID 'a' .* twice"),
        (HEADER + "a,soon,m,s,t\n", "line 2: duration is 'soon'"),
        (HEADER + "a,-1,m,s,t\n", "line 2: duration is '-1'"),
        (HEADER + "a,1.0,,s,t\n", "line 2: 'mix_wav' is empty"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path, text, message):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"bad.csv.*{message}"):
        read_manifest(path, tmp_path)


def test_another_number_of_sources_is_an_error(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(HEADER + "a,1.0,m,s,t\n")
    with pytest.raises(ValueError, match="2 sources a mixture.*separates 3"):
        read_manifest(path, tmp_path, num_spks=3)


def test_a_missing_manifest_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match="does not exist; prepare"):
        read_manifest(tmp_path / "none.csv", tmp_path)


def test_an_empty_manifest_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="no mixtures"):
        write_manifest(tmp_path / "a.csv", [], tmp_path)
    assert not (tmp_path / "a.csv").exists()


def test_the_toolkit_reads_it(tmp_path):
    from speechbrain.dataio.dataset import DynamicItemDataset

    path = tmp_path / "a.csv"
    write_manifest(path, [_row(tmp_path, "a")], tmp_path)
    dataset = DynamicItemDataset.from_csv(
        path, replacements={"data_root": "/r"}, output_keys=["id", "mix_wav"]
    )
    assert dataset[0] == {"id": "a", "mix_wav": "/r/mix/a.wav"}
