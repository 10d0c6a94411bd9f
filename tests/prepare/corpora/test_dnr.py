"""Music and effects are cut out of DnR where its annotations have them."""

import csv
import shutil

import numpy as np
import pytest
import soundfile

from speechbrain_spmamba.prepare.corpora.dnr import (
    dnr_pools,
    find_dnr,
    find_stretches,
)
from speechbrain_spmamba.prepare.made_up.synthetic import make_corpora

RATE = 1000
TINY = {
    "readers": (0, 0, 0),
    "noise_files": (0, 0, 0),
    "dnr_items": (2, 1, 1),
    "dnr_seconds": (1.5, 2.0),
}
EVENTS = [
    ("speech", 0.0, 5.0),
    ("music", 1.0, 3.0),
    ("music", 4.0, 6.5),
    ("sfx", 0.0, 1.0),  # alone
    ("background", 2.0, 3.0),  # alone
    ("background", 4.0, 6.0),  # with a foreground event above its end
    ("sfx", 5.5, 7.0),
    ("sfx", 9.95, 9.99),  # too short
    ("background", 9.0, 12.0),  # beyond the end of the file
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora") / "made_up"
    make_corpora(folder, **TINY)
    return folder / "dnr_v2"


def write(path, seconds=10.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = 0.1 * np.random.default_rng(0).standard_normal(int(seconds * RATE))
    soundfile.write(path, wave, RATE)


def write_table(path, columns, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows(rows)


@pytest.fixture
def v2(tmp_path):
    """One item a split, with the events above but the second last."""
    folder = tmp_path / "dnr_v2"
    for split in ("tr", "cv", "tt"):
        item = folder / split / "123"
        for stem in ("mix", "speech", "music", "sfx"):
            write(item / f"{stem}.wav")
        columns = ["file", "class", "mix start time", "mix end time"]
        rows = [("x", *event) for event in EVENTS if event[1] != 9.95]
        write_table(item / "annots.csv", columns, rows)
    return folder


@pytest.fixture
def v3(tmp_path):
    """One item a split, annotated in two forms and not at all."""
    home = tmp_path / "dnr-v3" / "multi"
    for split, columns in (
        ("train", ["raw_path", "start_time_sample", "segment_duration_sample"]),
        ("val", ["file", "start_sample", "length_sample"]),
        ("test", None),
    ):
        for stem in ("music", "sfx", "sfx_fg", "sfx_bg", "speech", "mixture"):
            write(home / "audio" / split / "00001" / f"{stem}.flac")
            rows = [("x", 1000, 2000), ("x", 5000, 500), ("x", 5200, 900)]
            table = home / "manifest" / split / "00001" / f"{stem}.csv"
            if columns:
                write_table(table, columns, rows)
    return tmp_path / "dnr-v3"


def spans(pool):
    """(start, end) in seconds."""
    return [(a.start / RATE, a.start / RATE + a.seconds) for a in pool]


def test_events_of_v2_are_told_apart_by_class_and_overlap(v2):
    pools = dnr_pools(v2, "tr")
    assert spans(pools["music"]) == [(1.0, 3.0), (4.0, 6.5)]
    assert spans(pools["effects"]) == [(0.0, 1.0), (4.0, 7.0)]
    assert spans(pools["background"]) == [(2.0, 3.0), (9.0, 10.0)]
    for pool, stem in (("music", "music"), ("effects", "sfx")):
        assert {one.path for one in pools[pool]} == {
            str(v2 / "tr" / "123" / f"{stem}.wav")
        }
    assert {one.group for pool in pools.values() for one in pool} == {"tr/123"}


def test_events_too_short_to_hear_are_left_out(v2):
    columns = ["file", "class", "mix start time", "mix end time"]
    rows = [("x", *EVENTS[-2]), ("x", *EVENTS[1])]
    write_table(v2 / "tr" / "123" / "annots.csv", columns, rows)
    pools = dnr_pools(v2, "tr")
    assert spans(pools["effects"]) == []
    assert spans(pools["music"]) == [(1.0, 3.0)]


def test_items_of_one_number_in_two_splits_are_two(v2):
    groups = {dnr_pools(v2, one)["music"][0].group for one in ("tr", "cv")}
    assert groups == {"tr/123", "cv/123"}


def test_without_annotation_a_stem_is_one_foreground_stretch(v2):
    (v2 / "tr" / "123" / "annots.csv").unlink()
    pools = dnr_pools(v2, "tr")
    assert spans(pools["music"]) == spans(pools["effects"]) == [(0.0, 10.0)]
    assert not pools["background"]


@pytest.mark.parametrize(
    "row", ["x,sfx,1.0", "x,sfx,one,two", "x,sfx,nan,2.0", "x,sfx,inf,2.0"]
)
def test_a_broken_annotation_is_named(v2, row):
    path = v2 / "tr" / "123" / "annots.csv"
    path.write_text(f"file,class,mix start time,mix end time\n{row}\n")
    with pytest.raises(ValueError, match="123.annots.csv has no .* row"):
        dnr_pools(v2, "tr")


def test_v3_has_foreground_and_background_in_files(v3):
    for split in ("train", "val"):
        pools = dnr_pools(v3, split)
        for pool, stem in (
            ("music", "music"),
            ("effects", "sfx_fg"),
            ("background", "sfx_bg"),
        ):
            assert spans(pools[pool]) == [(1.0, 3.0), (5.0, 6.1)]
            assert pools[pool][0].path.endswith(f"{stem}.flac")
            assert pools[pool][0].group == f"{split}/00001"
    whole = dnr_pools(v3, "test")
    assert all(spans(pool) == [(0.0, 10.0)] for pool in whole.values())


def test_a_manifest_of_unknown_form_is_not_used(v3, caplog):
    table = v3 / "multi/manifest/train/00001/sfx_fg.csv"
    table.write_text("when,what\n1,x\n")
    assert spans(dnr_pools(v3, "train")["effects"]) == [(0.0, 10.0)]
    assert "sfx_fg.csv is of no known form" in caplog.text


def test_a_manifest_without_numbers_is_named(v3):
    table = v3 / "multi/manifest/train/00001/sfx_fg.csv"
    table.write_text("file,start_sample,length_sample\nx,one,2\n")
    with pytest.raises(ValueError, match="sfx_fg.csv has no numbers"):
        dnr_pools(v3, "train")


def test_the_folder_is_found_from_up_to_two_above(v2, v3):
    assert find_dnr(v2) == find_dnr(v2.parent / "dnr_v2") == (2, v2)
    assert find_dnr(v3 / "multi") == find_dnr(v3) == (3, v3 / "multi")
    shutil.rmtree(v2)
    assert find_dnr(v3.parent) == (3, v3 / "multi")
    assert find_dnr(v3 / "multi" / "audio") is None


def test_several_languages_must_be_chosen_from(v3):
    shutil.copytree(v3 / "multi", v3 / "eng")
    with pytest.raises(ValueError, match=r"more than once \(eng, multi\)"):
        dnr_pools(v3, "train")
    assert dnr_pools(v3 / "eng", "train")["music"]


@pytest.mark.parametrize("split, name", [("train", "tr"), ("valid", "cv")])
def test_splits_go_by_the_names_of_either_version(v2, v3, split, name):
    assert dnr_pools(v2, split) == dnr_pools(v2, name)
    assert dnr_pools(v3, name) == dnr_pools(v3, split)


def test_no_dnr_is_one_line_with_all_one_needs(tmp_path):
    (tmp_path / "holiday").mkdir()
    with pytest.raises(
        ValueError, match="no DnR in .*; expected .*, found holiday; .*zenodo"
    ) as error:
        dnr_pools(tmp_path, "tr")
    assert "\n" not in str(error.value)


def test_a_missing_split_or_stem_is_named(v2):
    shutil.rmtree(v2 / "tt")
    with pytest.raises(
        ValueError, match="tt has no <item>/music.*found cv, tr"
    ):
        dnr_pools(v2, "tt")
    (v2 / "tr" / "123" / "sfx.wav").unlink()
    with pytest.raises(ValueError, match="has no <item>/sfx.wav.*found 123"):
        dnr_pools(v2, "tr")


def test_made_up_items_hold_sound_where_the_index_says(made):
    pools = dnr_pools(made, "tr")
    assert len({one.group for one in pools["music"]}) == 2
    for one in pools["music"] + pools["effects"]:
        wave, rate = soundfile.read(
            one.path, start=one.start, frames=one.frames
        )
        assert rate == one.sample_rate == 44100
        assert len(wave) == one.frames
        assert np.std(wave) > 1e-4
    # A rumble runs below all their effects: nothing is background alone.
    assert not pools["background"]
    assert len(pools["effects"]) == 2


def test_stretches_do_not_overlap_and_cover_every_event():
    rng = np.random.default_rng(0)
    for _ in range(50):
        starts = rng.integers(0, 900, 8)
        kinds = rng.choice(["effects", "background"], 8)
        events = [
            (int(start), int(start + length), str(kind))
            for start, length, kind in zip(
                starts, rng.integers(1, 100, 8), kinds, strict=True
            )
        ]
        stretches = find_stretches(events)
        for (_, stop, _), (start, _, _) in zip(
            stretches, stretches[1:], strict=False
        ):
            assert stop <= start
        for start, stop, kind in stretches:
            inside = [e for e in events if start <= e[0] and e[1] <= stop]
            wanted = {"background"} == {e[2] for e in inside}
            assert kind == ("background" if wanted else "effects")
            events = [e for e in events if e not in inside]
        assert not events
