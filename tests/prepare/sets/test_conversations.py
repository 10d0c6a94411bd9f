"""Conversations from corpora to manifests: sums, silence, RTTM, rebuilding."""

import json

import numpy as np
import pytest
import soundfile

from speechbrain_spmamba import cli
from speechbrain_spmamba.loading.loader import make_dataset
from speechbrain_spmamba.manifest import read_manifest
from speechbrain_spmamba.prepare.scenes.inspect import inspect
from speechbrain_spmamba.prepare.scenes.loudness import loudness
from speechbrain_spmamba.prepare.sets.conversations import prepare, rebuild
from tests.prepare.small_corpora import RATE, content, write_noises
from tests.prepare.small_corpora import write_speech as write

LENGTHS = (0.7, 1.1, 1.6, 0.9, 1.3, 0.8)  # s of each reader's utterances
LAW = {
    "seconds": [6.0, 8.0],
    "overlap": 0.3,
    "turn": [0.5, 2.0],
    "gap": [0.1, 0.2],
    "pause": [0.2, 0.5],
    "crossfade": 0.2,
}
ROOM = {"rt60": [0.2, 0.3], "length": [3.0, 4.0], "width": [3.0, 4.0]}


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """Four readers a split, and one noise."""
    folder = tmp_path_factory.mktemp("corpora")
    for split, first in (("train", 10), ("test", 20)):
        write(folder / "speech", split, range(first, first + 4), LENGTHS)
        write_noises(folder / "noise", split, [f"{split}-noise"])
    return folder


def _prepare(corpora, folder, **changes):
    arguments = {
        "speech_folder": corpora / "speech",
        "noise_folder": corpora / "noise",
        "splits": {"train": {"mixtures": 6}, "test": {"mixtures": 2}},
        "sample_rate": RATE,
        "num_spks": [0, 3],
        "conversation": LAW,
        **changes,
    }
    return prepare(output_folder=folder, **arguments)


