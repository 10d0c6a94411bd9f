"""What is asked for is read, and what there is not is told."""

import pytest

from speechbrain_spmamba.scoring.choice import METRICS, read_metrics


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
