"""LibriMix follows its tables, and a finished folder is read as it is."""

import csv

import numpy as np
import pytest
import soundfile
from scipy.signal import resample_poly

from speechbrain_spmamba.manifest import read_manifest
from speechbrain_spmamba.prepare.sets import librimix
from speechbrain_spmamba.prepare.sets.librimix import prepare
from speechbrain_spmamba.prepare.sets.librimix_items import read_noise
from tests.prepare.trees import write_noise, write_parts

SUBSETS = {"train-100": "train-clean-100", "test": "test-clean"}
SPLITS = {"train": "train-100", "test": "test"}
# Speech of 0.2 and 0.15 s; noise of 0.6 s, which is long enough.
FRAMES = {"1-2-0003": 3200, "4-5-0006": 2400, "7-8-0009": 2800}


@pytest.fixture
def corpora(tmp_path):
    """Three utterances and noises a split, and tables of two mixtures."""
    for subset, noise in (("train-clean-100", "tr"), ("test-clean", "tt")):
        for name, frames in FRAMES.items():
            reader, chapter, _ = name.split("-")
            folder = tmp_path / "LibriSpeech" / subset / reader / chapter
            write_noise(folder / f"{name}.flac", frames, 16000)
        for name in ("a", "b"):
            path = tmp_path / "wham_noise" / noise / f"{name}.wav"
            write_noise(path, 9600, 16000, channels=2)
        names, pairs = list(FRAMES), [(0, 1), (2, 0)]
        for spks in (2, 3):
            _write_table(tmp_path, subset, noise, names, pairs, spks)
            pairs = [(0, 1, 2)]
    return tmp_path


def _write_table(folder, subset, noise, names, groups, spks):
    path = folder / f"LibriMix/metadata/Libri{spks}Mix"
    path.mkdir(parents=True, exist_ok=True)
    path = path / f"libri{spks}mix_{subset}.csv"
    rows = []
    for group in groups:
        chosen = [names[i] for i in group]
        row = {"mixture_ID": "_".join(chosen)}
        for number, name in enumerate(chosen, 1):
            reader, chapter, _ = name.split("-")
            row[f"source_{number}_path"] = (
                f"{subset}/{reader}/{chapter}/{name}.flac"
            )
            row[f"source_{number}_gain"] = 0.5 + number
        rows.append({**row, "noise_path": f"{noise}/a.wav", "noise_gain": 0.7})
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _prepare(corpora, name="out", **changes):
    arguments = {
        "output_folder": corpora / name,
        "metadata_folder": corpora / "LibriMix",
        "speech_folder": corpora / "LibriSpeech",
        "noise_folder": corpora / "wham_noise",
        "splits": SPLITS,
        **changes,
    }
    return prepare(**arguments)


def _read(row, *parts):
    return [soundfile.read(row[f"{part}_wav"])[0] for part in parts]


def test_names_in_a_table_do_not_lead_out_of_the_folder(corpora):
    table = corpora / "LibriMix/metadata/Libri2Mix/libri2mix_test-clean.csv"
    text = table.read_text()
    table.write_text(text.replace("1-2-0003_4-5-0006", "../../../../../../x"))
    before = {p for p in corpora.rglob("*") if p.is_file()}
    path = _prepare(corpora, splits={"test": "test"})["test"]
    (row, _) = read_manifest(path, corpora / "out", 2).values()
    assert soundfile.info(row["mix_wav"]).frames
    new = {p for p in corpora.rglob("*") if p.is_file()} - before
    assert new and all(p.is_relative_to(corpora / "out") for p in new)


