"""Training stops when it should, also after an interruption."""

from speechbrain_spmamba.schedule import History, PatientEpochCounter


def _run(counter, losses):
    epochs = []
    for epoch in counter:
        counter.update(losses[epoch - 1])
        epochs.append(epoch)
    return epochs


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
    assert (tmp_path / "h.csv").read_text() == "epoch,loss\n1,2.5\n2,1.5\n"
