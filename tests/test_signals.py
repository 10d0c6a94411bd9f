"""A signal is noted once, and obeyed when it is repeated."""

import signal

import pytest

from speechbrain_spmamba import signals


@pytest.fixture
def clock(monkeypatch):
    """Time in seconds, which stands still until a test moves it."""
    clock = {"now": 100.0}
    monkeypatch.setattr(signals.time, "monotonic", lambda: clock["now"])
    return clock


def test_a_second_signal_does_not_wait(clock):
    notice = signals.Notice()
    with signals.handled(notice.take):
        signal.raise_signal(signal.SIGINT)
        clock["now"] += 5
        with pytest.raises(signals.Stopped, match="SIGINT; told twice") as stop:
            signal.raise_signal(signal.SIGINT)
    assert stop.value.status == 130


def test_the_echo_of_a_launcher_is_no_second_signal(clock):
    notice = signals.Notice()
    with signals.handled(notice.take):
        signal.raise_signal(signal.SIGINT)
        clock["now"] += 0.2
        signal.raise_signal(signal.SIGTERM)
    assert notice.signum == signal.SIGINT


def test_what_a_process_was_told_to_ignore_stays_ignored():
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as under nohup
    try:
        with signals.handled(signals.stop):
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(signals.Stopped):
                signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, old)
