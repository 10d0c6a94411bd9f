"""Scenes of any number of talkers, nobody included, from plan to file."""

import json
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.stats import chisquare

from speechbrain_spmamba.audio import rms_level
from speechbrain_spmamba.loading.loader import make_dataset
from speechbrain_spmamba.manifest import read_manifest
from speechbrain_spmamba.prepare.scenes.dynamic_mixing import DynamicScenes
from speechbrain_spmamba.prepare.scenes.excerpts import ExcerptLaw, draw_excerpt
from speechbrain_spmamba.prepare.scenes.inspect import inspect
from speechbrain_spmamba.prepare.scenes.plans import plan_mixture
from speechbrain_spmamba.prepare.scenes.render import render
from speechbrain_spmamba.prepare.scenes.rooms import RoomLaw
from speechbrain_spmamba.prepare.scenes.scene import Scene, SceneLaw, draw_scene
from speechbrain_spmamba.prepare.sets.echo2mix import prepare, rebuild
from tests.prepare.small_scenes import (
    RATE,
    SHORT,
    imaginary_pools,
    replace_pools,
    sound_pools,
)

ANY = {0: 1, 1: 2, 2: 1, 3: 4}
SCENE = {key: value for key, value in SHORT.items() if key != "room"}
ROOM = RoomLaw(**SHORT["room"])
NOBODY = {0: 1e9, 2: 1e-9}  # weights under which nobody ever speaks
SETTINGS = {
    **{"seed": 0, "sample_rate": RATE, "reference": "reverberant"},
    **{"format": "wav", "subtype": "FLOAT"},
    **{"stems": False, "write_silence": None},
}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    return sound_pools(tmp_path_factory.mktemp("sounds"))


@pytest.fixture
def pools(sounds, monkeypatch):
    """What ``prepare`` and ``DynamicScenes`` find."""
    replace_pools(monkeypatch, {"train": sounds})
    return sounds


def _prepare(folder, mixtures=8, **changes):
    arguments = {
        "splits": {"train": {"mixtures": mixtures}},
        "num_spks": [0, 2],
        "scene": SCENE,
        "room": SHORT["room"],
        **changes,
    }
    prepare(
        output_folder=folder,
        speech_folder="speech",
        sample_rate=RATE,
        **arguments,
    )
    return folder


def _release(**changes):
    return {"protocol": "release", "cut": {"seconds": 2.0}, **changes}


def test_as_many_speak_as_the_law_says():
    pools = replace(imaginary_pools(), music=[], effects=[], background=[])
    law = SceneLaw(num_spks=ANY, seconds=20.0)
    scenes = [draw_scene(pools, law, 0, "train", n) for n in range(400)]
    for scene in scenes:
        names = [track.name for track in scene.readers]
        assert names == ["s1", "s2", "s3"][: len(names)]
        assert len({track.group for track in scene.readers}) == len(names)
        assert ("speech" in scene.levels) == bool(names)
        assert Scene.from_dict(json.loads(json.dumps(scene.to_dict()))) == scene
    found = Counter(len(scene.readers) for scene in scenes)
    expected = [50, 100, 50, 200]
    assert chisquare([found[n] for n in range(4)], expected).pvalue > 0.01


@pytest.mark.parametrize("excerpt_law", [None, ExcerptLaw()])
def test_one_number_draws_the_plans_that_it_drew(excerpt_law):
    pools = imaginary_pools()

    def plan(num_spks):
        law = SceneLaw(num_spks=num_spks)
        return plan_mixture(pools, law, excerpt_law, "train", 3, SETTINGS)

    assert plan(2) == plan([2, 2]) == plan({2: 5}) != plan([0, 2])


@pytest.mark.parametrize("num_spks", [3, [0, 3], {1: 1, 2: 3.5}])
def test_a_law_survives_json(num_spks):
    law = SceneLaw(num_spks=num_spks)
    found = json.loads(json.dumps(asdict(law)))
    again = SceneLaw(**{**found, "room": RoomLaw(**found["room"])})
    assert again.counts == law.counts
    assert again.sources == law.sources == ["s1", "s2", "s3"][: law.counts.most]


@pytest.mark.parametrize("num_spks", [0, [3, 1], [0, 0], {2: -1}, "two", 1.5])
def test_numbers_that_are_none_are_named(num_spks):
    with pytest.raises(ValueError, match="num_spks is .*; expected a number"):
        SceneLaw(num_spks=num_spks)


def test_as_many_readers_as_the_most_are_needed():
    with pytest.raises(ValueError, match="test has 2 readers, 3 talkers"):
        draw_scene(imaginary_pools(2), SceneLaw(num_spks=[0, 3]), 0, "test", 0)


@pytest.mark.parametrize("mics", [1, 2])
@pytest.mark.parametrize("reference", ["reverberant", "dry"])
@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("cut", [None, ExcerptLaw(seconds=2.0)])
def test_a_scene_of_nobody_is_what_is_no_speech(
    sounds, mics, reference, alone, cut
):
    if alone:
        sounds = type(sounds)(speech=sounds.speech)
    room = replace(ROOM, num_mics=mics)
    law = SceneLaw(**{**SCENE, "num_spks": NOBODY, "room": room})
    scene, excerpt = draw_scene(sounds, law, 0, "train", 0), None
    assert not scene.readers
    if cut:
        scene, excerpt = draw_excerpt(scene, cut)
        assert excerpt.sir == ()
    made = render(scene, RATE, reference, excerpt)
    seconds = 2 if cut else 8
    assert made.signals["mix"].shape == (mics, seconds * RATE)
    assert not made.silent and not made.problems
    np.testing.assert_array_equal(made.signals["mix"], made.signals["noise"])
    assert made.signals["mix"].any() != alone
    assert not {"s1", "s2"} & set(made.signals)


