"""Echo2Mix from corpora to manifests: complete, repeatable, resumable."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechbrain_spmamba.loading.loader import make_dataset
from speechbrain_spmamba.manifest import read_manifest
from speechbrain_spmamba.prepare.scenes import plans
from speechbrain_spmamba.prepare.scenes.loudness import loudness
from speechbrain_spmamba.prepare.sets.echo2mix import prepare, rebuild
from tests import SHARED
from tests.prepare.small_scenes import RATE, SHORT, replace_pools, sound_pools

BESIDE = SHARED / "minicorpus"
CORPUS = Path(os.environ.get("MINICORPUS", BESIDE))
SCENE = {key: value for key, value in SHORT.items() if key != "room"}


def _record(folder):
    """Two splits with their own readers."""
    return {
        "train": sound_pools(folder / "train"),
        "test": sound_pools(folder / "test", first=100),
    }


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    return _record(tmp_path_factory.mktemp("recorded"))


@pytest.fixture(autouse=True)
def corpora(recorded, monkeypatch):
    """For all tests that do not change them."""
    replace_pools(monkeypatch, recorded)
    return recorded


@pytest.fixture
def own_corpora(tmp_path, monkeypatch):
    """To be changed."""
    pools = _record(tmp_path)
    replace_pools(monkeypatch, pools)
    return pools


@pytest.fixture(scope="module")
def whole(recorded, tmp_path_factory):
    """What preparing gives, as deep as in tests: paths are kept relative."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    with pytest.MonkeyPatch.context() as patch:
        replace_pools(patch, recorded)
        _prepare(folder)
    return folder


def _prepare(folder, **changes):
    arguments = {
        "splits": {"train": {"mixtures": 3}, "test": {"mixtures": 2}},
        "speech_folder": "speech",
        "sample_rate": RATE,
        "scene": SCENE,
        "room": SHORT["room"],
        **changes,
    }
    return prepare(output_folder=folder, **arguments)


def content(folder):
    """Every file below a folder, but how it was made."""
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _lines(folder, split="train"):
    return (folder / f"{split}.plans.jsonl").read_text().splitlines()


def _read(row, *parts):
    return [soundfile.read(row[f"{part}_wav"])[0] for part in parts]


def test_scenes_and_manifests_fit_together(whole):
    assert sorted(whole.glob("*.csv")) == [
        whole / "test.csv",
        whole / "train.csv",
    ]
    for split, count in (("train", 3), ("test", 2)):
        path = whole / f"{split}.csv"
        rows = read_manifest(path, whole, num_spks=2)
        assert len(rows) == count
        for row in rows.values():
            assert row["duration"] == 8.0
            mix, *parts = _read(row, "mix", "s1", "s2", "noise")
            assert len(mix) == 8 * RATE
            np.testing.assert_allclose(mix, sum(parts), atol=1e-6)
        items = list(make_dataset(path, whole, RATE, 2, segment=2.0))
        assert items[0]["src_sig"].shape == (2 * RATE, 2)


def test_ids_name_the_readers_of_the_split(whole):
    for split in ("train", "test"):
        for item in read_manifest(whole / f"{split}.csv", whole):
            number, *readers = item.split("_")
            assert len(number) == 6 and len(set(readers)) == 2
            assert all((int(r) >= 100) == (split == "test") for r in readers)


def test_readers_are_as_loud_as_planned(whole):
    for line in _lines(whole):
        plan = json.loads(line)
        for track in plan["scene"]["tracks"][:2]:
            name = f"{plan['ID']}.wav"
            path = whole / "train" / track["name"] / name
            found = loudness(soundfile.read(path)[0], RATE)
            assert found == pytest.approx(track["level"], abs=0.1)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"format": "flac", "stems": True},
        {"subtype": "PCM_24", "protocol": "release", "cut": {"seconds": 2.0}},
        {"reference": "early", "room": {**SHORT["room"], "num_mics": 2}},
    ],
)
def test_any_mixture_is_rebuilt_to_the_bit(tmp_path, changes):
    _prepare(tmp_path / "out", **changes)
    plan = json.loads(_lines(tmp_path / "out")[1])
    arrays = rebuild(_lines(tmp_path / "out")[1])
    assert {"mix", "s1", "s2", "noise"} <= set(arrays)
    assert ("effects" in arrays) == bool(changes.get("stems"))
    for part, wave in arrays.items():
        path = tmp_path / "out" / "train" / part
        path /= f"{plan['ID']}.{changes.get('format', 'wav')}"
        found, _ = soundfile.read(path, dtype="float32")
        np.testing.assert_array_equal(found, wave)


