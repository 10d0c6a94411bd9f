"""One's own mixtures are read in three forms, with any number of talkers."""

import csv

import pytest

from speechbrain_spmamba.loading.loader import make_dataset
from speechbrain_spmamba.manifest import read_manifest
from speechbrain_spmamba.prepare.sets.custom import prepare
from tests.prepare.trees import write_noise, write_parts


def _rows(tmp_path, **changes):
    arguments = {"splits": {"test": "."}, **changes}
    manifests = prepare(tmp_path / "data", tmp_path / "out", **arguments)
    return read_manifest(manifests["test"], tmp_path / "data")


def _names(row):
    """Columns and the files they name, below data."""
    return {
        key: value.split("/data/")[1]
        for key, value in row.items()
        if key.endswith("_wav")
    }


@pytest.mark.parametrize("spks", [1, 2, 5])
def test_a_folder_for_each_part(tmp_path, spks):
    parts = ["mix", *(f"s{i + 1}" for i in range(spks))]
    write_parts(tmp_path / "data", parts, ["x", "deep/y"], 800)
    rows = _rows(tmp_path)
    assert set(rows) == {"x", "deep_y"}
    expected = {f"{part}_wav": f"{part}/deep/y.wav" for part in parts}
    assert _names(rows["deep_y"]) == expected
    assert rows["x"]["duration"] == 0.1


def test_an_ending_for_each_part(tmp_path):
    for part in ("mix", "s1", "s2", "s3"):
        write_noise(tmp_path / "data" / f"my_talk_{part}.wav")
    assert _names(_rows(tmp_path)["my_talk"]) == {
        "mix_wav": "my_talk_mix.wav",
        "s1_wav": "my_talk_s1.wav",
        "s2_wav": "my_talk_s2.wav",
        "s3_wav": "my_talk_s3.wav",
    }


@pytest.mark.parametrize("suffix", ["", "_wav"])
@pytest.mark.parametrize("absolute", [False, True])
def test_a_table(tmp_path, suffix, absolute):
    data = tmp_path / "data"
    for name in ("m", "anna", "ben"):
        write_noise(data / "audio" / f"{name}.flac")
    top = f"{data}/audio" if absolute else "audio"
    (data / "all.csv").write_text(
        f"ID, mix{suffix}, s1{suffix}, s2{suffix}, comment\n"
        f"one, {top}/m.flac, {top}/anna.flac, {top}/ben.flac, none\n"
    )
    rows = _rows(tmp_path, splits={"test": "all.csv"})
    assert _names(rows["one"]) == {
        "mix_wav": "audio/m.flac",
        "s1_wav": "audio/anna.flac",
        "s2_wav": "audio/ben.flac",
    }


def test_names_of_parts_can_be_chosen(tmp_path):
    write_parts(tmp_path / "data", ["noisy", "voice", "music", "hiss"], ["x"])
    row = _rows(
        tmp_path, mix="noisy", sources=["voice", "music"], noise="hiss"
    )["x"]
    assert _names(row) == {
        "mix_wav": "noisy/x.wav",
        "s1_wav": "voice/x.wav",
        "s2_wav": "music/x.wav",
        "noise_wav": "hiss/x.wav",
    }


def test_one_source_needs_no_list(tmp_path):
    write_parts(tmp_path / "data", ["mix", "voice"], ["x"])
    row = _rows(tmp_path, sources="voice")["x"]
    assert _names(row)["s1_wav"] == "voice/x.wav"


def test_each_split_may_have_its_form(tmp_path):
    data = tmp_path / "data"
    write_parts(data / "train", ["mix", "s1"], ["x"])
    for part in ("mix", "s1"):
        write_noise(data / "valid" / f"y_{part}.wav")
    (data / "test.csv").write_text("mix,s1\ntrain/mix/x.wav,train/s1/x.wav\n")
    splits = {"train": "train", "valid": "valid", "test": "test.csv"}
    manifests = prepare(data, tmp_path / "out", splits=splits)
    found = [list(read_manifest(path, data)) for path in manifests.values()]
    assert found == [["x"], ["y"], ["x"]]


def test_a_manifest_is_a_table_for_a_spreadsheet(tmp_path):
    write_parts(tmp_path / "data", ["mix", "s1"], ["x"])
    _rows(tmp_path)
    with open(tmp_path / "out" / "test.csv", newline="") as file:
        assert list(csv.reader(file)) == [
            ["ID", "duration", "mix_wav", "s1_wav"],
            ["x", "0.05", "$data_root/mix/x.wav", "$data_root/s1/x.wav"],
        ]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"splits": {"test": "nowhere"}}, "nowhere does not exist; expected"),
        (
            {"mix": "noisy"},
            "has no noisy; expected .*found mix, s1, s2, x; mix and",
        ),
        ({"sources": ["s1", "s9"]}, "has no s9; expected .*found mix, s1, s2"),
        ({"num_spks": 3}, "has 2 sources a mixture, num_spks is 3"),
        ({"sample_rate": 16000}, "sampled at 8000 Hz, expected 16000"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, changes, message):
    write_parts(tmp_path / "data", ["mix", "s1", "s2"], ["x"])
    with pytest.raises(ValueError, match=message):
        _rows(tmp_path, **changes)


def _heard(row):
    return [bool(row["s1_wav"]), bool(row["s2_wav"])]


