"""Work over processes and machines; a disk that is full."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from speechbrain_spmamba.prepare.workers import (
    check_space,
    remove_leftovers,
    run,
)
from tests import ROOT

KILLED = """
import sys
from tests.prepare.small_scenes import RATE, SHORT, replace_pools, sound_pools
from pathlib import Path
from pytest import MonkeyPatch
from speechbrain_spmamba.prepare.sets.echo2mix import prepare
sounds, output, jobs, scheduler = sys.argv[1:]
pools = sound_pools(Path(sounds))
replace_pools(MonkeyPatch(), {"train": pools})
scene = {k: v for k, v in SHORT.items() if k != "room"}
prepare(
    speech_folder="speech", output_folder=output,
    splits={"train": {"mixtures": 24}}, sample_rate=RATE, scene=scene,
    room=SHORT["room"], jobs=int(jobs),
    scheduler=scheduler or None,
)
"""


def double(number):
    return 2 * number


def fail(number):
    raise ValueError(f"item {number} is bad")


def content(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_keep_their_order(jobs):
    assert run(double, list(range(11)), jobs) == list(range(0, 22, 2))
    assert run(double, [], jobs) == []


def test_errors_of_a_process_arrive():
    with pytest.raises(ValueError, match="item 0 is bad"):
        run(fail, [0], jobs=2)


def test_disk_need_is_told_and_checked(tmp_path, capsys):
    check_space(tmp_path / "not" / "there", 1_500_000)
    assert "1.5 MB to write" in capsys.readouterr().out
    with pytest.raises(ValueError, match="needs 1000.0 TB and .* are free"):
        check_space(tmp_path, 10**15)
    assert list(tmp_path.iterdir()) == []


def test_leftovers_are_removed(tmp_path):
    (tmp_path / "s1").mkdir()
    (tmp_path / "s1" / ".a.wav.x.part").touch()
    (tmp_path / "s1" / "a.wav").touch()
    remove_leftovers(tmp_path)
    assert [p.name for p in tmp_path.rglob("*.*")] == ["a.wav"]


def test_a_scheduler_that_is_not_there_is_named():
    pytest.importorskip("distributed")
    with pytest.raises(ValueError, match="no Dask .* at nonsense://here"):
        run(double, [1], scheduler="nonsense://here")


def test_a_missing_dask_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ValueError, match=r"not installed; pip .*\[cluster\]"):
        run(double, [1], scheduler="tcp://127.0.0.1:8786")


def _start(sounds, output, jobs=1, scheduler=""):
    command = [sys.executable, "-c", KILLED, sounds, output, jobs, scheduler]
    return subprocess.Popen(
        [str(x) for x in command],
        cwd=ROOT,
        start_new_session=True,
    )


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_run_is_completed_to_the_byte(tmp_path, jobs):
    sounds = tmp_path / "sounds"
    assert _start(sounds, tmp_path / "whole").wait(300) == 0
    process = _start(sounds, tmp_path / "out", jobs)
    mixtures = tmp_path / "out" / "train" / "mix"
    deadline = time.monotonic() + 120
    while len(list(mixtures.glob("*.wav"))) < 5:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out" / "train.csv").exists()
    assert len(list(mixtures.glob("*.wav"))) < 24
    assert _start(sounds, tmp_path / "out", 3 - jobs).wait(300) == 0
    assert content(tmp_path / "out") == content(tmp_path / "whole")


@pytest.mark.slow
def test_a_dask_cluster_makes_the_same_bytes(tmp_path):
    pytest.importorskip("distributed")
    sounds, address = tmp_path / "sounds", tmp_path / "scheduler.json"
    assert _start(sounds, tmp_path / "here").wait(300) == 0
    module = [sys.executable, "-m", "distributed.cli.dask_"]
    shared = ["--scheduler-file", str(address)]
    commands = [
        [*module[:2], f"{module[2]}scheduler", *shared, "--port", "0"]
        + ["--dashboard-address", ":0", "--host", "127.0.0.1"],
        *[
            [*module[:2], f"{module[2]}worker", *shared, "--nthreads", "1"]
            + ["--no-nanny", "--no-dashboard"]
        ]
        * 2,
    ]
    running = [
        subprocess.Popen(command, stderr=subprocess.DEVNULL)
        for command in commands
    ]
    try:
        deadline = time.monotonic() + 60
        while not address.exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        time.sleep(0.5)
        scheduler = json.loads(address.read_text())["address"]
        process = _start(sounds, tmp_path / "there", 1, scheduler)
        assert process.wait(300) == 0
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(30)
    assert content(tmp_path / "there") == content(tmp_path / "here")