@pytest.mark.parametrize("version, frames", [("min", 1200), ("max", 1600)])
def test_a_mixture_is_what_its_row_says(corpora, version, frames):
    path = _prepare(corpora, version=version)["test"]
    row = read_manifest(path, corpora / "out", 2)["1-2-0003_4-5-0006"]
    assert row["duration"] == frames / 8000
    mix, s1, s2, noise = _read(row, "mix", "s1", "s2", "noise")
    speech = corpora / "LibriSpeech/test-clean/4/5/4-5-0006.flac"
    wave = 2.5 * soundfile.read(speech)[0]  # the gain of the second source
    law = np.pad(resample_poly(wave, 1, 2), (0, 400))[:frames]
    np.testing.assert_allclose(s2, law, atol=2**-15)
    wham = soundfile.read(corpora / "wham_noise/tt/a.wav")[0][:3200, 0]
    law = resample_poly(0.7 * wham, 1, 2)[:frames]
    np.testing.assert_allclose(noise, law, atol=2**-15)
    np.testing.assert_allclose(mix, s1 + s2 + noise, atol=3 * 2**-15)


def test_files_lie_where_the_published_script_puts_them(corpora):
    _prepare(corpora, sample_rate=16000)
    base = corpora / "out/Libri2Mix/wav16k/min/train-100"
    assert {path.name for path in base.iterdir()} == {
        "mix_both",
        "noise",
        "s1",
        "s2",
    }


def test_what_was_made_can_be_read_as_finished(corpora):
    made = _prepare(corpora)["train"]
    read = _prepare(corpora, "read", folder=corpora / "out")["train"]
    assert read.read_bytes() == made.read_bytes()


def test_clean_mixtures_need_no_noise(corpora):
    path = _prepare(corpora, mixture="clean", noise_folder=None)["test"]
    for row in read_manifest(path, corpora / "out").values():
        assert "noise_wav" not in row
        mix, s1, s2 = _read(row, "mix", "s1", "s2")
        np.testing.assert_allclose(mix, s1 + s2, atol=2 * 2**-15)


def test_three_talkers(corpora):
    path = _prepare(corpora, num_spks=3)["test"]
    rows = read_manifest(path, corpora / "out", num_spks=3)
    assert list(rows) == ["1-2-0003_4-5-0006_7-8-0009"]


def test_an_interrupted_preparation_is_completed(corpora, monkeypatch):
    _prepare(corpora, "whole", jobs=2)
    write, count = librimix.write_audio, iter(range(100))

    def dies(*args):
        if next(count) == 6:
            raise KeyboardInterrupt
        write(*args)

    monkeypatch.setattr(librimix, "write_audio", dies)
    with pytest.raises(KeyboardInterrupt):
        _prepare(corpora)
    assert not (corpora / "out" / "test.csv").exists()
    monkeypatch.setattr(librimix, "write_audio", write)
    _prepare(corpora)
    whole = sorted((corpora / "whole").rglob("*.*"))
    assert len(whole) == 3 + 2 * 2 * 4
    for path in whole:
        twin = corpora / "out" / path.relative_to(corpora / "whole")
        assert twin.read_bytes() == path.read_bytes()


def test_finished_mixtures_are_not_made_again(corpora, monkeypatch):
    _prepare(corpora)
    monkeypatch.setattr(librimix, "read_metadata", None)
    assert set(_prepare(corpora)) == {"train", "test"}
    with pytest.raises(ValueError, match="version=min, now version=max"):
        _prepare(corpora, version="max")


def test_too_small_a_disk_is_told_before_anything_is_made(corpora, monkeypatch):
    monkeypatch.setattr(librimix, "SECONDS", 10**12)
    with pytest.raises(ValueError, match="free"):
        _prepare(corpora)
    assert not list((corpora / "out").rglob("*.*"))


def test_short_noise_goes_on_without_a_step(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.full((20000, 2), 0.25), 16000, "FLOAT")
    noise = read_noise(path, 50000)
    assert noise.shape == (50000,)
    np.testing.assert_allclose(noise, 0.25, atol=1e-6)  # the slopes sum to one
    soundfile.write(path, np.full(50, 0.25), 16000, "FLOAT")
    np.testing.assert_allclose(read_noise(path, 120), 0.25, atol=1e-6)


