"""A plain folder of audio stands in for a corpus."""

import pytest
import soundfile

from speechbrain_spmamba.prepare.corpora.plain_folder import (
    folder_pool,
    original_recording,
)


@pytest.fixture
def folder(tmp_path):
    for name in (
        "train/rain_part1.wav",
        "train/rain_part2.wav",
        "train/birds/0001.flac",
        "val/wind.ogg",
        "val/birds/0001.flac",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, [0.1] * 100, 8000)
    return tmp_path


def test_a_split_holds_its_own_files_at_any_depth(folder):
    pool = folder_pool(folder, "train")
    assert [(one.group, one.frames) for one in pool] == [
        ("train/birds/0001", 100),
        ("rain", 100),
        ("rain", 100),
    ]
    assert all(soundfile.info(one.path).frames == 100 for one in pool)


def test_splits_go_by_other_names(folder):
    assert folder_pool(folder, "valid") == folder_pool(folder, "val")


def test_without_a_split_all_files_are_taken(folder):
    assert [one.group for one in folder_pool(folder)] == [
        "train/birds/0001",
        "train/rain",
        "train/rain",
        "val/birds/0001",
        "val/wind",
    ]


@pytest.mark.parametrize(
    "name, group",
    [
        ("rain.wav", "rain"),
        ("rain-seg03.wav", "rain"),
        ("rain_Part_12.flac", "rain"),
        ("street/rain chunk 7.ogg", "street/rain"),
        ("0007_segment2.wav", "tr/0007"),
        ("take.2.wav", "tr/take.2"),
        ("dance-no-5.ogg", "tr/dance-no-5"),
        ("part1.wav", "tr/part1"),
        ("party_12.wav", "tr/party_12"),
        ("counterpart.wav", "counterpart"),
    ],
)
def test_names_tell_originals_where_that_is_safe(name, group):
    assert original_recording(name, "tr") == group


@pytest.mark.parametrize("place", ["nowhere", "empty"])
def test_no_audio_is_one_line_with_all_one_needs(tmp_path, place):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("")
    with pytest.raises(
        ValueError, match="no audio in .*expected .wav"
    ) as error:
        folder_pool(tmp_path / place)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="found empty; give another"):
        folder_pool(tmp_path, "tr")


def test_bad_files_are_skipped_up_to_a_share(folder, caplog):
    (folder / "train" / "bad.wav").write_bytes(b"not audio")
    assert len(folder_pool(folder, "train", bad_share=0.3)) == 3
    assert "bad.wav" in caplog.text
    with pytest.raises(ValueError, match="1 of 4"):
        folder_pool(folder, "train")
