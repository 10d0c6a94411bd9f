"""Rows are kept as they were, line by line."""

import math
import os

from speechbrain_spmamba.estimates.items import Item
from speechbrain_spmamba.estimates.kept_rows import (
    ROWS_FILE,
    digest,
    kept_rows,
)


def test_rows_come_back_as_they_were(tmp_path):
    kept = {"row": {"ID": "a\n,b", "sdr": 0.1 + 0.2, "silence": math.nan}}
    with kept_rows(tmp_path, ["1"]) as (done, keep):
        assert done == {}
        keep("1", kept)
    with kept_rows(tmp_path, ["1"]) as (done, _):
        assert repr(done) == repr({"1": kept})


def test_half_a_line_is_dropped_and_the_next_is_whole(tmp_path):
    with kept_rows(tmp_path, "123") as (_, keep):
        keep("1", {})
    with open(tmp_path / ROWS_FILE, "a") as file:
        file.write('["2", {"r')
    with kept_rows(tmp_path, "123") as (done, keep):
        assert list(done) == ["1"]
        keep("3", {})
    with kept_rows(tmp_path, "13") as (done, _):
        assert list(done) == ["1", "3"]


def test_a_digest_changes_with_all_that_scores_depend_on(tmp_path):
    for name in "abcd":
        (tmp_path / name).write_bytes(b"x")
    a, b, c, d = (str(tmp_path / name) for name in "abcd")
    options = {"metrics": ["sdr"]}
    item = Item("1", (a, ""), (b,), c)
    same = digest(item, options)
    assert digest(Item("1", (a, ""), (b,), c), dict(options)) == same
    others = [
        digest(Item("2", (a, ""), (b,), c), options),
        digest(Item("1", (a,), (b,), c), options),
        digest(Item("1", (b, ""), (a,), c), options),
        digest(Item("1", (a, ""), (d,), c), options),
        digest(Item("1", (a, ""), (b,)), options),
        digest(item, {"metrics": ["sdr", "sir"]}),
    ]
    os.utime(b, (1, 1))
    others.append(digest(item, options))
    (tmp_path / "b").write_bytes(b"xy")
    os.utime(b, (1, 1))
    others.append(digest(item, options))
    assert len({same, *others}) == 1 + len(others)
