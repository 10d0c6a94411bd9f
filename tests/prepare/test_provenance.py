"""Prepared data move, with or without their corpora; other data are told."""

import json
import shutil

import pytest
import soundfile

from speechbrain_spmamba.loading.loader import make_dataset
from speechbrain_spmamba.manifest import read_manifest
from speechbrain_spmamba.prepare import provenance
from speechbrain_spmamba.prepare.provenance import Provenance
from speechbrain_spmamba.prepare.scenes.dynamic_mixing import DynamicScenes
from speechbrain_spmamba.prepare.sets import (
    custom,
    echo2mix,
    librimix,
    mixtures,
)
from tests.prepare.small_corpora import (
    RATE,
    content,
    tree,
    write_noises,
    write_speech,
)
from tests.prepare.small_scenes import SHORT
from tests.prepare.trees import write_parts

SCENE = {**SHORT, "seconds": 2.0}
SCENE.pop("room")


def write_corpora(folder, rate=RATE):
    write_speech(folder / "speech", "test", [10, 11], rate=rate)
    write_noises(folder / "noise", "test", "ab", rate=rate)
    write_parts(folder / "mixed" / "test", ["mix", "s1"], ["x", "y"])
    table = "mixture_ID,source_1_path,source_1_gain,noise_path,noise_gain\n"
    table += "a,test/10/7/10-7-0000.flac,1,test/asp08.wav,0.5\n"
    (folder / "tables").mkdir()
    (folder / "tables" / "libri1mix_test-clean.csv").write_text(table)
    return folder


def make_mixtures(corpora, out, **changes):
    arguments = {"splits": {"test": {"mixtures": 2}}, "seconds": 0.5}
    return mixtures.prepare(
        speech_folder=corpora / "speech",
        output_folder=out,
        noise_folder=corpora / "noise",
        sample_rate=RATE,
        **{**arguments, **changes},
    )


def make_echo2mix(corpora, out, **changes):
    return echo2mix.prepare(
        output_folder=out,
        splits={"test": {"mixtures": 1}},
        speech_folder=corpora / "speech",
        noise_folder=corpora / "noise",
        sample_rate=RATE,
        scene=SCENE,
        room=SHORT["room"],
        **changes,
    )


def make_librimix(corpora, out):
    return librimix.prepare(
        output_folder=out,
        metadata_folder=corpora / "tables",
        speech_folder=corpora / "speech",
        noise_folder=corpora / "noise",
        splits={"test": "test"},
        num_spks=1,
    )


def make_custom(corpora, out):
    return custom.prepare(corpora / "mixed", out, splits={"test": "test"})


MADE = [make_mixtures, make_echo2mix, make_custom]
RATES = {make_librimix: 16000}


@pytest.mark.parametrize("make", MADE)
def test_mixtures_and_corpora_move(tmp_path, make, caplog):
    corpora = write_corpora(tmp_path / "old" / "corpora")
    before = tree(corpora)
    make(corpora, tmp_path / "old" / "out")
    assert tree(corpora) == before  # nothing is written into a corpus
    # Everything together, then the corpora alone: nothing is made again.
    moved = (tmp_path / "old").rename(tmp_path / "new")
    before = tree(moved)
    manifest = make(moved / "corpora", moved / "out")["test"]
    assert tree(moved) == before
    assert len(read_manifest(manifest, moved / "out")) >= 1
    made = content(moved / "out")
    corpora = (moved / "corpora").rename(tmp_path / "elsewhere")
    make(corpora, moved / "out")
    del made["settings.json"]
    after = content(moved / "out")
    assert "elsewhere" in after.pop("settings.json").decode()
    assert after == made
    assert not caplog.text


@pytest.mark.parametrize("make", MADE)
def test_an_interruption_and_a_move_change_no_byte(tmp_path, make):
    corpora = write_corpora(tmp_path / "old")
    make(corpora, tmp_path / "whole")
    make(corpora, tmp_path / "out")
    for path in (tmp_path / "out" / "test.csv", *tmp_path.glob("out/*/s1/*")):
        path.unlink()
    for path in tmp_path.glob("out/*/mix/*"):
        path.unlink()
    make(corpora.rename(tmp_path / "new"), tmp_path / "out")
    whole, out = content(tmp_path / "whole"), content(tmp_path / "out")
    assert "../old" in whole.pop("settings.json").decode()
    assert "../old" not in out.pop("settings.json").decode()
    assert out == whole


@pytest.mark.parametrize("make", [*MADE, make_librimix])
def test_another_corpus_is_refused_by_the_file_that_differs(tmp_path, make):
    corpora = write_corpora(tmp_path / "corpora", rate=RATES.get(make, RATE))
    make(corpora, tmp_path / "out")
    other = tmp_path / "other"
    shutil.copytree(corpora, other)
    name = "x.wav" if make is make_custom else "10-7-0000.flac"
    path = next(other.rglob(name))
    whole = path.read_bytes()
    half = len(whole) // 2
    for other_bytes, reason in (
        (whole + b"more", r"\(\d+ bytes then, \d+ now\); give the corpora"),
        (whole[:half] + bytes(9) + whole[half + 9 :], r"\(of the same size\)"),
    ):
        path.write_bytes(other_bytes)
        match = f"made of another .*{path.name} {reason}"
        with pytest.raises(ValueError, match=match):
            make(other, tmp_path / "out")
    path.unlink()
    with pytest.raises(ValueError, match=rf"1 of \d+ files .*{path.name}; giv"):
        make(other, tmp_path / "out")


