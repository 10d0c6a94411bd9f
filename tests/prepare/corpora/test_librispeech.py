"""Utterances are found by reader, and a whole corpus is told from a part."""

import shutil
from pathlib import Path

import pytest

from speechbrain_spmamba.prepare.corpora.librispeech import (
    index_speech,
    speech_pool,
)
from speechbrain_spmamba.prepare.corpora.speakers import read_speakers
from speechbrain_spmamba.prepare.made_up.synthetic import make_corpora

TINY = {
    "readers": (3, 2, 1),
    "utterances_per_reader": (4, 1, 1),
    "utterance_seconds": (1.0, 2.0),
    "noise_files": (0, 0, 0),
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
    copy = tmp_path / "here" / "LibriSpeech"
    shutil.copytree(made / "LibriSpeech", copy)
    return copy


def test_readers_have_all_their_utterances(corpus):
    speech = index_speech(corpus, ["train-clean-100", "dev-clean"])
    assert {reader: len(spoken) for reader, spoken in speech.items()} == {
        "60": 4,
        "61": 1,
        "63": 4,
        "64": 1,
        "66": 4,
    }
    for reader, spoken in speech.items():
        assert spoken == sorted(spoken, key=lambda one: one.path)
        for one in spoken:
            assert Path(one.path).is_file() and one.group == reader
            assert 16000 <= one.frames <= 32000 and one.sample_rate == 16000


def test_the_folder_above_will_do(corpus):
    inside = index_speech(corpus, ["dev-clean"])
    assert index_speech(corpus.parent, ["dev-clean"]) == inside
    renamed = corpus.rename(corpus.with_name("my speech"))
    assert len(index_speech(renamed.parent, ["dev-clean"])) == 2


def test_a_neighbor_with_the_same_folders_is_not_taken(corpus):
    (corpus.with_name("a_noise") / "dev-clean").mkdir(parents=True)
    corpus.rename(corpus.with_name("speech"))
    assert len(index_speech(corpus.parent, ["dev-clean"])) == 2


def test_reader_60_is_a_man_of_the_training_set(corpus):
    assert read_speakers(corpus)["60"][:2] == ("M", "train-clean-100")
    assert read_speakers(corpus)["61"][0] == "M"
    speech = index_speech(corpus, ["train-clean-100"])
    sexes = {reader: spoken[0].sex for reader, spoken in speech.items()}
    assert sexes == {"60": "M", "63": "F", "66": "M"}


def test_without_a_table_sexes_are_not_known(corpus):
    (corpus / "SPEAKERS.TXT").unlink()
    speech = index_speech(corpus, ["train-clean-100"])
    assert {spoken[0].sex for spoken in speech.values()} == {""}


def test_a_pool_holds_recordings_by_reader(corpus):
    pool = speech_pool(corpus, ["train-clean-100"])
    assert list(pool) == ["60", "63", "66"]
    for reader, recordings in pool.items():
        assert len(recordings) == 4
        assert {one.group for one in recordings} == {reader}
        assert {one.sex for one in recordings} <= {"F", "M"}
        assert all(Path(one.path).is_file() for one in recordings)
        assert all(one.start == 0 for one in recordings)


def test_short_utterances_are_left_out(corpus):
    everything = speech_pool(corpus, ["train-clean-100"])
    lengths = sorted(o.seconds for some in everything.values() for o in some)
    bound = lengths[len(lengths) // 2]
    pool = speech_pool(corpus, ["train-clean-100"], min_seconds=bound)
    kept = sorted(one.seconds for some in pool.values() for one in some)
    assert kept == lengths[len(lengths) // 2 :]
    with pytest.raises(ValueError, match="no utterance of 9 s or more in dev"):
        speech_pool(corpus, ["dev-clean"], min_seconds=9.0)


@pytest.mark.parametrize(
    "place, subsets, found",
    [
        ("nowhere", ["dev-clean"], "no such folder"),
        (".", ["dev-clean", "dev-other"], "found SPEAKERS.TXT, dev-clean,"),
        (".", [], "dev-clean"),
    ],
)
def test_a_missing_subset_is_one_line_with_all_one_needs(
    corpus, place, subsets, found
):
    with pytest.raises(ValueError, match="no speech in") as error:
        index_speech(corpus / place, subsets)
    text = str(error.value)
    assert "<subset>/<reader>/<chapter>/" in text  # what was expected
    assert found in text
    assert "openslr.org/12" in text
    assert "\n" not in text


def test_all_missing_subsets_are_named(corpus):
    with pytest.raises(ValueError, match=r"dev-other \(nor test-other\)"):
        index_speech(corpus, ["dev-other", "dev-clean", "test-other"])


def test_an_empty_subset_is_named(corpus):
    (corpus / "dev-other").mkdir()
    with pytest.raises(ValueError, match="has no audio in dev-other.*openslr"):
        index_speech(corpus, ["dev-clean", "dev-other"])


def test_a_half_unpacked_subset_is_told_by_the_table(corpus):
    shutil.rmtree(corpus / "train-clean-100" / "63")
    assert len(index_speech(corpus, ["dev-clean"])) == 2
    with pytest.raises(
        ValueError, match="incomplete: 1 of the 3 readers .* first 63; unpack"
    ):
        index_speech(corpus, ["train-clean-100"])
    named = index_speech(corpus, ["train-clean-100"], readers=[60, "66"])
    assert list(named) == ["60", "66"]
    table = corpus / "SPEAKERS.TXT"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(one for one in lines if one[:2] != "63"))
    assert list(index_speech(corpus, ["train-clean-100"])) == ["60", "66"]


@pytest.mark.parametrize("check", [False, True])
def test_damaged_utterances_are_skipped_up_to_a_share(corpus, caplog, check):
    path = next((corpus / "train-clean-100").rglob("*.flac"))
    path.write_bytes(path.read_bytes()[:9000])  # its header is whole
    with pytest.raises(ValueError, match=f"1 of 12 .*{path.name} is "):
        speech_pool(corpus, ["train-clean-100"], check=check)
    pool = speech_pool(corpus, ["train-clean-100"], check=check, bad_share=0.1)
    assert sum(map(len, pool.values())) == 11
    assert path.name in caplog.text


def test_other_suffixes_and_names_will_do(corpus):
    (corpus / "SPEAKERS.TXT").unlink()
    subset = (corpus / "dev-clean").rename(corpus / "mine")
    for path in subset.rglob("*.flac"):
        path.rename(path.with_name("hello.FLAC"))
    assert len(index_speech(corpus, ["mine"])) == 2
    assert index_speech(corpus, "mine") == index_speech(corpus, ["mine"])