def test_items_of_the_release_have_its_ratios(tmp_path):
    changes = {"protocol": "release", "cut": {"seconds": 3.0}}
    path = _prepare(tmp_path / "out", **changes)["train"]
    for row in read_manifest(path, tmp_path / "out").values():
        assert row["duration"] == 3.0
        levels = [
            10 * np.log10(np.mean(wave**2))
            for wave in _read(row, "s1", "s2", "noise")
        ]
        assert -6 <= levels[0] - levels[1] <= 6
        assert 10 <= levels[0] - levels[2] <= 20


def test_integers_are_scaled_with_their_mixture(tmp_path):
    scene = {**SCENE, "speech_level": 0.0}
    path = _prepare(tmp_path / "out", subtype="PCM_16", scene=scene)["test"]
    for row in read_manifest(path, tmp_path / "out").values():
        assert soundfile.info(row["mix_wav"]).subtype == "PCM_16"
        mix, *parts = _read(row, "mix", "s1", "s2", "noise")
        assert max(np.abs(x).max() for x in (mix, *parts)) < 0.901
        np.testing.assert_allclose(mix, sum(parts), atol=2e-4)


def test_other_jobs_give_the_same_bytes(tmp_path, monkeypatch, whole):
    monkeypatch.setattr("speechbrain_spmamba.prepare.workers.SHARE", 1)
    _prepare(tmp_path / "b", jobs=2)
    assert content(whole) == content(tmp_path / "b")
    _prepare(tmp_path / "c", seed=1)
    assert content(whole).keys() != content(tmp_path / "c").keys()


@pytest.mark.parametrize(
    "writes",
    [3, 9, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 15))],
)
def test_an_interrupted_preparation_is_completed(
    tmp_path, monkeypatch, writes, whole
):
    write, count = plans.write_bytes, iter(range(1000))

    def dies(path, data):
        if next(count) == writes:
            path.parent.mkdir(parents=True, exist_ok=True)
            (path.parent / f".{path.name}.x.part").write_bytes(data[:50])
            raise KeyboardInterrupt
        write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(plans, "write_bytes", dies)
        with pytest.raises(KeyboardInterrupt):
            _prepare(tmp_path / "out")
    assert not (tmp_path / "out" / "test.csv").exists()
    _prepare(tmp_path / "out")
    found = content(tmp_path / "out")
    assert {
        path: data for path, data in found.items() if path.suffix != ".part"
    } == content(whole)
    assert not list((tmp_path / "out" / "train").rglob("*.part"))


def test_finished_data_are_left_alone(tmp_path, monkeypatch):
    _prepare(tmp_path / "out")
    replace_pools(monkeypatch, None)
    assert set(_prepare(tmp_path / "out")) == {"train", "test"}


