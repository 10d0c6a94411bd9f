"""Whatever the order of a model's outputs, a talker stays on one stream."""

import os
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_spmamba.recordings.stitch import Stitcher, heard, stitch
from speechbrain_spmamba.recordings.streams import windows
from speechbrain_spmamba.scoring.metrics import si_snr
from tests import SHARED
from tests.separating import noise, talker

RATE = 8000
BESIDE = SHARED / "minicorpus"
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
    ideal = np.concatenate(
        list(stitch(right, Stitcher(2 * rate, rate, align=False)))
    )

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
    joined = np.concatenate(list(stitch(shuffled, Stitcher(2 * RATE, RATE))))
    np.testing.assert_allclose(joined, wave, atol=1e-6)


def test_one_output_needs_no_order():
    wave = noise(30 * RATE, 1)
    pieces = windows([wave], 10 * RATE, 8 * RATE)
    joined = np.concatenate(list(stitch(pieces, Stitcher(2 * RATE, RATE))))
    np.testing.assert_allclose(joined, wave, atol=1e-7)


def _levels(*outputs, size=100):
    """A window of outputs that are constant."""
    return np.tile(np.array(outputs, "float32"), (size, 1))


def test_windows_are_cross_faded_where_they_share_samples():
    # The last one shares more than it must: what came before has settled it.
    windows = [(0, _levels(0)), (80, _levels(2)), (90, _levels(5))]
    joined = np.concatenate(
        list(stitch(windows, Stitcher(20, 1000, align=False)))
    )
    rise = np.sin(np.pi / 2 * (np.arange(20) + 0.5) / 20) ** 2
    wanted = [[0] * 80, 2 * rise, [2] * 60, 2 + 3 * rise, [5] * 10]
    assert joined.dtype == np.float32
    np.testing.assert_allclose(joined[:, 0], np.concatenate(wanted), atol=1e-6)


def test_samples_are_given_as_soon_as_no_window_changes_them():
    windows = [(start, _levels(0, 1)) for start in (0, 80, 160)]
    pieces = list(stitch(windows, Stitcher(20, 1000)))
    assert [len(piece) for piece in pieces] == [80, 80, 80, 20]
    assert list(stitch([], Stitcher(20, 1000))) == []
    short = list(stitch([(0, _levels(0, size=15))], Stitcher(20, 1000)))
    assert [len(piece) for piece in short] == [15]


def test_windows_in_a_known_order_are_joined_as_they_are():
    talkers = noise(180, 2)
    windows = [(0, talkers[:100]), (80, talkers[80:, ::-1])]
    joined = np.concatenate(
        list(stitch(windows, Stitcher(20, 1000, align=False)))
    )
    np.testing.assert_array_equal(joined[100:], talkers[100:, ::-1])
    joined = np.concatenate(list(stitch(windows, Stitcher(20, 1000))))
    np.testing.assert_allclose(joined, talkers, atol=1e-7)


def test_what_is_heard_in_the_overlap_finds_the_order():
    talkers = noise(3000, 3)
    stitcher = Stitcher(500, 1000)
    stitcher.push(0, talkers[:2000])
    assert stitcher.order == [0, 1, 2]
    order = [2, 0, 1]
    second = np.argsort(order)
    stitcher.push(1500, talkers[1500:, second])
    assert stitcher.order == order
    np.testing.assert_allclose(stitcher.flush(), talkers[2500:], atol=1e-6)


def test_the_sound_of_a_voice_decides_behind_a_pause():
    # One voice is low, the other high; nothing is heard in the overlaps.
    white = noise(5000, 2)
    low, high = white[1:, 0] + white[:-1, 0], white[1:, 1] - white[:-1, 1]
    talkers = np.stack([low, high], 1)
    talkers[1500:2000] = talkers[3000:3500] = 0
    stitcher = Stitcher(500, 1000)
    stitcher.push(0, talkers[:2000])
    for start in (1500, 3000):
        stitcher.push(start, talkers[start : start + 2000, ::-1])
        assert stitcher.order == [1, 0]


def _pure(ratio):
    """Two unlike waves of mean square 1, and the first with noise in it."""
    time = 2 * np.pi * np.arange(800) / 800
    one, other, rest = (np.sqrt(2) * np.sin(n * time) for n in (5, 7, 9))
    return np.stack([one, other], 1), one + 10 ** (-ratio / 20) * rest


@pytest.mark.parametrize(
    "ratio, counts", [(40, 1), (30, 1), (15, 0.5), (3, 0.1), (-3, 0)]
)
def test_what_is_heard_grows_with_si_snr(ratio, counts):
    waves, noisy = _pure(ratio)
    energy = 1 + 10 ** (-ratio / 10)
    found = heard(waves, noisy[:, None], 1.0, energy)
    same = 2 / (1 + energy)
    wanted = (0.9 * counts + 0.1 * same) / 1.01
    np.testing.assert_allclose(found[:, 0], [wanted, 0], atol=1e-6)


@pytest.mark.parametrize("scale, same", [(-3, 0.6), (0.5, 0.8)])
def test_of_copies_the_equal_one_is_heard_best(scale, same):
    waves, _ = _pure(0)
    found = heard(waves, scale * waves, 1.0, scale**2)
    wanted = np.eye(2) * (0.9 + 0.1 * same) / 1.01
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_what_is_soft_beside_its_loudest_counts_less():
    waves, _ = _pure(0)
    for loudest in ((100.0, 1.0), (1.0, 100.0)):  # a hundredth: by half
        found = heard(waves, waves, *loudest)
        wanted = np.eye(2) * np.sqrt(0.5 / 1.01)
        np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert not heard(0 * waves, waves, 1.0, 1.0).any()
    assert not heard(0 * waves, 0 * waves, 0.0, 0.0).any()
    loud = waves.astype("float32") * 1e25
    found = heard(loud, loud, 1e50, 1e50)
    np.testing.assert_allclose(found, np.eye(2) / 1.01, atol=1e-6)


def _loudest(*passages):
    """What a window of passages of given mean squares is taken for."""
    stitcher = Stitcher(20, 1000)
    levels = np.sqrt(np.repeat(passages, 256, axis=0))
    stitcher.push(0, levels)
    return stitcher.loudest


def test_how_loud_a_window_is_says_its_loud_output_where_it_is_loud():
    assert _loudest([1.0, 3.0]) == pytest.approx(3)
    assert _loudest([1e-4, 0.0]) == pytest.approx(1e-4)
    assert _loudest([1.0, 0.0], [3.0, 0.0]) == pytest.approx(2.5)
    # Silence does not count, however long.
    assert _loudest([1.0], *[[0.0]] * 9) == pytest.approx(1)
    stitcher = Stitcher(20, 1000)
    stitcher.push(0, _levels(1e25))  # its square is more than float32 holds
    assert stitcher.loudest == pytest.approx(1e50)


def test_how_loud_the_streams_were_is_forgotten_slowly():
    stitcher = Stitcher(20, 1000)
    # Shorter than a passage; behind the last whole one; louder; softer.
    for start, size, level, loudest in (
        (0, 100, 2.0, 4.0),
        (80, 300, 1.0, 3.6),
        (360, 100, 3.0, 9.0),
        (440, 100, 0.0, 8.1),
    ):
        window = _levels(level, size=size)
        window[256:] = 100
        stitcher.push(start, window)
        assert stitcher.loudest == pytest.approx(loudest)


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
