"""What is said about prepared data is true, and the figure is there."""

import json

import numpy as np
import pytest

from speechbrain_spmamba.prepare.scenes.inspect import inspect, speech_activity
from speechbrain_spmamba.prepare.sets.echo2mix import prepare
from tests.prepare.small_scenes import RATE, SHORT, replace_pools, sound_pools


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """Two small splits, one of each protocol's folder."""
    pools = sound_pools(tmp_path / "sounds")
    replace_pools(monkeypatch, {"train": pools, "test": pools})
    scene = {k: v for k, v in SHORT.items() if k != "room"}

    def make(**changes):
        prepare(
            speech_folder="speech",
            output_folder=tmp_path / "out",
            splits={"train": {"mixtures": 3}, "test": {"mixtures": 1}},
            sample_rate=RATE,
            scene=scene,
            room=SHORT["room"],
            **changes,
        )
        return tmp_path / "out"

    return make


def test_scenes_are_described(prepared, capsys):
    folder = prepared()
    found = inspect(folder, heard=2)
    train = found["train"]
    assert train["mixtures"] == train["planned"] == 3
    assert train["hours"] == pytest.approx(3 * 8 / 3600)
    assert 2 <= train["readers"] <= 4
    assert 0 <= train["overlap"] <= 1 and 0 <= train["silence"] < 1
    assert train["level_error"] < 0.1
    assert train["rt60_ratio"] == pytest.approx(1.0, abs=0.2)
    for kind, target in (("speech", -17), ("noise", -29)):
        assert train["levels"][kind]["law"] == [target - 2, target + 2]
        assert abs(train["levels"][kind]["mean"] - target) <= 2
    assert (folder / "inspect.png").read_bytes()[:4] == b"\x89PNG"
    text = capsys.readouterr().out
    for word in (
        "train: 3 of 3 mixtures",
        "RT60",
        "law -19 to -15",
        "figure: ",
    ):
        assert word in text


def test_items_are_described(prepared, tmp_path):
    folder = prepared(protocol="release", cut={"seconds": 3.0})
    found = inspect(folder, tmp_path / "look.pdf")
    assert found["test"]["hours"] == pytest.approx(3 / 3600)
    assert found["test"]["level_error"] is None
    assert list(found["test"]["levels"]) == ["sir", "snr", "level"]
    assert found["train"]["levels"]["snr"]["law"] == [10, 20]
    assert 10 <= found["train"]["levels"]["snr"]["mean"] <= 20
    assert (tmp_path / "look.pdf").read_bytes()[:4] == b"%PDF"


def test_missing_audio_is_counted(prepared):
    folder = prepared()
    for path in (folder / "train" / "mix").iterdir():
        path.unlink()
    found = inspect(folder)
    assert found["train"]["mixtures"] == 0 and found["train"]["planned"] == 3


def test_activity_follows_the_plan(prepared):
    line = (prepared() / "train.plans.jsonl").read_text().splitlines()[0]
    plan = json.loads(line)
    active = speech_activity(plan)
    assert active.shape == (2, 800)
    for row, track in zip(active, plan["scene"]["tracks"], strict=False):
        seconds = sum(e["frames"] / e["sample_rate"] for e in track["events"])
        assert np.sum(row) / 100 == pytest.approx(seconds, abs=0.1)


def test_a_folder_without_plans_is_named(tmp_path):
    with pytest.raises(ValueError, match="plans of .* which holds none"):
        inspect(tmp_path)
    with pytest.raises(ValueError, match="which does not exist"):
        inspect(tmp_path / "nowhere")
