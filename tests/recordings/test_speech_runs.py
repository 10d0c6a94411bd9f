"""Runs of speech: kept frames and counted ones agree with a look at each."""

import numpy as np
import pytest

from speechbrain_spmamba.recordings.frame_levels import NOT_OWN
from speechbrain_spmamba.recordings.speech_runs import (
    LIMITS,
    RunCounter,
    find_runs,
)
from speechbrain_spmamba.recordings.thresholds import Thresholds
from speechbrain_spmamba.speech_frames import FRAME

LAW = Thresholds(leak=20.0, rise=6.0, pause=3.5 * FRAME)


def _slowly(levels, limits, law):
    """Output by output and run by run, ``[F, S]``."""
    found = np.zeros(levels.shape, bool)
    loudest = [max(frame) for frame in levels]
    for output, limit in enumerate(limits):
        run, reached = [], False
        for at, level in enumerate(levels[:, output]):
            if level < limit or level < loudest[at] - law.leak:
                continue
            if run and (at - run[-1] - 1) * FRAME >= law.pause:
                run, reached = [], False
            run.append(at)
            reached |= (
                level >= limit + law.rise
                and level >= loudest[at] - law.leak + law.rise
            )
            if reached:
                found[run[0] : at + 1, output] = True
    return found


def _levels(seed, frames=200, outputs=3):
    """Levels that go up and down, with some copies."""
    rng = np.random.default_rng(seed)
    levels = np.cumsum(rng.normal(0, 6, (frames, outputs)), 0)
    levels = (-30 + 25 * np.sin(levels / 20)).round().astype(np.int16)
    levels[rng.random(levels.shape) < 0.1] = NOT_OWN
    return levels


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rise", [0.0, 6.0, 20.0])
def test_kept_frames_agree_with_a_look_at_each(seed, rise):
    law = Thresholds(leak=20.0, rise=rise, pause=(seed + 0.5) * FRAME)
    levels, limits = _levels(seed), np.array([-50, -30, -12])
    wanted = _slowly(levels, limits, law)
    assert 0 < wanted.mean() < 1
    np.testing.assert_array_equal(find_runs(levels, limits, law), wanted)


@pytest.mark.parametrize("size", [1, 7, 200])
def test_runs_are_counted_for_any_limit(size):
    levels = _levels(9)
    counter = RunCounter(3, LAW)
    for start in range(0, len(levels), size):
        counter.push(levels[start : start + size])
    for limit in LIMITS[:-4:5]:
        limits = limit + np.array([0, 2, 4])
        np.testing.assert_array_equal(
            counter.count(limits), find_runs(levels, limits, LAW).sum(0)
        )


def _run(*levels, loudest=-200, law=LAW):
    """Frames found, as a string, of one output and a louder one."""
    levels = np.array([levels, [loudest] * len(levels)]).T
    limits = np.array([-40, 0])
    found = find_runs(levels, limits, law)[:, 0]
    counter = RunCounter(2, law)
    counter.push(levels)
    assert counter.count(limits)[0] == found.sum()
    return "".join(".x"[int(frame)] for frame in found)


def test_a_run_once_rises_above_its_limit():
    assert _run(-41, -40, -34, -40, -41) == ".xxx."
    assert _run(-41, -40, -35, -40, -41) == "....."


def test_a_run_once_rises_above_what_leaks():
    assert _run(-20, -14, -20, loudest=0) == "xxx"
    assert _run(-20, -15, -20, loudest=0) == "..."
    assert _run(-21, -14, -21, loudest=0) == ".x."


def test_short_pauses_belong_to_a_run():
    assert _run(-30, -90, -90, -90, -40) == "xxxxx"
    assert _run(-30, -90, -90, -90, -90, -40) == "x....."
    assert _run(-40, -90, -90, -30, -90) == "xxxx."


def test_memory_does_not_grow():
    counter = RunCounter(2, LAW)
    sizes = set()
    for seed in range(3):
        counter.push(_levels(seed, outputs=2))
        parts = vars(counter).values()
        sizes.add(sum(x.nbytes for x in parts if isinstance(x, np.ndarray)))
    assert len(sizes) == 1


def test_nothing_comes_of_nothing():
    levels = np.zeros((0, 2), np.int16)
    counter = RunCounter(2, LAW)
    counter.push(levels)
    limits = np.array([-40, -40])
    assert counter.count(limits).tolist() == [0, 0]
    assert find_runs(levels, limits, LAW).shape == (0, 2)
