"""What is silent is found, whether it is written or not, and never drawn."""

import numpy as np
import pytest
import soundfile

from speechbrain_spmamba.audio import is_silent
from speechbrain_spmamba.loading import heard
from speechbrain_spmamba.loading.augment import DynamicMixing
from speechbrain_spmamba.loading.heard import heard_sources
from speechbrain_spmamba.manifest import read_manifest
from speechbrain_spmamba.prepare.sets.mixtures import prepare
from tests.prepare.small_corpora import write_noises, write_speech

RATE = 8000
SOURCES = ["s1_wav", "s2_wav", "s3_wav"]


@pytest.fixture
def files(tmp_path):
    """Something that sounds at its very end, zeros, and what is no audio."""
    wave = np.zeros(3 * 65536)
    soundfile.write(tmp_path / "zeros.wav", wave, RATE)
    wave[-1] = 0.5
    soundfile.write(tmp_path / "click.wav", wave, RATE)
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    names = ("zeros", "click", "bad")
    return {name: str(tmp_path / f"{name}.wav") for name in names}


def _rows(files, **items):
    """ID -> row of the files that are named, or of silence."""
    return {
        item: {
            key: files.get(name, "")
            for key, name in zip(SOURCES, names, strict=True)
        }
        for item, names in items.items()
    }


def test_one_sample_is_sound(files, tmp_path):
    assert is_silent(files["zeros"]) and not is_silent(files["click"])
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    assert is_silent(tmp_path / "empty.wav")
    both = np.stack([np.zeros(9), np.ones(9)], axis=1)
    soundfile.write(tmp_path / "second.wav", both, RATE)
    assert is_silent(tmp_path / "second.wav")  # sources are first channels
    with pytest.raises(ValueError, match="bad.wav cannot be read"):
        is_silent(files["bad"])


def test_silent_sources_are_found_with_and_without_files(files):
    rows = _rows(
        files,
        take1=("click", "zeros", "none"),
        take2=("none", "none", "none"),
        take3=("zeros", "none", "click"),
        take4=("click", "bad", "click"),
    )
    assert heard_sources(rows, SOURCES) == {
        "take1": ["s1_wav"],
        "take2": [],
        "take3": ["s3_wav"],
        "take4": SOURCES,
    }


def test_files_of_talkers_who_are_all_named_are_not_looked_into(
    files, monkeypatch
):
    rows = _rows(
        files,
        **{
            "1-1-1_2-1-1_3-1-1": ("click", "zeros", "click"),
            "4-1-1_5-1-1": ("none", "click", "click"),
            "000007_6-1-1": ("none", "none", "click"),
        },
    )
    monkeypatch.setattr(heard, "is_silent", None)
    assert [len(keys) for keys in heard_sources(rows, SOURCES).values()] == [
        *(3, 2, 1)
    ]


def test_whose_silence_is_written_is_known_by_name_nevertheless(files):
    rows = _rows(
        files,
        **{
            "000001_1-1-1": ("click", "zeros", "zeros"),
            "000002": ("zeros", "zeros", "zeros"),
            "000003_84_121": ("zeros", "click", "click"),
        },
    )
    mixing = DynamicMixing(rows, RATE, num_spks=1)
    assert mixing.own == {
        "000001_1-1-1": [("1", "s1_wav")],
        "000002": [],
        "000003_84_121": [("84", "s2_wav"), ("121", "s3_wav")],
    }
    assert mixing.talkers == ["1", "121", "84"]


@pytest.mark.parametrize("num_spks", [None, [0, 3]])
def test_written_silence_is_drawn_from_as_if_it_were_not_there(
    tmp_path, num_spks
):
    write_speech(tmp_path / "speech", "train", range(10, 15))
    write_noises(tmp_path / "noise", "train")
    rows = {}
    for name, write_silence in (("cells", False), ("files", True)):
        path = prepare(
            speech_folder=tmp_path / "speech",
            noise_folder=tmp_path / "noise",
            output_folder=tmp_path / name,
            splits={"train": {"mixtures": 12}},
            sample_rate=RATE,
            seconds=1.0,
            num_spks=[0, 3],
            write_silence=write_silence,
        )["train"]
        rows[name] = read_manifest(path, tmp_path / name)
    cells, written = (
        DynamicMixing(some, RATE, 0.5, num_spks=num_spks)
        for some in rows.values()
    )
    assert cells.own == written.own
    for item in cells.items:
        for one, other in zip(
            cells(1, 2, item), written(1, 2, item), strict=True
        ):
            np.testing.assert_array_equal(one, other)
