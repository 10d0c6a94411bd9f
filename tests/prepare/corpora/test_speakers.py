"""Several corpora, some of their readers, and all that these say."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechbrain_spmamba import cli
from speechbrain_spmamba.manifest import read_manifest
from speechbrain_spmamba.prepare.corpora.librispeech import index_speech
from speechbrain_spmamba.prepare.scenes.pools import make_pools
from speechbrain_spmamba.prepare.sets import echo2mix
from speechbrain_spmamba.prepare.sets.mixtures import prepare
from speechbrain_spmamba.talkers import find_talkers
from tests.prepare.small_corpora import (
    RATE,
    content,
    write_noises,
    write_speech,
)
from tests.prepare.small_scenes import SHORT


@pytest.fixture
def corpora(tmp_path):
    """Two corpora that number their readers alike, and two of noise."""
    write_speech(tmp_path / "a", "train", [10, 11, 12], sexes="FMM")
    write_speech(tmp_path / "b", "train", [10, 14], sexes="MF")
    write_speech(tmp_path / "b", "test", [11, 15], sexes="FF")
    for reader in (10, 11):  # other people than those of the first corpus
        path = tmp_path / "b" / "SPEAKERS.TXT"
        text = path.read_text()
        path.write_text(text.replace(f"Reader {reader}", f"Someone {reader}"))
    for name in ("n1", "n2"):
        write_noises(tmp_path / name, "train")
    write_noises(tmp_path / "n2", "test", "b")
    return tmp_path


def both(corpora):
    return [str(corpora / "a"), str(corpora / "b")]


def make(corpora, out="out", **changes):
    arguments = {
        "speech_folder": both(corpora),
        "output_folder": corpora / out,
        "splits": {"train": {"mixtures": 6}},
        "sample_rate": RATE,
        "seconds": 0.5,
        **changes,
    }
    return prepare(**arguments)


def talkers(manifest):
    """Who talks in each mixture, by its ID."""
    rows = read_manifest(manifest, "/")
    return [find_talkers(item, 2) for item in rows]


def test_people_of_two_corpora_are_not_confounded(corpora):
    speech = index_speech(both(corpora), ["train"])
    assert list(speech) == ["10", "11", "12", "c2.10", "c2.14"]
    for reader, spoken in speech.items():
        folder = "b" if reader.startswith("c2.") else "a"
        assert all(
            Path(one.path).is_relative_to(corpora / folder) for one in spoken
        )
    assert [some[0].sex for some in speech.values()] == list("FMMMF")
    # The same names in another order belong to others; in one split, to one.
    other = index_speech([corpora / "b", corpora / "a"], ["train"])
    assert list(other) == ["10", "14", "c2.10", "c2.11", "c2.12"]
    # Two people of one number are in a mixture, or in two splits, with right.
    choice = {"mixtures": 2, "readers": [10, "c2.10"]}
    made = make(corpora, splits={"train": choice})["train"]
    assert {frozenset(pair) for pair in talkers(made)} == {
        frozenset(["10", "c2.10"])
    }
    splits = {"train": {"readers": [11, 12]}, "test": {}}
    pools = make_pools(splits, both(corpora))
    assert list(pools["test"].speech) == ["c2.11", "c2.15"]


def test_one_person_in_two_folders_is_one(corpora):
    """A corpus that is spread over disks has its table on both."""
    shutil.copy(corpora / "a" / "SPEAKERS.TXT", corpora / "c.txt")
    shutil.copytree(corpora / "a" / "train" / "10", corpora / "c/train/10")
    (corpora / "c.txt").rename(corpora / "c" / "SPEAKERS.TXT")
    folders = [corpora / "a", corpora / "c", corpora / "a"]
    speech = index_speech(folders, ["train"])
    assert {name: len(some) for name, some in speech.items()} == {
        "10": 4,
        "11": 2,
        "12": 2,
    }
    splits = {"train": {"readers": ["10", 11]}, "test": {"speech": ["train"]}}
    with pytest.raises(ValueError, match="share 2 readers, first 10"):
        make_pools(splits, folders)


def test_all_of_it_works_from_the_command_line(corpora, capsys):
    words = ["--speech_folder", f"[{corpora}/a, {corpora}/b]"]
    words += ["--noise_folder", f"[{corpora}/n1, {corpora}/n2]"]
    words += ["--sample_rate", str(RATE), "--num_spks=2"]
    splits = "{train: {mixtures: 2, readers: [10, c2.14], sex: F}}"
    words += ["--splits", splits, "--seed=1"]
    with pytest.raises(SystemExit) as end:
        out = [str(corpora / "out"), *words, "--seconds", "0.5"]
        cli.main(["prepare", "mixtures", *out])
    assert not end.value.code
    assert {n for pair in talkers(corpora / "out/train.csv") for n in pair} == {
        "10",
        "c2.14",
    }
    scene = "{seconds: 2.0, speech_count: 2.0}"
    out = [str(corpora / "echo"), *words, "--scene", scene]
    with pytest.raises(SystemExit) as end:
        room = json.dumps(SHORT["room"])
        cli.main(["prepare", "echo2mix", *out, "--room", room])
    assert not end.value.code, capsys.readouterr().err
    lines = (corpora / "echo" / "train.plans.jsonl").read_text()
    assert "$speech/train/10/" in lines and "$speech2/train/14/" in lines
    assert {
        frozenset(find_talkers(json.loads(line)["ID"], 2))
        for line in lines.splitlines()
    } == {frozenset(["10", "c2.14"])}
    noise = json.loads((corpora / "echo" / "settings.json").read_text())
    assert noise["noise_folder"] == ["../n1", "../n2"]
    assert {"$noise/train/a.wav", "$noise2/train/a.wav"} < set(noise["files"])


def test_noise_of_two_folders_is_two_noises(corpora, caplog):
    folders = [corpora / "n1", corpora / "n2"]
    splits = {"train": {"readers": [10]}, "test": {}}
    pools = make_pools(splits, both(corpora), folders, num_spks=1)
    assert [one.group for one in pools["train"].noise] == ["a", "c2.a"]
    assert len(pools["test"].noise) == 1
    assert f"split test takes nothing of {corpora / 'n1'}" in caplog.text
    with pytest.raises(ValueError, match="nowhere, of noise_folder, is no fol"):
        make(corpora, noise_folder=[corpora / "n1", "nowhere"])


@pytest.mark.parametrize(
    "wanted, readers",
    [
        ({"readers": [12, 10]}, ["10", "12"]),
        ({"readers": 11}, ["11"]),
        ({"readers": ["14"]}, ["c2.14"]),  # the only one of that name
        ({"sex": "F"}, ["10", "c2.14"]),
        ({"sex": "M", "readers": [10, 12, "c2.10"]}, ["12", "c2.10"]),
    ],
)
def test_readers_are_chosen_by_name_and_sex(corpora, wanted, readers):
    found = index_speech(both(corpora), ["train"], **wanted)
    assert list(found) == readers


@pytest.mark.parametrize(
    "wanted, message",
    [
        ({"readers": [10, 99]}, "no reader 99 among 5; there are 10, 11, 12"),
        ({"readers": [15]}, "no reader 15 among 5; .* name others in readers"),
        ({"sex": "X"}, "sex is 'X'; expected F or M"),
        ({"sex": "F", "readers": [11]}, "none of 5 readers that are wanted"),
        ({"readers": []}, "none of 5 readers that are wanted"),
        ({"reader": [10]}, "has 'reader', .*; did you mean 'readers'"),
        ({"mixtures": "many"}, "train is to have many mixtures"),
        ({"speech": ["dev"]}, r"no speech in .*a.dev, nor in .*b; expected"),
        (
            {"readers": [10, "c2.14", 11], "sex": "M"},
            "train has 1 readers",
        ),
    ],
)
def test_wishes_that_cannot_be_met_are_told_in_one_line(
    corpora, wanted, message
):
    splits = {"train": {"mixtures": 1, **wanted}}
    with pytest.raises(ValueError, match=message) as error:
        make(corpora, splits=splits)
    assert "\n" not in str(error.value)
    assert not (corpora / "out").exists()
    if "speech" not in wanted:
        with pytest.raises(ValueError, match=message):
            echo2mix.prepare(
                speech_folder=both(corpora),
                output_folder=corpora / "out",
                splits=splits,
            )


def test_a_sex_that_the_table_does_not_tell_is_said(corpora):
    table = corpora / "b" / "SPEAKERS.TXT"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(one for one in lines if "14" not in one))
    with pytest.raises(
        ValueError, match="tell that of 1 of 5 readers, first c2"
    ):
        index_speech(both(corpora), ["train"], sex="F")
    chosen = {"readers": [10, 11], "sex": "M"}
    speech = index_speech(both(corpora), ["train"], **chosen)
    assert list(speech) == ["11"]


def test_some_readers_of_a_subset_need_no_others(corpora):
    """As where four readers of test-other are all that was downloaded."""
    shutil.rmtree(corpora / "a" / "train" / "11")
    with pytest.raises(
        ValueError, match=r"use, readers: \[10, 12\], in splits"
    ):
        index_speech(corpora / "a", ["train"])
    speech = index_speech(corpora / "a", ["train"], readers=[10, 12])
    assert list(speech) == ["10", "12"]


def test_readers_in_two_splits_are_said(corpora, caplog):
    choice = {"speech": ["train"], "mixtures": 1}
    make(corpora, splits={"train": choice, "valid": choice})
    assert "train and valid share 5 readers, first 10" in caplog.text


def silent_share(path):
    wave, _ = soundfile.read(path)
    return np.mean(wave == 0)


def test_joined_utterances_fill_a_mixture(corpora, caplog):
    write_speech(corpora / "d", "train", [1, 2, 3], [0.3, 0.4, 0.5, 0.6, 0.7])
    settings = {"speech_folder": corpora / "d", "seconds": 2.5}
    apart = make(corpora, "apart", **settings)["train"]
    assert "silent in 80 % of a mixture of 2.5 s" in caplog.text
    assert "join: True" in caplog.text
    joined = make(corpora, "joined", join=True, **settings)["train"]
    again = make(corpora, "again", join=True, **settings)["train"]
    assert content(corpora / "joined") == content(corpora / "again")
    assert joined.read_bytes() == again.read_bytes()
    assert "utterances" not in apart.read_text()
    for row in read_manifest(joined, corpora / "joined", 2).values():
        for key in ("s1", "s2"):
            names = row[f"{key}_utterances"].split()
            assert 3 <= len(names) == len(set(names))
            assert len({name.split("-")[0] for name in names}) == 1
            wave, _ = soundfile.read(row[f"{key}_wav"])
            # Nothing but pauses of 0.2 to 0.6 s, and at most one at the end.
            edges = np.flatnonzero(np.diff(np.pad(np.abs(wave) < 1e-4, 1)))
            runs = (edges[1::2] - edges[::2]) / RATE
            pauses = runs[runs > 0.01]
            assert len(pauses) <= len(names) + 1 and pauses.max() < 0.61
            assert silent_share(row[f"{key}_wav"]) < 0.6
        assert row["ID"].split("_")[1] in row["s1_utterances"]
    shares = [
        np.mean([silent_share(path) for path in folder.glob("train/s?/*.wav")])
        for folder in (corpora / "apart", corpora / "joined")
    ]
    assert shares[0] > 0.7 and shares[1] < 0.5
