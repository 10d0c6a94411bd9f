"""Mixtures follow their laws, can be made again, and fail with a reason."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechbrain_spmamba.manifest import read_manifest
from speechbrain_spmamba.prepare.sets import mixtures
from speechbrain_spmamba.prepare.sets.mixtures import prepare

RATE = 8000
SPLITS = {
    "train": {"speech": ["train"], "noise": "tr", "mixtures": 6},
    "test": {"speech": ["test"], "noise": "tt", "mixtures": 3},
}


@pytest.fixture
def corpora(tmp_path):
    """Three readers a split with two utterances, and one noise a split."""
    rng = np.random.default_rng(0)
    for split, first in (("train", 10), ("test", 20)):
        for reader in range(first, first + 3):
            folder = tmp_path / "speech" / split / str(reader) / "7"
            folder.mkdir(parents=True)
            for number, frames in ((0, 5000), (1, 40000)):
                wave = 0.1 * rng.standard_normal(frames)
                name = f"{reader}-7-{number:04d}.flac"
                soundfile.write(folder / name, wave, 16000)
    for split in ("tr", "tt"):
        folder = tmp_path / "noise" / split
        folder.mkdir(parents=True)
        noise = 0.1 * rng.standard_normal((7000, 2))
        soundfile.write(folder / "a.wav", noise, RATE)
        soundfile.write(folder / "asp08.wav", noise, RATE)
    return tmp_path


def _prepare(corpora, name="out", **changes):
    settings = {
        "speech_folder": corpora / "speech",
        "noise_folder": corpora / "noise",
        "output_folder": corpora / name,
        "splits": SPLITS,
        "sample_rate": RATE,
        "seconds": 1.5,
        **changes,
    }
    return prepare(**settings)


def _read(row, *parts):
    return [soundfile.read(row[f"{part}_wav"])[0] for part in parts]


def _level(signal):
    return 10 * np.log10(np.mean(signal**2))


def test_a_mixture_is_the_sum_of_its_parts(corpora):
    manifests = _prepare(corpora)
    rows = read_manifest(manifests["train"], corpora / "out", num_spks=2)
    assert len(rows) == 6
    for row in rows.values():
        mix, *parts = _read(row, "mix", "s1", "s2", "noise")
        assert len(mix) == 1.5 * RATE
        np.testing.assert_allclose(mix, sum(parts), atol=2e-4)  # 16 bit


def test_levels_follow_their_laws(corpora):
    manifests = _prepare(corpora, sir=(2.0, 3.0), snr=(14.0, 15.0))
    rows = read_manifest(manifests["train"], corpora / "out")
    for row in rows.values():
        s1, s2, noise = (_level(x) for x in _read(row, "s1", "s2", "noise"))
        assert 1.9 < s1 - s2 < 3.1
        assert 13.9 < s1 - noise < 15.1
        assert -28.1 < s1 < -21.9


def test_talkers_differ_and_splits_share_none(corpora):
    readers = {}
    for split, path in _prepare(corpora).items():
        ids = read_manifest(path, corpora / "out")
        pairs = [[u.split("-")[0] for u in i.split("_")[1:]] for i in ids]
        assert all(len(set(pair)) == 2 for pair in pairs)
        readers[split] = {reader for pair in pairs for reader in pair}
    assert not readers["train"] & readers["test"]


def test_the_same_seed_gives_the_same_bytes(corpora, monkeypatch):
    _prepare(corpora, "a")
    monkeypatch.setattr(mixtures, "SHARE", 2)  # several tasks a split
    _prepare(corpora, "b", jobs=2)
    _prepare(corpora, "c", seed=1)

    def content(name):
        return {
            path.relative_to(corpora / name): path.read_bytes()
            for path in (corpora / name).rglob("*.*")
            if path.suffix in (".wav", ".csv")
        }

    assert content("a") == content("b")
    assert set(content("a")) != set(content("c"))


def test_an_interrupted_preparation_is_completed(corpora, monkeypatch):
    _prepare(corpora, "whole")
    write, count = mixtures.write_audio, iter(range(100))

    def dies(*args):
        if next(count) == 9:
            raise KeyboardInterrupt
        write(*args)

    monkeypatch.setattr(mixtures, "write_audio", dies)
    with pytest.raises(KeyboardInterrupt):
        _prepare(corpora)
    assert not (corpora / "out" / "train.csv").exists()
    monkeypatch.setattr(mixtures, "write_audio", write)
    _prepare(corpora)
    for path in (corpora / "whole").rglob("*.wav"):
        twin = corpora / "out" / path.relative_to(corpora / "whole")
        assert twin.read_bytes() == path.read_bytes()


def test_finished_mixtures_are_not_made_again(corpora, monkeypatch):
    _prepare(corpora)
    monkeypatch.setattr(mixtures, "index_speech", None)
    assert set(_prepare(corpora)) == {"train", "test"}


def test_other_settings_need_another_folder(corpora):
    _prepare(corpora)
    with pytest.raises(ValueError, match=r"made with seconds=1.5, now.*=2.0"):
        _prepare(corpora, seconds=2.0)


def test_three_talkers_without_noise(corpora):
    path = _prepare(corpora, num_spks=3, noise_folder=None)["test"]
    row = next(iter(read_manifest(path, corpora / "out", 3).values()))
    mix, *parts = _read(row, "mix", "s1", "s2", "s3")
    np.testing.assert_allclose(mix, sum(parts), atol=2e-4)
    assert "noise_wav" not in row


def test_talkers_have_the_sexes_that_were_asked_for(corpora):
    sexes = {str(r): "FM"[r % 2] for r in (*range(10, 13), *range(20, 23))}
    lines = [f"{r} | {s} | any | 1.0 | |CBW|Name" for r, s in sexes.items()]
    table = "; a comment | with | four | bars | here\n" + "\n".join(lines)
    (corpora / "speech" / "SPEAKERS.TXT").write_text(table)
    manifests = _prepare(corpora, sexes=["M", "F"])
    for path in manifests.values():
        for item in read_manifest(path, corpora / "out"):
            drawn = [u.split("-")[0] for u in item.split("_")[1:]]
            assert [sexes[reader] for reader in drawn] == ["M", "F"]


@pytest.mark.parametrize("sexes", [["M", "F"], ["M"], ["M", "X"]])
def test_sexes_that_are_not_to_be_had_are_named(corpora, sexes):
    with pytest.raises(ValueError, match="sexes is .* for 2 talkers"):
        _prepare(corpora, sexes=sexes)


def test_loud_mixtures_are_scaled_together(corpora):
    path = _prepare(corpora, level=(0.0, 0.0))["test"]
    for row in read_manifest(path, corpora / "out").values():
        mix, *parts = _read(row, "mix", "s1", "s2", "noise")
        assert max(np.abs(x).max() for x in (mix, *parts)) < 0.91
        np.testing.assert_allclose(mix, sum(parts), atol=2e-4)


def test_fewer_talkers_leave_cells_empty_or_files_silent(corpora):
    wishes = {"num_spks": [0, 3], "splits": {"train": SPLITS["train"]}}
    wishes["splits"]["train"] = {**SPLITS["train"], "mixtures": 12}
    plain = _prepare(corpora, "plain", **wishes)["train"]
    full = _prepare(corpora, "full", write_silence=True, **wishes)["train"]
    plain = read_manifest(plain, corpora / "plain", num_spks=3)
    full = read_manifest(full, corpora / "full", num_spks=3)
    assert list(plain) == list(full)
    for item, row in plain.items():
        talkers = item.split("_")[1:]
        mix, *parts = _read(full[item], "mix", "s1", "s2", "s3", "noise")
        np.testing.assert_allclose(mix, sum(parts), atol=2e-4)
        for number, wave in enumerate(parts[:3]):
            cell = row[f"s{number + 1}_wav"]
            assert bool(cell) == wave.any() == (number < len(talkers))
            if cell:
                twin = Path(full[item][f"s{number + 1}_wav"])
                assert twin.read_bytes() == Path(cell).read_bytes()
    assert {len(item.split("_")) for item in plain} == {1, 2, 3, 4}
    with pytest.raises(ValueError, match="made with write_silence=True, now"):
        _prepare(corpora, "full", **wishes)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"speech_folder": "nowhere"}, "no speech in nowhere.train.*openslr"),
        ({"noise_folder": "nowhere"}, "nowhere.tr does not exist.*wham"),
        ({"num_spks": 4}, "split train has 3 readers, 4 talkers"),
        ({"num_spks": [0, 4]}, "split train has 3 readers, 4 talkers"),
        ({"write_silence": "no"}, "write_silence is 'no'; expected True or"),
    ],
)
def test_missing_corpora_are_named(corpora, changes, message):
    with pytest.raises(ValueError, match=message):
        _prepare(corpora, **changes)


def test_a_mistake_can_be_mended(corpora):
    with pytest.raises(ValueError):
        _prepare(corpora, noise_folder="nowhere")
    assert not (corpora / "out").exists()
    assert set(_prepare(corpora)) == {"train", "test"}


def test_an_empty_corpus_is_named(corpora):
    (corpora / "empty" / "train").mkdir(parents=True)
    (corpora / "empty" / "test").mkdir(parents=True)
    with pytest.raises(ValueError, match="has no audio in train"):
        _prepare(corpora, speech_folder=corpora / "empty")


def test_a_damaged_utterance_is_named(corpora):
    path = corpora / "speech" / "train" / "10" / "7" / "10-7-0000.flac"
    path.write_bytes(b"not audio")
    with pytest.raises(ValueError, match="10-7-0000.flac cannot be read"):
        _prepare(corpora)


def test_settings_are_readable(corpora):
    _prepare(corpora)
    found = json.loads((corpora / "out" / "settings.json").read_text())
    assert found["seconds"] == 1.5 and found["splits"] == SPLITS