def test_plans_that_were_begun_are_kept(tmp_path, monkeypatch):
    _prepare(tmp_path / "out")
    before = content(tmp_path / "out")
    (tmp_path / "out" / "train.csv").unlink()
    next((tmp_path / "out" / "train" / "mix").iterdir()).unlink()
    replace_pools(monkeypatch, None)  # the corpora cannot be indexed any more
    _prepare(tmp_path / "out")
    assert content(tmp_path / "out") == before


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"seed": 1}, "made with seed=0, now seed=1"),
        ({"scene": {**SCENE, "music_level": -30.0}}, "music_level=-24.0, now"),
        ({"reference": "dry"}, "reference=reverberant, now reference=dry"),
        ({"protocol": "release"}, "protocol=paper, now protocol=release"),
    ],
)
def test_other_settings_need_another_folder(tmp_path, changes, message):
    _prepare(tmp_path / "out", splits={"test": {"mixtures": 1}})
    with pytest.raises(ValueError, match=message):
        _prepare(tmp_path / "out", splits={"test": {"mixtures": 1}}, **changes)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"protocol": "papers"}, "protocol is 'papers'; give paper or release"),
        ({"format": "mp3"}, "format is mp3 .* give wav: FLOAT.*flac: PCM_16"),
        ({"format": "flac", "subtype": "FLOAT"}, "flac and subtype FLOAT"),
        ({"scene": {"tempo": 3}}, "SceneLaw has no tempo; it has seconds"),
        ({"room": {"doors": 3}}, "RoomLaw has no doors"),
        ({"write_silence": 1}, "write_silence is 1; expected True or False"),
        ({"splits": {"dev": {}}}, "split dev is to have None mixtures"),
        ({"protocol": "release", "cut": {"sir": 3}}, "sir is 3; give two"),
        ({"num_spks": 5}, "train has 4 readers, 5 talkers"),
        (
            {"protocol": "release", "cut": {"seconds": 9.0}},
            "items of 9 s cannot be cut from scenes of 8 s",
        ),
    ],
)
def test_mistakes_are_named_before_anything_is_written(
    tmp_path, changes, message
):
    with pytest.raises(ValueError, match=message):
        _prepare(tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_three_talkers_without_noise(tmp_path, corpora, monkeypatch):
    alone = {
        split: type(pools)(speech=pools.speech)
        for split, pools in corpora.items()
    }
    replace_pools(monkeypatch, alone)
    path = _prepare(tmp_path / "out", num_spks=3)["test"]
    row = next(iter(read_manifest(path, tmp_path / "out", 3).values()))
    assert "noise_wav" not in row
    mix, *parts = _read(row, "mix", "s1", "s2", "s3")
    np.testing.assert_allclose(mix, sum(parts), atol=1e-6)


def test_a_bad_file_is_noted_and_too_many_are_an_error(
    tmp_path, own_corpora, caplog
):
    Path(own_corpora["train"].background[0].path).write_bytes(b"no audio")
    with pytest.raises(ValueError, match="events could not be used.*at most"):
        _prepare(tmp_path / "out", most_bad=0.0)
    assert not (tmp_path / "out" / "train.csv").exists()
    path = _prepare(tmp_path / "out", most_bad=0.9)["train"]
    assert len(read_manifest(path, tmp_path / "out")) == 3
    assert "cannot be read as audio" in caplog.text
    noted = (tmp_path / "out" / "train" / "problems").iterdir()
    assert all("b0.wav" in note.read_text() for note in noted)


def test_mixtures_without_a_talker_are_left_out(tmp_path, own_corpora, caplog):
    for recording in own_corpora["train"].speech["0"]:
        soundfile.write(recording.path, np.zeros(recording.frames), RATE)
    splits = {"train": {"mixtures": 8}}
    path = _prepare(tmp_path / "out", splits=splits, most_bad=0.9)["train"]
    items = list(read_manifest(path, tmp_path / "out"))
    assert 0 < len(items) < 8
    assert f"{8 - len(items)} of 8 mixtures are left out" in caplog.text
    assert not any("0" in item.split("_")[1:] for item in items)


@pytest.mark.slow
@pytest.mark.skipif(
    not CORPUS.is_dir(), reason=f"no corpus in {CORPUS}; set MINICORPUS"
)
@pytest.mark.parametrize("protocol", ["paper", "release"])
def test_real_recordings_become_scenes(tmp_path, monkeypatch, protocol):
    monkeypatch.undo()  # the corpora that are there
    manifests = prepare(
        output_folder=tmp_path / "out",
        splits={
            split: {
                "mixtures": 2,
                "speech": [split],
                **dict.fromkeys(("noise", "music", "effects"), split),
            }
            for split in ("train", "valid", "test")
        },
        speech_folder=CORPUS / "speech",
        noise_folder=CORPUS / "noise",
        music_folder=CORPUS / "music",
        effects_folder=CORPUS / "sfx",
        protocol=protocol,
        jobs=2,
    )
    for manifest in manifests.values():
        rows = read_manifest(manifest, tmp_path / "out", num_spks=2)
        assert len(rows) == 2
        for row in rows.values():
            assert row["duration"] == (60.0 if protocol == "paper" else 6.0)
            mix, *parts = _read(row, "mix", "s1", "s2", "noise")
            np.testing.assert_allclose(mix, sum(parts), atol=1e-6)
            assert all(wave.std() > 1e-4 for wave in parts)
    used = []
    for path in sorted((tmp_path / "out").glob("*.plans.jsonl")):
        plans_of_split = map(json.loads, path.read_text().splitlines())
        tracks = [t for p in plans_of_split for t in p["scene"]["tracks"]]
        used.append({e["path"] for track in tracks for e in track["events"]})
    assert len(used) == 3 and all(used)
    assert len(set.union(*used)) == sum(map(len, used))  # nothing is shared
