"""A run's figures stand where one word sends them, resumed or not."""

import struct
import subprocess
import sys

import pytest

from speechbrain_spmamba.training.loggers import EpochLogger

FIGURES = {"train/snr", "valid/si_snr", "valid/si_snri", "lr"}


def _log(kind, folder, epochs):
    """What one start of a training logs."""
    log = EpochLogger(kind, folder)
    for epoch in epochs:
        log.log_stats(
            {"epoch": epoch, "lr": 0.5},
            train_stats={"snr": epoch + 0.25},
            valid_stats={"si_snr": epoch + 0.5, "si_snri": epoch + 0.75},
        )
    return log


def test_a_file_has_a_line_an_epoch(tmp_path):
    _log("file", tmp_path, [1])
    _log("file", tmp_path, [2])
    lines = (tmp_path / "train_log.txt").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["epoch: 1", "epoch: 2"]
    assert "valid si_snri: 1.75" in lines[0]


def test_event_files_hold_each_epoch_once(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import (
        EventAccumulator,
    )

    # Killed after epoch 2 was logged, before its checkpoint: it comes again.
    for epochs in ([1, 2], [2, 3]):
        _log("tensorboard", tmp_path, epochs).place.writer.close()
    found = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(found.Tags()["scalars"]) == FIGURES
    points = [(e.step, e.value) for e in found.Scalars("valid/si_snri")]
    assert points == [(1, 1.75), (2, 2.75), (3, 3.75)]


def _records(data):
    """What a file of an offline run holds: a log as LevelDB writes it.

    Blocks of 32 KiB, of parts with a head of 7 bytes: checksum, length, kind.
    The file's own head of 7 bytes is in the first block.
    """
    at, record = 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:  # too little for a head
            at += 32768 - at % 32768
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        record += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield record
            record = b""


def _offline_runs(folder):
    """ID, settings and figures of each start."""
    from wandb.proto.wandb_internal_pb2 import Record

    for path in folder.glob("wandb/offline-run-*/run-*.wandb"):
        number, config, rows = None, {}, []
        for data in _records(path.read_bytes()):
            record = Record.FromString(data)
            if record.WhichOneof("record_type") == "run":
                number = record.run.run_id
                config = {u.key: u.value_json for u in record.run.config.update}
            elif record.WhichOneof("record_type") == "history":
                items = record.history.item
                rows.append(
                    {i.key or i.nested_key[0]: i.value_json for i in items}
                )
        yield number, config, rows


def test_a_board_gets_one_run_whatever_often_it_is_begun(tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    (tmp_path / "hyperparams.yaml").write_text("lr: 0.5\nx: !new:a.B\n  y: 1\n")
    for epochs in ([1, 2], [3]):
        _log("wandb", tmp_path, epochs)
        wandb.teardown()  # waits until its process has written all
    numbers, configs, rows = zip(*_offline_runs(tmp_path), strict=True)
    assert len(numbers) == 2 and len(set(numbers)) == 1
    assert (tmp_path / "wandb_run.txt").read_text().strip() == numbers[0]
    assert all(config["lr"] == "0.5" for config in configs)
    rows = sorted(sum(rows, []), key=lambda row: int(row["_step"]))
    assert [int(row["_step"]) for row in rows] == [1, 2, 3]
    assert FIGURES < set(rows[0])
    assert [row["valid/si_snri"] for row in rows] == ["1.75", "2.75", "3.75"]


def test_who_is_not_logged_in_is_told_so_at_once(tmp_path):
    pytest.importorskip("wandb")
    program = (
        "from speechbrain_spmamba.training.loggers import EpochLogger\n"
        f"EpochLogger('wandb', {str(tmp_path)!r})"
    )
    child = subprocess.run(
        [sys.executable, "-c", program],
        env={"HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    last = child.stderr.splitlines()[-1]
    assert "logger: wandb begins no run" in last and "WANDB_MODE" in last
    assert not (tmp_path / "wandb_run.txt").exists()


@pytest.mark.parametrize("kind", ["tensorboard", "wandb"])
def test_a_training_goes_on_on_its_board(kind, tmp_path, train, monkeypatch):
    package = pytest.importorskip(kind)
    from tests.train_server import SETTINGS

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    for epochs in (1, 2):
        train([*SETTINGS, "--logger", kind, f"--max_epochs={epochs}"])
        if kind == "wandb":
            package.teardown()
    run = tmp_path / "results/tiny/1234"
    assert (run / "history.csv").exists()
    assert not (run / "train_log.txt").exists()
    if kind == "tensorboard":
        from tensorboard.backend.event_processing import event_accumulator

        found = event_accumulator.EventAccumulator(str(run / kind)).Reload()
        steps = [event.step for event in found.Scalars("valid/si_snri")]
    else:
        numbers, _, rows = zip(*_offline_runs(run), strict=True)
        assert len(set(numbers)) == 1
        steps = sorted(int(row["_step"]) for row in sum(rows, []))
    assert steps == [1, 2]
