"""Models run in processes of their own, which may fail alone."""

import functools
import os

import pytest

from speechbrain_spmamba.cost.time_and_memory import (
    Measurement,
    measure_in_turns,
)
from tests.small_models import build_small

BUILD = functools.partial(build_small, "dprnn")


def test_a_run_tells_time_and_memory_of_every_length():
    case = Measurement(BUILD, (0.1, 0.4), step=True)
    found = measure_in_turns({"step": case}, repeats=2)["step"]
    assert [run["length"] for run in found] == [0.1, 0.4]
    weights = sum(p.numel() * 4 for p in BUILD().parameters())
    for run in found:
        assert run["runs"] == 2
        assert run["rtf"] == run["seconds"] / run["length"] > 0
        assert run["peak_bytes"] > run["weight_bytes"] == weights


@pytest.mark.slow
def test_a_model_that_fails_says_why_and_the_others_go_on():
    cases = {
        "wrong": Measurement(functools.partial(BUILD, unknown=1), (0.1, 0.4)),
        "dead": Measurement(functools.partial(os._exit, 3), (0.1, 0.4)),
        "sound": Measurement(BUILD, (0.1,)),
    }
    found = measure_in_turns(cases, repeats=2)
    assert [len(runs) for runs in found.values()] == [1, 1, 1]
    assert "no argument 'unknown'" in found["wrong"][0]["error"]
    assert "process ended (3)" in found["dead"][0]["error"]
    assert found["sound"][0]["runs"] == 2
