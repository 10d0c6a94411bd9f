"""look2hear's lists of files do for a manifest."""

import json

import numpy as np
import pytest

from speechbrain_spmamba.audio import write_audio
from speechbrain_spmamba.loading.loader import make_dataset
from speechbrain_spmamba.manifest import read_manifest

RATE = 8000


@pytest.fixture
def lists(tmp_path):
    """Two mixtures as Echo2Mix has them: all files are called the same."""
    folder = tmp_path / "lists"
    folder.mkdir()
    parts = {"mix": "mix", "s1": "spk1_reverb", "s2": "spk2_reverb"}
    for number, (part, stem) in enumerate(parts.items()):
        items = []
        for place in ("house/1_hall/1_2", "house/2_room/3_4"):
            path = tmp_path / "test" / place / f"{stem}.wav"
            wave = np.full((400, 1), 0.1 * number, "float32")
            write_audio(path, wave, RATE)
            items.append([str(path), 400])
        (folder / f"{part}.json").write_text(json.dumps(items))
    return folder


@pytest.mark.parametrize("name", ["", "mix.json"])
def test_lists_are_read_as_a_manifest(lists, name):
    rows = read_manifest(lists / name, "nowhere", num_spks=2)
    assert list(rows) == ["1_hall_1_2_mix", "2_room_3_4_mix"]
    assert all(row["duration"] == 0.05 for row in rows.values())
    items = make_dataset(lists / name, "nowhere", RATE, 2)
    assert items[1]["src_sig"][0].tolist() == pytest.approx([0.1, 0.2])


def test_paths_may_be_relative(lists, tmp_path):
    for path in lists.glob("*.json"):
        text = path.read_text().replace(f"{tmp_path}/", "")
        path.write_text(text)
    items = make_dataset(lists, tmp_path, RATE, 2)
    assert len(items) == 2
    with pytest.raises(ValueError, match="elsewhere/test/.*does not exist"):
        make_dataset(lists, tmp_path / "elsewhere", RATE, 2)


def test_the_first_list_in_place_of_the_second_is_seen(lists):
    (lists / "s2.json").write_bytes((lists / "s1.json").read_bytes())
    with pytest.raises(ValueError, match="s2.json lists the same.*s1.json"):
        read_manifest(lists, "nowhere")


def test_a_source_without_a_path_is_silent(lists):
    items = json.loads((lists / "s2.json").read_text())
    items[1][0] = ""
    (lists / "s2.json").write_text(json.dumps(items))
    rows = list(read_manifest(lists, "nowhere").values())
    assert rows[0]["s2_wav"] and not rows[1]["s2_wav"]
    items = make_dataset(lists, "nowhere", RATE, 2)
    assert items[1]["src_sig"][0].tolist() == pytest.approx([0.1, 0.0])


def test_lists_of_unequal_lengths_are_refused(lists):
    items = json.loads((lists / "s2.json").read_text())
    (lists / "s2.json").write_text(json.dumps(items[:1]))
    with pytest.raises(ValueError, match="2 mixtures and 1 files in s2.json"):
        read_manifest(lists, "nowhere")


@pytest.mark.parametrize("text", ["", "{}", "[]", '["a.wav"]', '[["a", "b"]]'])
def test_what_is_no_list_is_refused(lists, text):
    (lists / "s1.json").write_text(text)
    with pytest.raises(ValueError, match="s1.json is no list of files") as e:
        read_manifest(lists, "nowhere")
    assert "\n" not in str(e.value)


def test_mixtures_without_sources_are_refused(lists):
    (lists / "s1.json").unlink()
    with pytest.raises(ValueError, match="mix.json has no s1.json beside it"):
        read_manifest(lists, "nowhere")


def test_a_mark_and_paths_of_both_kinds_are_no_hindrance(lists, tmp_path):
    for path in lists.glob("*.json"):
        first, second = json.loads(path.read_text())
        first[0] = first[0].removeprefix(f"{tmp_path}/")
        text = json.dumps([first, second])
        path.write_text(text, encoding="utf-8-sig")
    rows = read_manifest(lists, tmp_path, num_spks=2)
    assert list(rows) == ["1_hall_1_2_mix", "2_room_3_4_mix"]


@pytest.mark.parametrize("text", ["", "[" * 10**5, "{}", "[[3, 4]]", "\0"])
def test_what_is_no_list_is_one_line(lists, text):
    (lists / "s1.json").write_text(text)
    with pytest.raises(ValueError, match="s1.json is no list of files"):
        read_manifest(lists, "nowhere")
