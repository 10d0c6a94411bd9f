"""The folder of a run changes when it trains, and by one process."""

import importlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from speechbrain_spmamba import cli
from speechbrain_spmamba.files.lock import locked
from speechbrain_spmamba.weights.export import export
from tests import train_server

RUN = Path("results/tiny/1234")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """``python train.py`` in this process, where a run of one epoch ended."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("finished"))
        patch.syspath_prepend(str(train_server.ROOT))
        patch.setattr(sys, "excepthook", sys.excepthook)
        program = importlib.import_module("train")

        def run(*options):
            given = {option.partition("=")[0] for option in options}
            others = [
                setting
                for setting in train_server.SETTINGS
                if setting.partition("=")[0] not in given
            ]
            try:
                program.main([*others, *options])
            finally:
                # It logs to this test's stdout, which is about to be closed.
                logging.getLogger().handlers.clear()

        run("--max_epochs=1")
        yield run


def _tree(folder="."):
    """Every file of a folder with its content and time, and every folder."""
    return {
        path: path.is_file() and (path.read_bytes(), path.stat().st_mtime_ns)
        for path in Path(folder).rglob("*")
    }


@pytest.mark.parametrize(
    "option",
    [
        "--separator={emb_dim: 24}",
        "--lr=abc",
        "--lr=-1.0",
        "--max_epochs=abc",
        "--train_set={manifest: none.csv}",
        "--test_set={manifest: none.csv}",
        "--train_loader={batch_size: 0}",
        "--valid_loader={no_such_option: 1}",
        "--test_loader={no_such_option: 1}",
        "--max_grad_norm=-1",
        "--start_from=none",
        "--save_folder=data/tiny/mixtures/settings.json",
        "--no_such_key=1",
    ],
)
def test_a_command_that_fails_changes_nothing(option, run):
    before = _tree()
    with pytest.raises(SystemExit) as stop:
        run("--max_epochs=9", option)
    assert stop.value.code == 2
    assert _tree() == before


def test_debug_writes_beside_the_folder(run, tmp_path):
    before = _tree()
    run("--debug", "--max_epochs=9")
    after, beside = _tree(), RUN.with_name("1234-debug")
    assert {path: after[path] for path in before} == before
    new = set(after) - set(before)
    assert all(beside in (path, *path.parents) for path in new)
    assert (beside / "hyperparams.yaml") in new
    summary = json.loads((beside / "test/summary.json").read_text())
    assert summary["mixtures"] == 1 and summary["checkpoint"] is None

    # Nor do its scores get into a card by hand.
    scores = RUN / "test/summary.json"
    real = scores.read_text()
    assert "SI-SNR improvement" in _card(tmp_path / "real")
    scores.write_text((beside / "test/summary.json").read_text())
    assert "Not measured" in _card(tmp_path / "debug")
    scores.write_text(real)


def _card(folder):
    return (export(RUN, folder) / "README.md").read_text()


@pytest.mark.parametrize("options", [["--test_only"], ["--max_epochs=1"]])
def test_a_finished_run_is_only_tested_again(options, run):
    before = _tree()
    run(*options, "--batch_size=1", "--lr=0.1")
    after = _tree()
    assert set(after) == set(before)
    changed = {path for path in after if after[path] != before[path]}
    written = {"results.csv", "talkers.csv", "summary.json"}
    assert {path.name for path in changed if path.is_file()} == written
    assert {path.parent for path in changed} == {RUN / "test"}


def test_a_run_that_goes_on_tells_what_is_set_otherwise(
    run, tmp_path, monkeypatch
):
    shutil.copytree("results", tmp_path / "results")
    shutil.copytree("data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # the second time they are those of the run
        run("--max_epochs=2", "--lr=0.25")
    (RUN / "hyperparams.yaml").write_bytes(b"\0")
    run("--max_epochs=3")
    (line,) = (
        line
        for line in (RUN / "log.txt").read_text().splitlines()
        if "other settings" in line
    )
    assert line.endswith(
        f"{RUN} goes on with other settings (max_epochs: 1 -> 2, lr: 0.005 -> "
        "0.25); what its checkpoint holds stays: weights, optimizer and "
        "learning rate"
    )


@pytest.mark.parametrize("made", ["!new:", "!name:"])
def test_an_experiment_with_the_logger_of_the_toolkit_trains(
    made, run, tmp_path, monkeypatch
):
    text = Path(train_server.SETTINGS[0]).read_text()
    before, _, rest = text.partition("logger: file")
    rest = "history: " + rest.partition("history: ")[2]
    (tmp_path / "tiny.yaml").write_text(
        f"{before}train_logger: {made}speechbrain.utils.train_logger."
        "FileTrainLogger\n    save_file: !ref <output_folder>/train_log.txt\n"
        f"{rest}"
    )
    settings = [str(tmp_path / "tiny.yaml"), *train_server.SETTINGS[1:]]
    monkeypatch.setattr(train_server, "SETTINGS", settings)
    run("--max_epochs=1", f"--output_folder={tmp_path / 'run'}")
    assert "epoch: 1" in (tmp_path / "run/train_log.txt").read_text()


def test_a_model_that_was_never_trained_is_not_tested(run, capsys):
    before = _tree()
    with pytest.raises(SystemExit):
        run("--test_only", "--output_folder=other")
    assert "no checkpoint to test" in capsys.readouterr().err
    assert _tree() == before


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_before_training_leaves_nothing(signum, run, capsys):
    import train

    before = _tree()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            train, "run_on_main", lambda _: signal.raise_signal(signum)
        )
        with pytest.raises(SystemExit) as stop:
            run("--max_epochs=9", "--output_folder=new/run")
    assert stop.value.code == 128 + signum
    assert capsys.readouterr().err == f"stopped by {signum.name}\n"
    assert _tree() == before


def test_a_signal_in_the_test_says_how_to_go_on(run, capsys, monkeypatch):
    monkeypatch.setattr(
        "speechbrain_spmamba.scoring.evaluate.Evaluation.finish",
        lambda *_: signal.raise_signal(signal.SIGTERM),
    )
    with pytest.raises(SystemExit) as stop:
        run("--max_epochs=1")
    assert stop.value.code == 143
    line = "stopped by SIGTERM; the same command tests again\n"
    assert capsys.readouterr().err == line


@pytest.mark.parametrize(
    "words",
    [
        ["export", "--overwrite", str(RUN), str(RUN)],
        ["convert", "spmamba", "none.pth", str(RUN), "--overwrite"],
        ["compare", str(train_server.ROOT / "hparams/tiny.yaml"), str(RUN)],
    ],
)
def test_other_commands_do_not_write_over_a_run(words, run, capsys):
    before = _tree()
    with pytest.raises(SystemExit) as stop:
        cli.main(words)
    assert stop.value.code == 2
    assert "is the folder of a training run; choose" in capsys.readouterr().err
    assert _tree() == before


def test_a_second_training_is_told_who_has_the_folder(run, capsys):
    with locked(RUN), pytest.raises(SystemExit) as stop:
        run("--max_epochs=9")
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        f"error: {RUN} is in use by process {os.getpid()} on"
    )
    assert not list(RUN.glob(".lock*"))


DIES = """\
import os, signal, sys
from speechbrain_spmamba.files.lock import locked
with locked(sys.argv[1]):
    begun, begins = os.pipe()
    if os.fork() == 0:  # as a loader's worker, which lives on for a while
        os.write(begins, b"1")
        signal.alarm(20)
        signal.pause()
    os.read(begun, 1)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_lock_of_a_killed_process_is_no_obstacle(tmp_path):
    killed = subprocess.run([sys.executable, "-c", DIES, str(tmp_path)])
    assert killed.returncode == -signal.SIGKILL
    assert list(tmp_path.glob(".lock*"))
    with locked(tmp_path):
        with pytest.raises(ValueError, match=f"by process {os.getpid()} on"):
            with locked(tmp_path):
                pass
    assert not list(tmp_path.iterdir())


def test_ctrl_c_ends_a_command_with_a_line(monkeypatch, capsys):
    monkeypatch.setattr(
        "speechbrain_spmamba.weights.export.export",
        lambda *_, **__: signal.raise_signal(signal.SIGINT),
    )
    with pytest.raises(SystemExit) as stop:
        cli.main(["export", "run", "model"])
    assert stop.value.code == 130
    assert capsys.readouterr().err == "stopped by SIGINT\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
