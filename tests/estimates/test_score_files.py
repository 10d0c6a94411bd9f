"""Scores of files are those of their signals, in the best order."""

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_spmamba.estimates.items import Item
from speechbrain_spmamba.estimates.score_files import read_item, score_files
from speechbrain_spmamba.scoring.metrics import score
from tests.estimates.files import RATE, signals, write

METRICS = ["si_snr", "sdr"]


@pytest.fixture
def item(tmp_path):
    """Files of one item; its parts can be changed."""
    src, est = signals(0)

    def make(src=src, est=est, rate=RATE, with_mix=True):
        def paths(kind, waves):
            return tuple(
                str(write(tmp_path, "{id}{n}.wav", wave, kind, n, rate))
                for n, wave in enumerate(waves.T)
            )

        given = (paths("src", src), paths("est", est))
        mixture = paths("mix", src.sum(1)[:, None])[0]
        return Item("a", *given, mixture if with_mix else None)

    return make


def test_estimates_are_taken_in_the_best_order(item):
    src, est = (torch.from_numpy(x.copy()).float() for x in signals(0))
    found = score_files(item(), RATE, METRICS, 2)["row"]
    expected = score(src.sum(1), est.flip(1), src, METRICS)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=0.01), name
    assert expected["si_snr"] > 15


def test_without_a_mixture_there_are_no_improvements(item):
    with_mix = score_files(item(), RATE, METRICS, 2)["row"]
    without = score_files(item(with_mix=False), RATE, METRICS, 2)["row"]
    assert "si_snri" not in without and np.isnan(without["silence"])
    assert without["si_snr"] == with_mix["si_snr"]


def test_files_are_cut_to_the_shortest(item):
    src, est = signals(0)
    longer = np.concatenate([est, 0.5 * np.ones((7, 2))])
    found = score_files(item(est=longer), RATE, METRICS, 2)
    same = score_files(item(), RATE, METRICS, 2)
    assert found["cut"] == 7 and same["cut"] == 0
    assert found["row"] == pytest.approx(same["row"], nan_ok=True)
    found = read_item(item(est=est[:-9]), RATE, 2)
    assert len(found[0]) == len(found[1]) == len(found[2]) == len(src) - 9


def test_much_of_a_difference_is_an_error(item):
    est = signals(0)[1]
    most = RATE // 10
    assert read_item(item(est=est[:-most]), RATE, 2)[3] == most
    with pytest.raises(
        ValueError, match="est0.wav has 3199 samples and .*4000"
    ):
        read_item(item(est=est[: -most - 1]), RATE, 2)


def test_another_rate_is_an_error(item):
    with pytest.raises(ValueError, match="sampled at 16000 Hz, expected 8000"):
        read_item(item(rate=16000), RATE, 2)


def test_what_is_no_number_is_an_error(item):
    est = signals(0)[1]
    for wave, words in ((np.nan * est, "has NaN or"), (est[:0], "no samples")):
        made = item()
        for path in made.estimates:
            soundfile.write(path, wave[:, 0], RATE, subtype="FLOAT")
        with pytest.raises(ValueError, match=words):
            read_item(made, RATE, 2)


def test_the_first_channel_is_scored(item):
    made = item()
    mono = score_files(made, RATE, METRICS, 2)["row"]
    for path in made.paths:
        wave, _ = soundfile.read(path)
        soundfile.write(path, np.stack([wave, wave[::-1]], 1), RATE)
    two = score_files(made, RATE, METRICS, 2)["row"]
    assert two == pytest.approx(mono, nan_ok=True)


def test_an_estimate_that_is_too_many_should_be_silent(item):
    src, est = signals(0)
    mix = src.sum(1)
    more = np.concatenate([0.01 * mix[:, None], est], axis=1)
    row = score_files(item(est=more), RATE, METRICS, 3)["row"]
    same = score_files(item(), RATE, METRICS, 2)["row"]
    for name in ("si_snr", "si_snri", "sdr", "sdri"):
        assert row[name] == pytest.approx(same[name])
    assert row["silence"] == pytest.approx(40, abs=0.1)


def test_an_estimate_that_is_missing_says_nothing(item):
    _, est = signals(0)
    row = score_files(item(est=est[:, :1]), RATE, METRICS, 2)["row"]
    same = score_files(item(), RATE, METRICS, 2)["row"]
    assert row["si_snr"] < same["si_snr"] - 40
    assert row["num_talkers"] == 2
