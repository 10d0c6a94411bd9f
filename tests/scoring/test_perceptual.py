"""Perceptual scores are those of their packages, or undefined."""

import math

import numpy as np
import pytest
import torch

from speechbrain_spmamba.audio import read_audio, resample
from speechbrain_spmamba.scoring.metrics import score
from speechbrain_spmamba.scoring.perceptual import perceptual_scores
from tests import ROOT

VOICES = sorted((ROOT / "docs/example/voices").glob("*.flac"))


def _voices(sample_rate=8000, seconds=3):
    """Two voices, and estimates of them with noise, ``[T, 2]``."""
    voices = [read_audio(path)[:, 0] for path in VOICES[:2]]
    length = min(map(len, voices))
    src = np.stack([voice[:length] for voice in voices], axis=1)
    src = torch.from_numpy(resample(src, 16000, sample_rate))
    src = src[: seconds * sample_rate]
    level = src.std()
    est = src + 0.2 * src.flip(1) + 0.05 * level * torch.randn_like(src)
    return est, src


@pytest.mark.parametrize(("rate", "band"), [(8000, "nb"), (16000, "wb")])
def test_pesq_is_that_of_its_package(rate, band):
    pesq = pytest.importorskip("pesq").pesq
    est, src = _voices(rate)
    expected = [
        pesq(rate, src[:, n].numpy(), est[:, n].numpy(), band) for n in (0, 1)
    ]
    found = score(None, est, src, ["pesq"], rate)
    assert found == {"pesq": pytest.approx(np.mean(expected), abs=1e-3)}


@pytest.mark.parametrize("name", ["stoi", "estoi"])
def test_stoi_is_that_of_its_package(name):
    stoi = pytest.importorskip("pystoi").stoi
    est, src = (x.double() for x in _voices())
    expected = [
        stoi(src[:, n].numpy(), est[:, n].numpy(), 8000, name == "estoi")
        for n in (0, 1)
    ]
    found = score(None, est, src, [name], 8000)
    assert found == {name: pytest.approx(np.mean(expected), abs=1e-9)}
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    assert score(None, est, src, [name], 8000) == found
    assert (np.random.get_state()[1] == before).all()


@pytest.mark.slow
def test_dnsmos_is_that_of_its_package():
    pytest.importorskip("librosa")
    dnsmos = pytest.importorskip("speechmos.dnsmos")
    est, src = _voices(16000)
    expected = [dnsmos.run(est[:, n].numpy(), 16000) for n in (0, 1)]
    found = score(None, est, src, ["dnsmos"], 16000)
    for column, name in (
        ("dnsmos", "ovrl_mos"),
        ("dnsmos_sig", "sig_mos"),
        ("dnsmos_bak", "bak_mos"),
        ("dnsmos_p808", "p808_mos"),
    ):
        mean = np.mean([one[name] for one in expected])
        assert found[column] == pytest.approx(mean, abs=1e-3)
    loud = 30 * est / est.abs().max()
    assert score(None, loud, src, ["dnsmos"], 16000) == pytest.approx(
        score(None, est / est.abs().amax(0), src, ["dnsmos"], 16000), abs=1e-3
    )


@pytest.mark.parametrize(
    ("name", "module"),
    [("pesq", "pesq"), ("stoi", "pystoi"), ("estoi", "pystoi")],
)
def test_what_a_package_refuses_is_undefined(name, module):
    pytest.importorskip(module)
    est, src = _voices()
    short = slice(8000, 9500)  # less than a quarter of a second
    assert math.isnan(
        perceptual_scores(name, est[short], src[short], 8000)[name]
    )
    nearly = torch.zeros_like(src)
    # Of nothing there is no utterance, of a click no frames of speech.
    nearly[:40] = 0 if name == "pesq" else 1e-3
    assert math.isnan(perceptual_scores(name, est, nearly, 8000)[name])


def test_pesq_of_a_silent_estimate_is_undefined_and_left_out():
    pytest.importorskip("pesq")
    est, src = _voices()
    one = perceptual_scores("pesq", est[:, :1], src[:, :1], 8000)
    est[:, 1] = 0
    assert perceptual_scores("pesq", est, src, 8000) == one
    silent = perceptual_scores("pesq", 0 * est, src, 8000)
    assert math.isnan(silent["pesq"])


def test_silent_sources_have_no_perceptual_scores():
    pytest.importorskip("pystoi")
    est, src = _voices()
    one = score(None, est[:, :1], src[:, :1], ["stoi"], 8000)
    src[:, 1] = 0.25
    assert score(None, est, src, ["stoi"], 8000) == one
    nobody = score(None, est, 0 * src, ["sdr", "stoi"], 8000)
    assert math.isnan(nobody["stoi"]) and math.isnan(nobody["sdr"])