@pytest.mark.parametrize("num_spks", [None, [0, 2], {0: 1, 1: 1, 2: 9}])
def test_an_empty_cell_of_a_source_is_silence(tmp_path, num_spks):
    write_noise(tmp_path / "data" / "x.wav", 800)
    table = "ID,mix,s1,s2\na,x.wav,,\nb,x.wav,,x.wav\nc,x.wav,x.wav,x.wav\n"
    (tmp_path / "data" / "all.csv").write_text(table)
    rows = _rows(tmp_path, splits={"test": "all.csv"}, num_spks=num_spks)
    assert [_heard(row) for row in rows.values()] == [
        [False, False],
        [False, True],
        [True, True],
    ]
    items = make_dataset(
        tmp_path / "out" / "test.csv", tmp_path / "data", 8000, 2
    )
    for row, item in zip(rows.values(), items, strict=True):
        assert item["src_sig"].shape == (800, 2)
        assert item["src_sig"].any(0).tolist() == _heard(row)


@pytest.mark.parametrize("name", ["{part}/{item}.wav", "{item}_{part}.wav"])
def test_a_source_without_a_file_is_silent_where_fewer_may_talk(tmp_path, name):
    for item, parts in (("a", ["s1", "s2"]), ("b", ["s2"]), ("c", [])):
        for part in ("mix", "noise", *parts):
            write_noise(tmp_path / "data" / name.format(item=item, part=part))
    with pytest.raises(ValueError, match="has no namesake for s1_wav"):
        _rows(tmp_path, num_spks=2)
    rows = _rows(tmp_path, num_spks=[0, 2])
    assert {item: _heard(row) for item, row in rows.items()} == {
        "a": [True, True],
        "b": [False, True],
        "c": [False, False],
    }
    other = tmp_path / "other"
    with pytest.raises(ValueError, match="c has files of 0 sources, num_spks"):
        prepare(tmp_path / "data", other, {"test": "."}, num_spks=[1, 2])
    # What is no source is always needed.
    for part in ("mix", "noise"):
        path = tmp_path / "data" / name.format(item="a", part=part)
        path.rename(tmp_path / "away.wav")
        with pytest.raises(ValueError, match=f"no namesake for {part}_wav"):
            prepare(tmp_path / "data", other, {"test": "."}, num_spks=[0, 2])
        (tmp_path / "away.wav").rename(path)
    assert not other.exists()


@pytest.mark.parametrize(
    "num_spks, message",
    [
        (2, "a has files of 1 sources, num_spks is 2; set num_spks or"),
        ({0: 1, 2: 1}, "a has files of 1 sources, num_spks is {0: 1, 2: 1}"),
        ([0, 3], r"has 2 sources a mixture, num_spks is \[0, 3\]; set"),
        ([2, 0], r"num_spks is \[2, 0\]; expected a number of talkers"),
    ],
)
def test_other_numbers_than_expected_are_named(tmp_path, num_spks, message):
    write_noise(tmp_path / "data" / "x.wav")
    (tmp_path / "data" / "all.csv").write_text("ID,mix,s1,s2\na,x.wav,x.wav,\n")
    with pytest.raises(ValueError, match=message):
        _rows(tmp_path, splits={"test": "all.csv"}, num_spks=num_spks)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "table, message",
    [
        ("mix,s1\n", "all.csv has no rows"),
        ("mix,s1\n,x.wav\n", "all.csv line 2: 'mix' is empty"),
        ("mix,s1,noise\nx.wav,,\n", "all.csv line 2: 'noise' is empty"),
        ("mix,s1\nx.wav,x.wav\nx.wav,x.wav\n", "line 3: 'x' stands there tw"),
        ("mix,s1\n/x.wav,/x.wav\n", "/x.wav is not below"),
        ("mix,speech\nx.wav,x.wav\n", "has no s1; expected"),
        ("", "has no mix; expected .*found nothing"),
    ],
)
def test_a_table_that_does_not_fit_is_named(tmp_path, table, message):
    write_noise(tmp_path / "data" / "x.wav")
    (tmp_path / "data" / "all.csv").write_text(table)
    with pytest.raises(ValueError, match=message):
        _rows(tmp_path, splits={"test": "all.csv"})


def test_linked_folders_are_part_of_a_split(tmp_path):
    write_parts(tmp_path / "data", ["mix", "s1"], ["x"])
    write_parts(tmp_path / "elsewhere", ["mix", "s1"], ["y", "z"])
    for part in ("mix", "s1"):
        link = tmp_path / "data" / part / "more"
        link.symlink_to(tmp_path / "elsewhere" / part)
        (tmp_path / "elsewhere" / part / "loop").symlink_to(link.parent)
    assert set(_rows(tmp_path)) == {"x", "more_y", "more_z"}


def test_a_file_that_is_reached_from_below_but_is_not_below_is_named(
    tmp_path,
):
    write_parts(tmp_path / "other", ["mix", "s1"], ["a"])
    table = tmp_path / "data" / "test.csv"
    table.parent.mkdir()
    table.write_text("mix,s1\n../other/mix/a.wav,../other/s1/a.wav\n")
    splits = {"test": "test.csv"}
    with pytest.raises(ValueError, match="a.wav is not below .*data; give"):
        prepare(table.parent, tmp_path / "out", splits)
    made = prepare(tmp_path, tmp_path / "out", {"test": "data/test.csv"})
    assert "$data_root/other/mix/a.wav" in made["test"].read_text()
