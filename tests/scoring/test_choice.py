"""What is asked for is read, and what there is not is told."""

import pytest

from speechbrain_spmamba.scoring import choice
from speechbrain_spmamba.scoring.choice import (
    METRICS,
    check_metrics,
    read_metrics,
)


def test_metrics_are_read_as_text_and_as_a_list():
    for given in (
        "[sdr, si_snr]",
        "si_snr,sdr",
        "SDR si_snr",
        ["sdr", "si_snr"],
    ):
        assert read_metrics(given) == ("si_snr", "sdr")
    assert read_metrics(list(METRICS)) == tuple(METRICS)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("[si_sdr]", "there is no 'si_sdr'; give some of .*did you mean 'si_"),
        ("[]", "metrics are empty"),
        (None, "metrics are empty"),
    ],
)
def test_what_there_is_not_is_an_error(given, words):
    with pytest.raises(ValueError, match=words):
        read_metrics(given)


def test_what_a_score_needs_is_told_before_the_work(monkeypatch):
    check_metrics(["si_snr", "sdr", "sir", "sar"], 11025)
    monkeypatch.setitem(choice.MODULES, "stoi", ("no_such_module",))
    with pytest.raises(ValueError, match="stoi needs no_such_module, which"):
        check_metrics(["sdr", "stoi"], 8000)
    monkeypatch.setattr(choice, "MODULES", {})
    for name, rate, fits in (
        ("pesq", 8000, True),
        ("pesq", 16000, True),
        ("pesq", 44100, False),
        ("dnsmos", 16000, True),
        ("dnsmos", 8000, False),
        ("estoi", 44100, True),
    ):
        if fits:
            check_metrics([name], rate)
            continue
        with pytest.raises(ValueError, match=f"{name} is defined for .*{rate}"):
            check_metrics([name], rate)
