"""Noise is found in both forms of WHAM!, and told apart by its originals."""

import csv
import shutil

import pytest
import soundfile

from speechbrain_spmamba.prepare.corpora.wham_noise import (
    find_wham,
    index_noise,
    noise_pool,
)
from speechbrain_spmamba.prepare.made_up.synthetic import make_corpora

TINY = {
    "readers": (0, 0, 0),
    "noise_files": (5, 1, 1),
    "noise_seconds": (1.0, 2.0),
    "dnr_items": (0, 0, 0),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora") / "made_up"
    make_corpora(folder, **TINY)
    return folder


@pytest.fixture
def corpus(made, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(made / "wham_noise", tmp_path / "wham_noise")


@pytest.fixture
def high_res(tmp_path):
    """Recordings of three originals in three splits."""
    folder = tmp_path / "high_res_wham"
    (folder / "audio").mkdir(parents=True)
    rows = [
        ("file12_0_loc1_day1.wav", "Train"),
        ("file12_95_loc1_day1.wav", "Train"),
        ("file7_3_loc2_day1.wav", "Valid"),
        ("file9_0_loc3_day2.wav", "Test"),
    ]
    for number, (name, _) in enumerate(rows):
        wave = [[0.1, 0.2]] * (480 + number)
        soundfile.write(folder / "audio" / name, wave, 48000)
    with open(folder / "high_res_metadata.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["Filename", "WHAM! Split", "Noise Band"])
        table.writerows((*row, 3) for row in rows)
    return folder


def test_files_of_one_recording_are_one_group(corpus):
    pool = noise_pool(corpus, "tr")
    assert len(pool) == 5
    groups = [one.group for one in pool]
    assert {group: groups.count(group) for group in groups} == {
        "tr0000": 2,
        "tr0001": 2,
        "tr0002": 1,
    }
    for one in pool:
        info = soundfile.info(one.path)
        assert (one.frames, one.sample_rate) == (info.frames, 16000)


def test_splits_share_no_group(corpus):
    groups = [
        {one.group for one in noise_pool(corpus, split)}
        for split in ("tr", "cv", "tt")
    ]
    assert sum(map(len, groups)) == len(set.union(*groups)) == 5


@pytest.mark.parametrize("split, name", [("train", "tr"), ("valid", "cv")])
def test_splits_have_two_names_and_folders_two_depths(corpus, split, name):
    pool = noise_pool(corpus, name)
    assert noise_pool(corpus, split) == pool
    assert noise_pool(corpus.parent, split) == pool
    assert index_noise(corpus.parent, split) == index_noise(corpus, name)
    assert find_wham(corpus.parent) == corpus


def test_sped_up_copies_are_left_out(corpus):
    for path in list((corpus / "tr").glob("*.wav")):
        for speed in ("sp08", "sp12"):
            shutil.copy(path, path.with_name(f"{path.stem}{speed}.wav"))
    assert len(list((corpus / "tr").iterdir())) == 15
    assert len(noise_pool(corpus, "tr")) == len(index_noise(corpus, "tr")) == 5


def test_without_metadata_each_file_is_a_group(corpus):
    shutil.rmtree(corpus / "metadata")
    pool = noise_pool(corpus, "tr")
    assert [one.group for one in pool] == [
        path.stem for path in index_noise(corpus, "tr")
    ]


def test_whole_recordings_are_split_by_their_table(high_res):
    pool = noise_pool(high_res, "tr")
    assert [one.group for one in pool] == ["file12", "file12"]
    assert [one.frames for one in pool] == [480, 481]
    assert pool[0].sample_rate == 48000
    assert noise_pool(high_res.parent, "train") == pool
    assert [one.group for one in noise_pool(high_res, "cv")] == ["file7"]
    assert [one.group for one in noise_pool(high_res, "test")] == ["file9"]


@pytest.mark.parametrize(
    "split, message",
    [("tt", "tt does not exist.*found cv, metadata.*wham"), ("cv", "no audio")],
)
def test_a_missing_or_empty_split_is_named(corpus, split, message):
    shutil.rmtree(corpus / "tt")
    shutil.rmtree(corpus / "cv")
    (corpus / "cv").mkdir()
    for read in (noise_pool, index_noise):
        with pytest.raises(ValueError, match=message) as error:
            read(corpus, split)
        assert "\n" not in str(error.value)


def test_a_half_unpacked_corpus_is_told_by_its_metadata(corpus, high_res):
    next((corpus / "tr").glob("*.wav")).unlink()
    with pytest.raises(ValueError, match="incomplete: 1 of the 5 files"):
        noise_pool(corpus, "tr")
    (high_res / "audio" / "file12_95_loc1_day1.wav").unlink()
    with pytest.raises(ValueError, match="1 of the 2 .* first file12_95"):
        noise_pool(high_res, "tr")
    assert len(noise_pool(high_res, "tt")) == 1


def test_a_split_that_the_table_does_not_know_is_named(high_res):
    with pytest.raises(ValueError, match="split dogs; it has Test, Train"):
        noise_pool(high_res, "dogs")


def test_a_table_without_its_columns_is_named(corpus):
    table = corpus / "metadata" / "noise_meta_tr.csv"
    table.write_text("name,band\na.wav,1\n")
    with pytest.raises(ValueError, match="no column 'utterance_id'; it has"):
        noise_pool(corpus, "tr")


def test_damaged_files_are_skipped_and_not_called_missing(corpus, caplog):
    path = next((corpus / "tr").glob("*.wav"))
    path.write_bytes(b"not audio")
    assert len(noise_pool(corpus, "tr", bad_share=0.2)) == 4
    assert path.name in caplog.text


def test_other_corpora_are_not_taken_for_noise(tmp_path):
    (tmp_path / "tr" / "101").mkdir(parents=True)
    (tmp_path / "tr" / "101" / "sfx.wav").write_bytes(b"")
    assert find_wham(tmp_path) is None
    assert find_wham(tmp_path / "nowhere") is None


def test_a_folder_of_the_very_name_comes_before_wham_beside_it(corpus):
    mine = corpus.parent / "train"
    mine.mkdir()
    soundfile.write(mine / "rain.wav", [0.1] * 9, 16000)
    pool = noise_pool(corpus.parent, "train")
    assert [one.group for one in pool] == ["rain"]