@pytest.mark.parametrize("make", [*MADE, make_librimix])
def test_finished_mixtures_need_no_corpora(tmp_path, make, caplog):
    corpora = write_corpora(tmp_path / "corpora", rate=RATES.get(make, RATE))
    made = make(corpora, tmp_path / "out")
    before = content(tmp_path / "out")
    shutil.rmtree(corpora)
    (corpora / "speech").mkdir(parents=True)  # a disk that is not mounted
    assert make(corpora, tmp_path / "out") == made
    assert "are not there, first" in caplog.text
    assert "mixtures are used as they are" in caplog.text
    assert content(tmp_path / "out") == before
    if make is make_mixtures:
        dataset = make_dataset(made["test"], tmp_path / "out", RATE, 2)
        assert len(dataset[0]["mix_sig"]) == RATE / 2
    made["test"].unlink()
    with pytest.raises(ValueError, match="are not there.*; give the corpora"):
        make(corpora, tmp_path / "out")


def test_an_unfinished_folder_wants_the_same_corpora(tmp_path):
    corpora = write_corpora(tmp_path / "corpora")
    made = make_mixtures(corpora, tmp_path / "out")
    write_speech(corpora / "speech", "test", [12])
    assert make_mixtures(corpora, tmp_path / "out") == made  # nothing is drawn
    made["test"].unlink()
    with pytest.raises(
        ValueError,
        match=r"begun with other corpora \(2 files are new, 0 are gone, first "
        r"\$speech/test/12/7/12-7-0000.flac\)",
    ):
        make_mixtures(corpora, tmp_path / "out")


def test_settings_are_compared_without_corpora(tmp_path):
    corpora = write_corpora(tmp_path / "corpora")
    make_mixtures(corpora, tmp_path / "out")
    shutil.rmtree(corpora)
    for changes, message in (
        ({"seconds": 0.4}, "with seconds=0.5, now seconds=0.4; choose"),
        ({"join": True}, "with join=None, now join=True; choose"),
        (
            {"splits": {"test": {"mixtures": 2, "sex": "F"}}},
            "with test={'mixtures': 2}, now test={'mixtures': 2, 'sex': 'F'}",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            make_mixtures(corpora, tmp_path / "out", **changes)
    with pytest.raises(ValueError, match="noise_folder=../corpora/noise, now"):
        mixtures.prepare(
            speech_folder=corpora / "speech",
            output_folder=tmp_path / "out",
            splits={"test": {"mixtures": 2}},
            sample_rate=RATE,
            seconds=0.5,
        )


def test_plans_name_no_folder_and_are_made_again_after_a_move(tmp_path):
    corpora = write_corpora(tmp_path / "old" / "corpora")
    make_echo2mix(corpora, tmp_path / "old" / "out")
    folder = (tmp_path / "old").rename(tmp_path / "new") / "out"
    (line,) = (folder / "test.plans.jsonl").read_text().splitlines()
    assert str(tmp_path) not in line and "$speech/test/10/7/10-7-0" in line
    plan = json.loads(line)
    rebuilt = echo2mix.rebuild(line, folder)
    kept, _ = soundfile.read(folder / "test" / "mix" / f"{plan['ID']}.wav")
    assert (rebuilt["mix"] == kept).all()
    with pytest.raises(ValueError, match="of a corpus that is not given"):
        echo2mix.rebuild(line)
    # Fresh scenes find the corpora where the last preparation did.
    DynamicScenes(folder, RATE, split="test")
    corpora = (folder.parent / "corpora").rename(tmp_path / "corpora")
    make_echo2mix(corpora, folder)
    DynamicScenes(folder, RATE, split="test")


@pytest.mark.parametrize("gone", [False, True])
def test_settings_of_an_older_version_are_taken_where_they_can_be(
    tmp_path, caplog, gone
):
    """They have absolute paths, and nothing on what was in them."""
    corpora = write_corpora(tmp_path / "corpora")
    made = make_mixtures(corpora, tmp_path / "out")
    path = tmp_path / "out" / "settings.json"
    settings = json.loads(path.read_text())
    del settings["files"], settings["join"]
    for key in ("speech", "noise"):
        settings[f"{key}_folder"] = str((corpora / key).resolve())
    path.write_text(json.dumps(settings))
    assert make_mixtures(corpora, tmp_path / "out") == made
    assert not caplog.text
    moved = corpora.rename(tmp_path / "moved")
    if gone:
        shutil.rmtree(moved)
    assert make_mixtures(moved, tmp_path / "out") == made
    assert "made by an older version with speech_folder=" in caplog.text
    made["test"].unlink()
    with pytest.raises(ValueError, match="begun by an older version, which"):
        make_mixtures(moved, tmp_path / "out")


def test_damaged_settings_are_named(tmp_path):
    (tmp_path / "settings.json").write_text('{"seed": ')
    with pytest.raises(ValueError, match="settings.json is damaged; remove"):
        Provenance(tmp_path, {}, {}).check(finished=True)


def test_a_finished_folder_may_be_read_only(tmp_path, monkeypatch):
    corpora = write_corpora(tmp_path / "corpora")
    made = make_mixtures(corpora, tmp_path / "out")

    def refuse(path, *_, **__):
        raise PermissionError(path)

    monkeypatch.setattr(provenance, "write_json", refuse)
    moved = corpora.rename(tmp_path / "moved")
    assert make_mixtures(moved, tmp_path / "out") == made