@pytest.mark.parametrize("speed, frames", [(0.8, 12500), (1.2, 8333)])
def test_sped_up_noise_is_made_where_it_is_missing(tmp_path, speed, frames):
    time = np.arange(10000) / 16000
    soundfile.write(tmp_path / "a.wav", np.sin(2e3 * time), 16000, "FLOAT")
    ending = f"sp{speed}".replace(".", "")
    noise = read_noise(tmp_path / f"a{ending}.wav", frames)
    law = np.sin(2e3 * speed * np.arange(frames) / 16000)
    inner = slice(200, -200)
    np.testing.assert_allclose(noise[inner], law[inner], atol=0.02)


def test_sped_up_noise_that_is_there_is_used(tmp_path):
    soundfile.write(tmp_path / "asp08.wav", np.full(9000, 0.5), 16000, "FLOAT")
    assert (read_noise(tmp_path / "asp08.wav", 100) == 0.5).all()


@pytest.fixture
def finished(tmp_path):
    """Libri2Mix and Libri3Mix side by side, finished by other means."""
    for spks in (2, 3):
        parts = ["mix_clean", "mix_both", "noise"]
        parts += [f"s{i + 1}" for i in range(spks)]
        base = tmp_path / "data" / f"Libri{spks}Mix" / "wav8k" / "min"
        for split in ("train-100", "train-360", "dev", "test"):
            write_parts(base / split, parts, [f"{split}-{i}" for i in (1, 2)])
    return tmp_path / "data"


@pytest.mark.parametrize("spks, below", [(2, ""), (3, ""), (2, "Libri2Mix")])
def test_a_finished_folder_is_read(finished, tmp_path, spks, below):
    folder = finished / below
    manifests = prepare(
        output_folder=tmp_path / "out", folder=folder, num_spks=spks
    )
    assert list(manifests) == ["train", "valid", "test"]
    rows = read_manifest(manifests["valid"], folder, num_spks=spks)
    assert set(rows) == {"dev-1", "dev-2"}
    path = rows["dev-1"]["noise_wav"]
    assert path.endswith(f"Libri{spks}Mix/wav8k/min/dev/noise/dev-1.wav")


def test_splits_can_be_joined(finished, tmp_path):
    splits = {"train": ["train-100", "train-360"]}
    path = prepare(
        output_folder=tmp_path / "out", folder=finished, splits=splits
    )["train"]
    assert len(read_manifest(path, finished)) == 4


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"mixture": "single"}, "mixture is single; expected both or clean"),
        ({"splits": {"train": "train"}}, "no split train; it has train-100"),
        ({"speech_folder": None}, "speech_folder is None.*openslr"),
        ({"noise_folder": "nowhere"}, "nowhere, which is no folder.*wham"),
        ({"metadata_folder": None}, "metadata_folder is None.*LibriMix"),
        ({"num_spks": 4}, "has no libri4mix_train-clean-100.csv; expected"),
        ({"folder": "nowhere"}, "nowhere is no folder; expected Libri2Mix"),
    ],
)
def test_what_is_missing_is_named(corpora, changes, message):
    with pytest.raises(ValueError, match=message):
        _prepare(corpora, **changes)
    assert not (corpora / "out").exists()


def test_a_damaged_table_is_named(corpora):
    table = corpora / "LibriMix/metadata/Libri2Mix/libri2mix_test-clean.csv"
    table.write_text("mixture_ID,source_1_path\na,b\n")
    with pytest.raises(ValueError, match="test-clean.csv line 2 is damaged"):
        _prepare(corpora)


def test_a_missing_utterance_is_named(corpora):
    (corpora / "LibriSpeech/test-clean/4/5/4-5-0006.flac").unlink()
    with pytest.raises(ValueError, match="4-5-0006.flac does not exist"):
        _prepare(corpora)