def test_noise_of_nobody_is_as_loud_as_beside_a_first_reader(sounds):
    law = SceneLaw(**{**SCENE, "num_spks": NOBODY, "room": ROOM})
    for number in range(3):
        scene = draw_scene(sounds, law, 0, "train", number)
        scene, excerpt = draw_excerpt(scene, ExcerptLaw(seconds=4.0))
        mix = render(scene, RATE, excerpt=excerpt).signals["mix"][0]
        wanted = excerpt.level - excerpt.snr
        assert rms_level(mix.astype(float)) == pytest.approx(wanted, abs=0.01)


def test_items_without_talkers_begin_anywhere():
    law = SceneLaw(num_spks=NOBODY)
    pools = replace(imaginary_pools(), music=[], effects=[], background=[])
    starts = [
        draw_excerpt(draw_scene(pools, law, 0, "train", n), ExcerptLaw())[1]
        for n in range(100)
    ]
    starts = np.array([excerpt.start for excerpt in starts])
    assert starts.min() < 5 and starts.max() > 49
    assert abs(starts.mean() - 27) < 5


@pytest.mark.parametrize("changes", [{}, _release()])
def test_files_and_manifest_agree_on_who_talks(tmp_path, pools, changes):
    folder = _prepare(tmp_path / "out", **changes)
    rows = read_manifest(folder / "train.csv", folder, num_spks=2)
    lines = (folder / "train.plans.jsonl").read_text().splitlines()
    counts = set()
    dataset = make_dataset(folder / "train.csv", folder, RATE, 2)
    for line, item in zip(lines, dataset, strict=True):
        row = rows[item["id"]]
        cells = [bool(row["s1_wav"]), bool(row["s2_wav"])]
        readers = item["id"].split("_")[1:]
        assert cells == [len(readers) > 0, len(readers) > 1]
        assert [s.any().item() for s in item["src_sig"].T] == cells
        made = rebuild(line)
        np.testing.assert_array_equal(made["mix"], item["mix_sig"])
        parts = [wave for part, wave in made.items() if part != "mix"]
        np.testing.assert_allclose(made["mix"], sum(parts), atol=1e-6)
        assert len(parts) == len(readers) + 1
        counts.add(len(readers))
    assert counts == {0, 1, 2}


@pytest.mark.parametrize("changes", [{"format": "flac"}, _release()])
def test_silence_can_be_written(tmp_path, pools, changes):
    folder = _prepare(tmp_path / "out", **changes, write_silence=True)
    plain = _prepare(tmp_path / "plain", **changes)
    rows = read_manifest(folder / "train.csv", folder, num_spks=2)
    lines = (folder / "train.plans.jsonl").read_text().splitlines()
    counts = set()
    for line, row in zip(lines, rows.values(), strict=True):
        heard = []
        for part, wave in rebuild(line).items():
            path = Path(row[f"{part}_wav"])
            found, _ = soundfile.read(path, dtype="float32")
            np.testing.assert_array_equal(found, wave)
            other = plain / path.relative_to(folder)
            if part in ("s1", "s2"):
                assert other.is_file() == found.any()
                heard.append(bool(found.any()))
            if other.is_file():
                assert other.read_bytes() == path.read_bytes()
        assert sum(heard) == len(row["ID"].split("_")) - 1
        counts.add(sum(heard))
    assert counts == {0, 1, 2}
    assert '"write_silence": true' in (folder / "settings.json").read_text()
    with pytest.raises(ValueError, match="made with write_silence=True, now"):
        _prepare(folder, **changes)


def test_other_jobs_give_the_same_bytes(tmp_path, pools, monkeypatch):
    monkeypatch.setattr("speechbrain_spmamba.prepare.workers.SHARE", 1)
    one = _prepare(tmp_path / "one", 4)
    two = _prepare(tmp_path / "two", 4, jobs=2)
    files = [p.relative_to(one) for p in sorted(one.rglob("*.*"))]
    assert len(files) > 8
    for file in files:
        assert (one / file).read_bytes() == (two / file).read_bytes()


@pytest.mark.parametrize("changes", [{}, _release()])
@pytest.mark.parametrize(
    "num_spks, counts", [([0, 3], {0, 1, 2, 3}), ({0: 1, 3: 2}, {0, 3})]
)
def test_fresh_scenes_have_as_many(tmp_path, pools, changes, num_spks, counts):
    folder = _prepare(tmp_path / "out", 1, num_spks=num_spks, **changes)
    scenes, found = DynamicScenes(folder, RATE), set()
    for epoch in range(16):
        mix, sources = scenes(0, epoch, "a")
        assert sources.shape == (len(mix), 3)
        assert mix.dtype == sources.dtype == np.float32
        found.add(sum(bool(source.any()) for source in sources.T))
    assert found == counts


def test_what_was_made_is_described(tmp_path, pools, capsys):
    folder = _prepare(tmp_path / "out", 6)
    found = inspect(folder)["train"]
    assert sum(found["talkers"].values()) == found["planned"] == 6
    assert list(found["talkers"]) == [0, 1, 2]
    assert 0 < found["overlap"] < 1
    assert "mixtures\n" in capsys.readouterr().out.split("talkers ")[1]
    alone = _prepare(tmp_path / "alone", 2, num_spks=1)
    assert inspect(alone)["train"]["overlap"] == 0
    nobody = _prepare(tmp_path / "nobody", 2, num_spks=NOBODY, **_release())
    found = inspect(nobody)["train"]
    assert found["overlap"] == 0 and found["silence"] == 1
    assert found["talkers"] == {0: 2} and "sir" not in found["levels"]
