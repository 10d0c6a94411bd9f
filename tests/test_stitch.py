"""Whatever the order of a model's outputs, a talker stays on one stream."""

import os
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_spmamba.metrics import si_snr
from speechbrain_spmamba.recordings.streams import windows
from speechbrain_spmamba.stitch import Stitcher, stitch
from tests.separating import noise, talker

RATE = 8000
BESIDE = Path(__file__).parents[2] / "shared" / "minicorpus"
CORPUS = Path(os.environ.get("MINICORPUS", BESIDE))


def _estimates(sources, leak=30.0, rate=RATE, seed=0):
    """What an almost ideal model gives, and its order in each window."""
    rng = np.random.default_rng(seed)
    size, hop, count = 10 * rate, 8 * rate, sources.shape[1]
    mixing = np.full((count, count), 10 ** (-leak / 20), "float32")
    np.fill_diagonal(mixing, 1)
    for start, piece in windows([sources], size, hop):
        est = piece @ mixing + noise(len(piece), count, 1e-4, start)
        order = rng.permutation(count)
        yield start, est[:, order], order


def _streams(estimates, rate=RATE):
    """Stitched streams, and the talker on each of them window by window."""
    stitcher, joined, talkers = Stitcher(2 * rate, rate), [], []
    for start, est, order in estimates:
        joined.append(stitcher.push(start, est))
        talkers.append(order[stitcher.order].tolist())
    return np.concatenate([*joined, stitcher.flush()]), talkers


def _gap(sources, leak=30.0, rate=RATE):
    """By how many dB the best possible order is better."""
    found = list(_estimates(sources, leak, rate))
    joined, _ = _streams(found, rate)
    right = [(start, est[:, np.argsort(order)]) for start, est, order in found]
    ideal = np.concatenate(list(stitch(right, 2 * rate, rate, align=False)))

    def score(est):
        src = torch.tensor(sources)
        orders = (est, est[:, ::-1].copy())
        return max(si_snr(torch.tensor(e), src).mean().item() for e in orders)

    return score(ideal) - score(joined)


@pytest.fixture(scope="module")
def pair():
    """A woman and a man, 60 s."""
    return np.stack([talker(0, 60), talker(1, 60)], 1)


@pytest.mark.parametrize("leak", [40.0, 6.0])
def test_talkers_stay_on_their_streams(pair, leak):
    _, talkers = _streams(_estimates(pair, leak))
    assert len(talkers) == 8
    assert all(order == talkers[0] for order in talkers)
    assert _gap(pair, leak) < 0.3


def test_scale_does_not_matter(pair):
    rng = np.random.default_rng(1)
    found = [
        (start, est * rng.uniform(0.1, 5, (1, 2)), order)
        for start, est, order in _estimates(pair)
    ]
    _, talkers = _streams(found)
    assert all(order == talkers[0] for order in talkers)


@pytest.mark.parametrize("who", [[0], [1], [0, 1]])
def test_a_long_pause_does_not_swap_talkers(pair, who):
    sources = pair.copy()
    sources[20 * RATE : 35 * RATE, who] = 0
    _, talkers = _streams(_estimates(sources))
    spoken = [*talkers[:2], *talkers[-3:]]
    assert all(order == spoken[0] for order in spoken)


def test_talkers_who_take_turns_stay_apart(pair):
    sources = pair.copy()
    # 0 to 15 s: one; then, after 5 s of silence, the other; then both.
    sources[: 15 * RATE, 1] = sources[15 * RATE : 35 * RATE, 0] = 0
    sources[15 * RATE : 20 * RATE] = 0
    assert _gap(sources) < 0.3


def test_three_talkers():
    sources = np.stack([talker(n, 45, 2.0) for n in (0, 1, 3)], 1)
    _, talkers = _streams(_estimates(sources, 20.0))
    assert all(order == talkers[0] for order in talkers)


def test_a_silent_output_is_not_taken_for_the_talker_who_leaks_into_it():
    one = talker(0, 40)
    sources = np.stack([one, np.zeros_like(one)], 1)
    _, talkers = _streams(_estimates(sources, 15.0))
    assert all(order == talkers[0] for order in talkers)


def test_silence_is_stitched_to_silence():
    joined, _ = _streams(_estimates(np.zeros((30 * RATE, 2), "float32")))
    assert joined.shape == (30 * RATE, 2) and np.abs(joined).max() < 1e-3


def test_copies_of_one_talker_keep_their_levels():
    one = talker(0, 40)
    wave = np.stack([one, 0.3 * one], 1)
    pieces = windows([wave], 10 * RATE, 8 * RATE)
    shuffled = [(s, w[:, :: (-1) ** n]) for n, (s, w) in enumerate(pieces)]
    joined = np.concatenate(list(stitch(shuffled, 2 * RATE, RATE)))
    np.testing.assert_allclose(joined, wave, atol=1e-6)


def test_one_output_needs_no_order():
    wave = noise(30 * RATE, 1)
    pieces = windows([wave], 10 * RATE, 8 * RATE)
    joined = np.concatenate(list(stitch(pieces, 2 * RATE, RATE)))
    np.testing.assert_allclose(joined, wave, atol=1e-7)


@pytest.mark.slow
@pytest.mark.skipif(
    not CORPUS.is_dir(), reason=f"no corpus in {CORPUS}; set MINICORPUS"
)
def test_real_talkers_stay_on_their_streams():
    readers = {}
    for folder in sorted((CORPUS / "speech" / "test").iterdir()):
        if folder.is_dir():
            files = sorted(p for p in folder.rglob("*") if p.is_file())
            readers[folder.name] = [soundfile.read(p)[0] for p in files]
    gaps, windows_in_all = [], 0
    for number, names in enumerate(combinations(readers, 2)):
        rng, tracks = np.random.default_rng(number), []
        for name in names:
            pieces = []
            for utterance in readers[name][:6]:
                pieces.append(np.zeros(int(16000 * rng.uniform(0, 8))))
                pieces.append(utterance * 10 ** rng.uniform(-0.1, 0.1))
            tracks.append(np.concatenate(pieces))
        length = min(map(len, tracks))
        sources = np.stack([t[:length] for t in tracks], 1).astype("float32")
        gaps.append(_gap(sources, 10.0, 16000))
        windows_in_all += length // (8 * 16000)
    assert windows_in_all > 50
    assert max(gaps) < 0.3, gaps