@pytest.fixture(scope="module")
def whole(corpora, tmp_path_factory):
    """What preparing gives, as deep as in tests: paths are kept relative."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    _prepare(corpora, folder)
    return folder


def _plans(folder, split="train"):
    lines = (folder / f"{split}.plans.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def _read(path):
    return soundfile.read(path)[0]


def _rttm(folder, split="train"):
    """Item -> reader -> list of onset and end."""
    found = {}
    for line in (folder / f"{split}.rttm").read_text().splitlines():
        kind, item, _, onset, seconds, *_, reader, _, _ = line.split(" ")
        assert kind == "SPEAKER"
        times = float(onset), float(onset) + float(seconds)
        found.setdefault(item, {}).setdefault(reader, []).append(times)
    return found


def _heard(times, total, delay=0.0, tail=0.0):
    """Where a talker may be heard; a sample of rounding at both ends."""
    heard = np.zeros(total, bool)
    for onset, end in times:
        begin = max(round((onset - 0.001) * RATE), 0)
        heard[begin : round((end + delay + tail + 0.001) * RATE)] = True
    return heard


def test_a_mixture_is_the_sum_of_its_parts(whole):
    counts = set()
    for split, count in (("train", 6), ("test", 2)):
        rows = read_manifest(whole / f"{split}.csv", whole, num_spks=3)
        assert len(rows) == count
        for item, row in rows.items():
            cells = [row[f"s{i}_wav"] for i in (1, 2, 3) if row[f"s{i}_wav"]]
            mix = _read(row["mix_wav"])
            parts = [_read(path) for path in [*cells, row["noise_wav"]]]
            np.testing.assert_allclose(mix, sum(parts), atol=1e-6)
            assert len(mix) == round(row["duration"] * RATE)
            assert 6 <= row["duration"] <= 8
            assert len(cells) == len(item.split("_")) - 1
            counts.add(len(cells))
    assert counts >= {0, 1, 2}


def test_a_loader_reads_silent_sources(whole):
    for item in make_dataset(whole / "train.csv", whole, RATE, 3):
        talkers = len(item["id"].split("_")) - 1
        spoken = [bool(source.any()) for source in item["src_sig"].T]
        assert spoken == [n < talkers for n in range(3)]


def test_a_reference_is_silent_outside_of_what_is_said(whole):
    told = _rttm(whole)
    for item, row in read_manifest(whole / "train.csv", whole).items():
        readers = item.split("_")[1:]
        assert set(told.get(item, {})) == set(readers)
        for number, reader in enumerate(readers):
            wave = _read(row[f"s{number + 1}_wav"])
            heard = _heard(told[item][reader], len(wave))
            assert not wave[~heard].any()
            # The recordings are noise from beginning to end.
            assert np.mean(wave[heard] != 0) > 0.97


def test_in_a_room_what_is_said_rings_on(tmp_path, corpora):
    folder = tmp_path / "out"
    splits = {"train": {"mixtures": 3}}
    _prepare(corpora, folder, splits=splits, room=ROOM, num_spks=2)
    told, plans = _rttm(folder), {plan["ID"]: plan for plan in _plans(folder)}
    for item, row in read_manifest(folder / "train.csv", folder).items():
        rt60 = plans[item]["scene"]["room"]["rt60"]
        assert 0.2 <= rt60 <= 0.3
        for number, reader in enumerate(item.split("_")[1:]):
            wave = _read(row[f"s{number + 1}_wav"])
            dry = _heard(told[item][reader], len(wave), delay=0.02)
            wet = _heard(told[item][reader], len(wave), delay=0.02, tail=rt60)
            assert np.abs(wave[~wet]).max(initial=0) < 1e-3 * np.abs(wave).max()
            assert np.abs(wave[wet & ~dry]).max() > 1e-3 * np.abs(wave).max()


def test_talkers_and_noise_are_as_loud_as_planned(whole):
    for plan in _plans(whole):
        for track in plan["scene"]["tracks"]:
            part = track["name"] if track["group"] else "noise"
            wave = _read(whole / "train" / part / f"{plan['ID']}.wav")
            assert loudness(wave, RATE) == pytest.approx(
                track["level"], abs=0.1
            )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"subtype": "PCM_16", "write_silence": True},
        {"room": ROOM, "reference": "dry", "format": "flac"},
    ],
)
def test_any_item_is_rebuilt_to_the_bit(tmp_path, corpora, changes):
    splits = {"train": {"mixtures": 4}}
    folder = tmp_path / "out"
    _prepare(corpora, folder, splits=splits, **changes)
    for plan in _plans(folder):
        for part, wave in rebuild(json.dumps(plan), folder).items():
            name = f"{plan['ID']}.{changes.get('format', 'wav')}"
            path = folder / "train" / part / name
            found, _ = soundfile.read(path, dtype="float32")
            np.testing.assert_array_equal(found, wave)


def test_silence_is_written_where_it_is_wanted(tmp_path, corpora):
    path = _prepare(corpora, tmp_path / "out", write_silence=True)["train"]
    for item, row in read_manifest(path, tmp_path / "out").items():
        talkers = len(item.split("_")) - 1
        waves = [_read(row[f"s{i}_wav"]) for i in (1, 2, 3)]
        assert [bool(w.any()) for w in waves] == [n < talkers for n in range(3)]


def test_other_jobs_give_the_same_bytes(tmp_path, corpora, monkeypatch, whole):
    monkeypatch.setattr("speechbrain_spmamba.prepare.workers.SHARE", 1)
    _prepare(corpora, tmp_path / "two", jobs=2)
    two, one = content(tmp_path / "two"), content(whole)
    apart = "settings.json"  # which names places
    assert {k: v for k, v in two.items() if k != apart} == {
        k: v for k, v in one.items() if k != apart
    }
    _prepare(corpora, tmp_path / "other", seed=1)
    assert content(tmp_path / "other").keys() != one.keys()


def test_more_items_leave_the_others_as_they_were(tmp_path, corpora, whole):
    splits = {"train": {"mixtures": 3}}
    _prepare(corpora, tmp_path / "few", splits=splits)
    assert _plans(tmp_path / "few") == _plans(whole)[:3]


def test_what_is_missing_is_completed(tmp_path, corpora, whole):
    folder = tmp_path / "out"
    _prepare(corpora, folder)
    for name in ("train.csv", "train.rttm"):
        (folder / name).unlink()
    next((folder / "train" / "mix").iterdir()).unlink()
    _prepare(corpora, folder)
    for name in ("train.csv", "train.rttm"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()


def test_a_preset_is_a_law_that_may_be_changed(tmp_path, corpora):
    changes = {"conversation": {"seconds": 5.0}, "num_spks": 2}
    folder = tmp_path / "out"
    _prepare(corpora, folder, preset="sparselibrimix", **changes)
    settings = json.loads((folder / "settings.json").read_text())
    law = settings["conversation"]
    assert law["num_spks"] == 2 and law["seconds"] == 5.0
    assert law["longest"] == 5.5 and law["snr"] == [1.0, 9.0]
    with pytest.raises(ValueError, match="made with overlap=0.0, now"):
        changes["conversation"] = {"seconds": 5.0, "overlap": 0.5}
        _prepare(corpora, folder, preset="sparselibrimix", **changes)


def test_too_little_to_say_is_said(tmp_path, corpora, caplog):
    law = {**LAW, "seconds": 30.0, "overlap": 0.6, "gap": [1.0, 1.0]}
    splits = {"train": {"mixtures": 2}}
    _prepare(corpora, tmp_path, num_spks=2, splits=splits, conversation=law)
    assert "two or more speak in" in caplog.text
    assert "overlap is 0.6" in caplog.text
    assert "all is said before the last" in caplog.text


def test_nothing_is_said_where_the_law_is_met(tmp_path, corpora, caplog):
    _prepare(corpora, tmp_path, num_spks=2)
    assert "two or more speak" not in caplog.text


@pytest.mark.parametrize("room", [None, ROOM])
def test_what_was_made_is_described(tmp_path, corpora, room, capsys):
    folder = tmp_path / "out"
    _prepare(corpora, folder, room=room)
    found = inspect(folder)["train"]
    assert found["mixtures"] == 6 and found["level_error"] < 0.1
    assert list(found["levels"]) == ["level", "sir", "snr"]
    assert found["levels"]["snr"]["law"] == [10.0, 20.0]
    assert (found["rt60"][2] > 0) == bool(room)
    assert 0 < found["overlap"] < 0.4
    assert (folder / "inspect.png").is_file()
    assert "two or more speak in" in capsys.readouterr().out


def test_the_command_line_makes_them(tmp_path, corpora, capsys):
    words = ["prepare", "conversations", str(tmp_path / "out")]
    words += ["--speech_folder", str(corpora / "speech")]
    words += ["--splits", "{test: {mixtures: 1}}", "--sample_rate", str(RATE)]
    words += ["--num_spks", "[1, 2]"]
    words += ["--conversation", "{seconds: 4, overlap: 0.1, longest: 1}"]
    with pytest.raises(SystemExit) as end:
        cli.main(words)
    assert not end.value.code
    manifest = tmp_path / "out" / "test.csv"
    assert f"test: {manifest}" in capsys.readouterr().out
    (row,) = read_manifest(manifest, tmp_path / "out", 2).values()
    assert row["duration"] == 4.0 and "noise_wav" not in row


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"preset": "libricss"}, "preset is 'libricss'; expected one of libri"),
        ({"conversation": {"overlaps": 1}}, "ConversationLaw has no overlaps"),
        ({"conversation": {"overlap": 2}}, "overlap is 2; give what is within"),
        ({"room": {"doors": 3}}, "RoomLaw has no doors"),
        ({"noise_folder": None}, r"num_spks is \[0, 3\]: an item without a"),
        ({"num_spks": 5}, "split train has 4 readers, 5 talkers"),
        (
            {"conversation": {**LAW, "least_speech": 9}},
            "train has 0 readers with 9 s of speech or more, 3 talkers",
        ),
        ({"format": "mp3"}, "format is mp3"),
        ({"write_silence": 1}, "write_silence is 1; expected True or False"),
        ({"splits": {"dev": {"music": "x"}}}, "split dev has 'music', which"),
    ],
)
def test_mistakes_are_named_before_anything_is_written(
    tmp_path, corpora, changes, message
):
    with pytest.raises(ValueError, match=message):
        _prepare(corpora, tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()
