"""What the benchmark of voices that come back counts."""

import sys
from pathlib import Path

import numpy as np
import pytest

import benchmarks.isa

sys.path.insert(0, str(Path(benchmarks.isa.__file__).parent))

import reentry  # noqa: E402

from speechbrain_spmamba.audio import write_audio  # noqa: E402
from speechbrain_spmamba.manifest import write_manifest  # noqa: E402
from tests.separating import (  # noqa: E402
    noise,
    parts_model,
    talker,
    write_encoder,
)

RATE = 8000
OUTPUTS = {" ": reentry.SILENT, "?": reentry.UNCLEAR}


def held(text):
    """A talker's seconds: an output, a blank for silence, ? for no one."""
    return np.array([OUTPUTS.get(c, -9) if c in " ?" else int(c) for c in text])


@pytest.mark.parametrize(
    "text, swaps",
    [
        ("", 0),
        ("     ", 0),
        ("0000", 0),
        ("00110", 2),
        ("00  11", 1),  # between utterances, too
        ("00??11", 1),
        ("0?0", 0),
        ("00" + 9 * " " + "11", 1),
        ("00" + 10 * " " + "11", 0),  # that is a return
        ("0" + 10 * " " + "1211", 2),
    ],
)
def test_changes_of_the_output_are_swaps(text, swaps):
    assert reentry.count_swaps(held(text)) == swaps


@pytest.mark.parametrize(
    "text, found",
    [
        ("", []),
        ("0000   0000", []),
        ("00" + 9 * " " + "11", []),
        ("00" + 10 * " " + "00", [(10, True)]),
        ("00" + 61 * " " + "11", [(61, False)]),
        # The last five clear seconds before, the first five after.
        ("11110?0000" + 12 * " " + "?0001111111", [(12, True)]),
        ("0" + 30 * " " + "1" + 12 * " " + "1", [(30, False), (12, True)]),
        ("0" + 30 * " " + "??" + 12 * " " + "1", []),  # nobody can tell
    ],
)
def test_returns_are_told_by_the_seconds_around_a_silence(text, found):
    assert reentry.returns(held(text)) == found


def test_at_home_is_where_the_talkers_are_most_of_the_time():
    two = np.stack([held("0001 ?"), held("1000 1")], 1)
    assert reentry.seconds_at_home(two, 2) == (3 + 2, 9)
    assert reentry.seconds_at_home(two, 3) == (3 + 2, 9)


def test_the_output_with_a_talkers_energy_holds_it():
    src = noise(7 * RATE, 2)
    src[: 2 * RATE, 1] = src[4 * RATE :, 0] = 0
    est = np.concatenate([noise(len(src), 1, 1e-3, 1), src], 1)
    est[:RATE] = est[:RATE, ::-1]  # in other outputs, in the first second
    est[5 * RATE :, 1] = est[5 * RATE :, 2]  # both have it
    silent, unclear = reentry.SILENT, reentry.UNCLEAR
    found = reentry.who_holds(
        est[: 6 * RATE + 300], src[: 6 * RATE + 300], RATE
    )
    assert found.T.tolist() == [
        [1, 1, 1, 1, silent, silent],
        [silent, silent, 2, 2, 2, unclear],
    ]


def test_the_best_order_follows_the_talkers():
    src = np.stack([talker(0, 4), talker(1, 4)], 1)
    est = np.concatenate([noise(len(src), 1, 1e-3), src], 1)
    assert reentry.best_order(est, src) == [1, 2, 0]
    assert reentry.best_order(est[:, ::-1], src) == [1, 0, 2]


def test_a_set_is_measured_with_each_way_of_joining(tmp_path):
    rows = []
    for count in (1, 2, 3):
        src = np.stack([talker(n, 24) for n in range(count)], 1)
        row = {"ID": str(count), "duration": 24.0}
        waves = {
            "mix": src.sum(1),
            **{f"s{n + 1}": src[:, n] for n in range(count)},
        }
        for key in ("mix", "s1", "s2", "s3"):
            path = tmp_path / f"{count}_{key}.wav"
            row[f"{key}_wav"] = str(path) if key in waves else ""
            if key in waves:
                write_audio(path, waves[key], RATE)
        rows.append(row)
    manifest = tmp_path / "test.csv"
    write_manifest(manifest, rows, tmp_path)
    encoder = write_encoder(tmp_path / "encoder")
    found = reentry.measure(parts_model(), manifest, str(encoder))
    assert [row["order"] for row in found] == ["profiles", "embedding", "best"]
    # Three talkers are more than there are outputs.
    assert {row["items"] for row in found} == {2}
    assert found[0]["swaps_per_hour"] == "0.0"
    assert found[0]["unclear"] == "0.000" and found[0]["away_10"] == 0
    (row,) = reentry.measure(parts_model(shares=(1.0, 0.0)), manifest, limit=1)[
        :1
    ]
    assert (row["items"], row["at_home"]) == (1, "1.000")
