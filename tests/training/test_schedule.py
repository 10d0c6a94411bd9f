"""Training stops when it should, also after an interruption."""

import csv
import json

import pytest
from speechbrain.utils.checkpoints import Checkpointer

from speechbrain_spmamba.training import schedule
from speechbrain_spmamba.training.schedule import (
    History,
    LinearDecay,
    PatientEpochCounter,
    check_accumulation,
)
from tests import train_server


def _run(counter, losses):
    epochs = []
    for epoch in counter:
        counter.update(losses[epoch - 1])
        epochs.append(epoch)
    return epochs


def test_a_linear_decay_ends_at_its_last_rate_also_after_an_interruption(
    tmp_path,
):
    decay = LinearDecay(0.4, 0.1, 4)
    decay.save(tmp_path / "rates")
    again = LinearDecay(0.4, 0.1, 4)
    again.load(tmp_path / "rates")
    found = [again([], epoch, 1.0)[1] for epoch in (1, 2, 3, 4, 5)]
    assert found == pytest.approx([0.3, 0.2, 0.1, 0.1, 0.1])
    assert LinearDecay(0.4, 0.1, 1)([], 1, 0.0) == (0.1, 0.1)


def test_a_plateau_of_negative_losses_stops():
    assert len(_run(PatientEpochCounter(50, patience=4), [-10.0] * 50)) == 5


def test_it_goes_on_as_long_as_the_loss_falls():
    losses = [-float(n) for n in range(50)]
    assert len(_run(PatientEpochCounter(50, patience=1), losses)) == 50


def test_patience_counts_from_the_best_epoch():
    losses = [-1.0, -3.0, -2.0, -3.5, *[-3.4] * 20]
    assert _run(PatientEpochCounter(50, patience=3), losses)[-1] == 7


def test_without_patience_it_never_stops_early():
    assert len(_run(PatientEpochCounter(9, patience=0), [0.0] * 9)) == 9


def test_without_limits_it_never_stops_early():
    counter = PatientEpochCounter(9)
    counter.minutes = 1e6
    assert len(_run(counter, [0.0] * 9)) == 9


def test_without_validation_there_is_nothing_to_wait_for():
    assert list(PatientEpochCounter(5, patience=1)) == [1, 2, 3, 4, 5]


def test_an_interrupted_count_ends_where_it_would_have(tmp_path):
    losses = [-1.0, -3.0, *[-2.0] * 20]
    counter = PatientEpochCounter(50, patience=3)
    for epoch in counter:
        counter.update(losses[epoch - 1])
        if epoch == 3:
            break
    counter.save(tmp_path / "c")
    for end_of_epoch, resumed in ((True, 4), (False, 3)):
        other = PatientEpochCounter(50, patience=3)
        other.load(tmp_path / "c", end_of_epoch)
        assert _run(other, losses) == list(range(resumed, 6))


@pytest.fixture
def clock(monkeypatch):
    """Time in minutes, which stands still until a test moves it."""
    clock = {"minutes": 100.0}
    monkeypatch.setattr(
        schedule.time, "monotonic", lambda: 60 * clock["minutes"]
    )
    return clock


def test_only_training_is_counted(clock):
    counter = PatientEpochCounter(50, max_minutes=5)
    for _ in range(2):
        counter.start_clock()
        for _ in range(2):  # batches
            clock["minutes"] += 1
            counter.count_time()
        clock["minutes"] += 70  # validation
    assert counter.minutes == 4 and not counter.time_is_over
    assert next(counter) == 1
    counter.start_clock()
    clock["minutes"] += 1
    counter.count_time()
    assert counter.time_is_over
    with pytest.raises(StopIteration):
        next(counter)


def test_an_interruption_gives_no_more_time(clock, tmp_path):
    counter = PatientEpochCounter(50, max_minutes=5)
    counter.start_clock()
    clock["minutes"] += 3
    counter.count_time()
    counter.save(tmp_path / "c")
    clock["minutes"] += 70  # not running
    other = PatientEpochCounter(50, max_minutes=5)
    other.load(tmp_path / "c", end_of_epoch=False)
    other.start_clock()
    clock["minutes"] += 2
    other.count_time()
    assert other.minutes == 5 and other.time_is_over


def test_counts_from_before_there_was_a_clock_are_read(tmp_path):
    (tmp_path / "c").write_text("[7, 5, -3.5]")
    counter = PatientEpochCounter(50)
    counter.load(tmp_path / "c", end_of_epoch=True)
    assert (counter.current, counter.best_epoch, counter.minutes) == (7, 5, 0)
    assert not counter.time_is_over


@pytest.mark.parametrize(
    "limits, message",
    [
        ({"limit": -1}, "max_epochs is -1; give a number from 0"),
        ({"limit": 5, "patience": -1}, "patience is -1; give a number of epo"),
        ({"limit": 5, "max_minutes": -1}, "max_minutes is -1; give minutes"),
    ],
)
def test_a_negative_limit_is_named(limits, message):
    with pytest.raises(ValueError, match=message):
        PatientEpochCounter(**limits)
    assert list(PatientEpochCounter(0)) == []


def test_training_ends_in_mid_epoch_when_time_is_over(tmp_path):
    options = ["--epoch_counter={max_minutes: 0.00001}", "--max_epochs=99"]
    assert train_server.run(train_server.train, tmp_path, *options) == 0
    run = tmp_path / "results" / "tiny" / "1234"
    with open(run / "history.csv", newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1"]
    last = Checkpointer(run / "save").find_checkpoint()
    assert "optimizer_step: 1\n" in last.paramfiles["brain"].read_text()
    assert last.meta["minutes"] >= 0.00001
    summary = json.loads((run / "test" / "summary.json").read_text())
    assert summary["mixtures"] == 1


def test_history_survives_a_restart(tmp_path):
    history = History(tmp_path / "h.csv")
    history.add(epoch=1, loss=2.5)
    history.save(tmp_path / "state")
    history.add(epoch=2, loss=9.9)  # after the checkpoint: lost by a kill
    history.write()
    again = History(tmp_path / "h.csv")
    again.load(tmp_path / "state")
    again.add(epoch=2, loss=1.5)
    again.write()
    assert (tmp_path / "h.csv").read_bytes() == b"epoch,loss\n1,2.5\n2,1.5\n"


def test_a_history_is_written_from_its_first_row_on(tmp_path):
    history = History(tmp_path / "h.csv")
    history.write()
    assert not (tmp_path / "h.csv").exists()
    history.add(epoch=1, loss=2.5)
    history.write()
    assert (tmp_path / "h.csv").read_text() == "epoch,loss\n1,2.5\n"


def test_an_accumulation_fits_into_an_epoch(caplog):
    for factor in (1, 4, 8):
        check_accumulation(factor, 8)
    assert not caplog.records
    check_accumulation(3, 7)
    (record,) = caplog.records
    text = "the last 1 of the 7 batches of an epoch lead to no step"
    assert text in record.getMessage() and "factor is 3" in record.getMessage()
    with pytest.raises(ValueError, match="is 9, but an epoch has 8 batches"):
        check_accumulation(9, 8)
