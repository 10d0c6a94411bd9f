"""The made-up corpora on disk have the shape of the real ones."""

import csv
import inspect
import json

import numpy as np
import pytest
import soundfile

from speechbrain_spmamba.prepare.made_up import dnr
from speechbrain_spmamba.prepare.made_up.items import (
    make_noise,
    make_reader,
    make_utterance,
)
from speechbrain_spmamba.prepare.made_up.synthetic import (
    ARGUMENTS_FILE,
    make_corpora,
)

TINY = {
    "readers": (2, 1, 1),
    "utterances_per_reader": (4, 1, 2),
    "utterance_seconds": (1.0, 1.5),
    "noise_files": (3, 1, 1),
    "noise_seconds": (1.0, 1.5),
    "dnr_items": (1, 1, 1),
    "dnr_seconds": (1.5, 2.0),
}


def contents(folder):
    """Relative path -> bytes of all files."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora") / "made_up"
    counts = make_corpora(folder, **TINY)
    assert counts == {
        "readers": 4,
        "utterances": 11,
        "noise_files": 5,
        "dnr_items": 3,
    }
    return folder


def read_speakers(folder):
    """As a careful parser reads it: at most four splits."""
    lines = (folder / "LibriSpeech/SPEAKERS.TXT").read_text().splitlines()
    assert lines[0].startswith(";")
    rows = [line.split("|", 4) for line in lines if line[0] != ";"]
    return {int(row[0]): [field.strip() for field in row[1:]] for row in rows}


def test_same_seed_same_bytes_and_another_seed_others(corpora, tmp_path):
    make_corpora(tmp_path / "again", **TINY)
    first, again = contents(corpora), contents(tmp_path / "again")
    assert first == again
    make_corpora(tmp_path / "other", seed=1, **TINY)
    other = contents(tmp_path / "other")
    speech = [name for name in first if name.endswith(".flac")]
    assert speech
    assert all(first[name] != other[name] for name in speech)
    heard = {data for name, data in first.items() if name.endswith("wav")}
    assert not heard & set(other.values())


def test_one_item_can_be_made_alone(corpora):
    reader = make_reader(0, 0, 1)
    wave, words = make_utterance(0, reader, 3, TINY["utterance_seconds"])
    chapter = corpora / "LibriSpeech/train-clean-100/63/6301"
    stored, _ = soundfile.read(chapter / "63-6301-0000.flac")
    assert len(stored) == len(wave)
    assert np.abs(stored - wave).max() < 1e-4
    text = (chapter / "63-6301.trans.txt").read_text()
    assert text == f"63-6301-0000 {' '.join(words)}\n"


def test_more_readers_leave_the_others_as_they_are(corpora, tmp_path):
    more = {**TINY, "readers": (3, 1, 1), "noise_files": (0, 0, 0)}
    make_corpora(tmp_path / "more", **{**more, "dnr_items": (0, 0, 0)})
    first, bigger = contents(corpora), contents(tmp_path / "more")
    speech = {n for n in first if n.endswith((".flac", ".trans.txt"))}
    assert {n: first[n] for n in speech}.items() < bigger.items()


def test_twenty_readers_and_ten_minutes_by_default():
    default = inspect.signature(make_corpora).parameters
    readers = default["readers"].default
    assert readers[0] >= 20
    each = default["utterances_per_reader"].default
    mean = np.mean(default["utterance_seconds"].default)
    assert 8 < np.dot(readers, each) * mean / 60 < 12
    plan = [
        [make_reader(0, split, n) for n in range(count)]
        for split, count in enumerate(readers)
    ]
    people = [reader for part in plan for reader in part]
    assert len({reader.ident for reader in people}) == sum(readers)
    assert len({reader.voice.pitch_hz for reader in people}) == sum(readers)
    for part in plan:
        assert {reader.voice.sex for reader in part} == {"F", "M"}


def test_speakers_table_parses_with_the_trap_of_reader_60(corpora):
    speakers = read_speakers(corpora)
    assert speakers[60][0] == "M"
    assert speakers[60][1] == "train-clean-100"
    assert speakers[60][3] == "|CBW|Simon"
    for reader in (corpora / "LibriSpeech").glob("*/*"):
        sex, subset, minutes, _ = speakers.pop(int(reader.name))
        assert sex in ("F", "M")
        assert subset == reader.parent.name
        files = list(reader.rglob("*.flac"))
        total = sum(soundfile.info(path).duration for path in files) / 60
        assert float(minutes) == pytest.approx(total, abs=0.006)
    assert not speakers


def test_splits_share_no_reader(corpora):
    split = {}
    for path in (corpora / "LibriSpeech").rglob("*.flac"):
        split.setdefault(path.name.split("-")[0], set()).add(path.parts[-4])
    assert len(split) == 4
    assert all(len(subsets) == 1 for subsets in split.values())
    assert set.union(*split.values()) == {
        "train-clean-100",
        "dev-clean",
        "test-clean",
    }


def test_utterances_lie_where_librispeech_has_them(corpora):
    files = list((corpora / "LibriSpeech").rglob("*.flac"))
    assert len(files) == 11
    for path in files:
        reader, chapter, line = path.stem.split("-")
        assert path.parent.name == chapter
        assert path.parent.parent.name == reader
        assert len(line) == 4
        info = soundfile.info(path)
        assert (info.samplerate, info.channels) == (16000, 1)
        assert (info.format, info.subtype) == ("FLAC", "PCM_16")
        assert 1.0 <= info.duration <= 1.5
        wave, _ = soundfile.read(path)
        assert 0.01 < np.std(wave)
        assert np.abs(wave).max() < 0.95


def test_transcripts_have_one_line_a_file(corpora):
    chapters = {p.parent for p in (corpora / "LibriSpeech").rglob("*.flac")}
    assert len(chapters) == 6
    for chapter in chapters:
        name = f"{chapter.parent.name}-{chapter.name}.trans.txt"
        lines = (chapter / name).read_text().splitlines()
        told = [line.split(" ", 1)[0] for line in lines]
        assert told == sorted(path.stem for path in chapter.glob("*.flac"))
        assert all(len(line.split()) > 1 for line in lines)


def test_noise_is_stereo_and_described(corpora):
    recordings = {}
    for split, count in (("tr", 3), ("cv", 1), ("tt", 1)):
        files = sorted((corpora / "wham_noise" / split).glob("*.wav"))
        table = corpora / f"wham_noise/metadata/noise_meta_{split}.csv"
        with open(table, newline="") as handle:
            rows = list(csv.DictReader(handle))
        assert len(files) == count
        assert sorted(row["utterance_id"] for row in rows) == [
            path.name for path in files
        ]
        for row in rows:
            recordings.setdefault(row["File ID"], []).append(split)
        for path in files:
            wave, rate = soundfile.read(path)
            assert rate == 16000
            assert soundfile.info(path).subtype == "PCM_16"
            assert wave.shape[1] == 2
            assert 1.0 <= len(wave) / rate <= 1.5
            assert not np.array_equal(wave[:, 0], wave[:, 1])
            assert 0 < np.abs(wave).max() < 0.95
    # Some files come from one recording, and none of them crosses splits.
    assert max(len(splits) for splits in recordings.values()) == 2
    assert all(len(set(splits)) == 1 for splits in recordings.values())


def test_dnr_mixtures_are_the_sums_of_their_stems(corpora):
    items = sorted((corpora / "dnr_v2").glob("*/*"))
    assert [item.parent.name for item in items] == ["cv", "tr", "tt"]
    assert len({item.name for item in items}) == 3
    for item in items:
        assert 100 <= int(item.name) <= 99999
        waves = {}
        for stem in ("mix", "speech", "music", "sfx"):
            info = soundfile.info(item / f"{stem}.wav")
            assert (info.samplerate, info.channels) == (44100, 1)
            assert info.subtype == "FLOAT"
            # The PEAK chunk holds a time: no two runs would be identical.
            assert b"PEAK" not in (item / f"{stem}.wav").read_bytes()[:256]
            assert 1.5 <= info.duration <= 2.0
            waves[stem], _ = soundfile.read(item / f"{stem}.wav")
            assert np.all(np.isfinite(waves[stem]))
            assert np.std(waves[stem]) > 1e-4
        total = waves["speech"] + waves["music"] + waves["sfx"]
        assert np.abs(waves["mix"] - total).max() < 1e-6
        assert -29.1 < 20 * np.log10(np.std(waves["mix"])) < -24.9


def test_dnr_annotations_tell_where_the_clips_are(corpora):
    for path in (corpora / "dnr_v2").glob("*/*/annots.csv"):
        with open(path, newline="") as handle:
            rows = list(csv.DictReader(handle))
        assert {row["class"] for row in rows} == {
            "speech",
            "music",
            "sfx",
            "background",
        }
        for row in rows:
            start = float(row["mix start time"])
            length = float(row["mix end time"]) - start
            clip = int(row["clip end sample"]) - int(row["clip start sample"])
            assert length == pytest.approx(clip / 44100, abs=1e-6)
            assert np.isfinite(float(row["clip gain"]))
            if row["class"] in ("speech", "music"):
                wave, _ = soundfile.read(path.parent / f"{row['class']}.wav")
                inside = np.zeros(len(wave), bool)
                begin = round(start * 44100)
                inside[begin : begin + clip] = True
                assert not np.any(wave[~inside])
                assert np.std(wave[inside]) > 1e-4


def test_splits_of_noise_and_dnr_differ():
    waves = [make_noise(0, split, 0, (1.0, 1.0))[0] for split in range(3)]
    assert not np.allclose(waves[0], waves[1])
    mixes = [dnr.make_item(0, s, 0, (1.0, 1.0))[1]["mix"] for s in range(3)]
    assert not np.allclose(mixes[1], mixes[2])


def test_a_finished_corpus_is_left_alone(corpora, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("wrote again")

    monkeypatch.setattr(soundfile, "write", never)
    before = {path: path.stat().st_mtime_ns for path in corpora.rglob("*")}
    assert make_corpora(corpora, **TINY)["readers"] == 4
    assert before == {p: p.stat().st_mtime_ns for p in corpora.rglob("*")}


def test_interruption_leaves_no_half_file(corpora, tmp_path, monkeypatch):
    write, calls = soundfile.write, []

    def break_off(file, data, *args, **kwargs):
        calls.append(file)
        if len(calls) == 6:
            write(file, data[: len(data) // 2], *args, **kwargs)
            raise OSError("disk full")
        write(file, data, *args, **kwargs)

    monkeypatch.setattr(soundfile, "write", break_off)
    folder = tmp_path / "made_up"
    with pytest.raises(OSError, match="disk full"):
        make_corpora(folder, **TINY)
    whole, left = contents(corpora), contents(folder)
    assert not json.loads(left.pop(ARGUMENTS_FILE))["finished"]
    assert len(left) >= 5
    assert left.items() <= whole.items()

    monkeypatch.setattr(soundfile, "write", write)
    make_corpora(folder, **TINY)
    assert contents(folder) == whole


def test_other_arguments_are_refused(corpora):
    before = contents(corpora)
    with pytest.raises(ValueError, match=r"seed=0 .* seed=3: delete") as error:
        make_corpora(corpora, **{**TINY, "seed": 3})
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="readers"):
        make_corpora(corpora, **{**TINY, "readers": (3, 1, 1)})
    assert contents(corpora) == before


def test_corpora_from_elsewhere_are_not_touched(tmp_path):
    table = tmp_path / "LibriSpeech" / "SPEAKERS.TXT"
    table.parent.mkdir()
    table.write_text("precious")
    with pytest.raises(ValueError, match="another output folder"):
        make_corpora(tmp_path, **TINY)
    assert contents(tmp_path) == {"LibriSpeech/SPEAKERS.TXT": b"precious"}


@pytest.mark.parametrize("text", ["", "[]", "{}", "null"])
def test_a_broken_file_of_arguments_is_named(tmp_path, text):
    (tmp_path / ARGUMENTS_FILE).write_text(text)
    with pytest.raises(ValueError, match=ARGUMENTS_FILE):
        make_corpora(tmp_path, **TINY)


@pytest.mark.parametrize(
    "name, value",
    [
        ("seed", -1),
        ("seed", 0.5),
        ("readers", (2, 1)),
        ("readers", 3),
        ("noise_files", (1, -1, 1)),
        ("dnr_items", (1, 1.5, 1)),
        ("utterance_seconds", (0.2, 1.0)),
        ("noise_seconds", (3.0, 2.0)),
        ("dnr_seconds", (1.0, float("nan"))),
    ],
)
def test_senseless_arguments_are_named(tmp_path, name, value):
    with pytest.raises(ValueError, match=f"{name} is"):
        make_corpora(tmp_path / "made_up", **{**TINY, name: value})
    assert not (tmp_path / "made_up").exists()
