"""Laws of fresh mixtures of any number of talkers, nobody included."""

from collections import Counter

import numpy as np
import pytest
import soundfile
from scipy.stats import chisquare, kstest

from speechbrain_spmamba.loading.augment import DynamicMixing
from speechbrain_spmamba.loading.loader import make_dataset
from speechbrain_spmamba.manifest import read_manifest, write_manifest

RATE = 1000
FRAMES = 600
PLAIN = {"speed": (1.0, 1.0), "noise": "none"}


def _tone(reader):
    """Every reader has a pitch; the phase is such that no sample is zero."""
    time = (np.arange(FRAMES) + 0.3) / RATE
    return 0.1 * np.sin(2 * np.pi * 10 * reader * time)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Eight mixtures of 0, 1, 2, 3, 0, ... of the readers 11 to 17."""
    folder, rows = tmp_path_factory.mktemp("mixtures"), []
    rng = np.random.default_rng(0)
    for number in range(8):
        readers = [11 + (2 * number + i) % 7 for i in range(number % 4)]
        waves = {f"s{i + 1}": _tone(r) for i, r in enumerate(readers)}
        waves["noise"] = 0.02 * rng.standard_normal(FRAMES)
        waves["mix"] = sum(waves.values())
        names = [f"{reader}-7-000{number}" for reader in readers]
        item = "_".join([f"{number:06d}", *names])
        row = {"ID": item, "duration": FRAMES / RATE}
        for part in ("mix", "s1", "s2", "s3", "noise"):
            path = folder / part / f"{item}.wav"
            path.parent.mkdir(exist_ok=True)
            if part in waves:
                soundfile.write(path, waves[part], RATE, "FLOAT")
            row[f"{part}_wav"] = path if part in waves else ""
        rows.append(row)
    write_manifest(folder / "m.csv", rows, folder)
    return folder


def _mixing(folder, segment=0.5, **laws):
    rows = read_manifest(folder / "m.csv", folder)
    return DynamicMixing(rows, RATE, segment, **laws)


def _draws(mixing, epochs):
    return [
        (item, *mixing(1, epoch, item))
        for epoch in range(epochs)
        for item in mixing.items
    ]


def _level(signal):
    return 10 * np.log10(np.mean(np.square(signal, dtype=np.float64)))


def _readers(sources):
    """Whose pitch is heard in each source that is not silent."""
    sources = sources[:, sources.any(0)]
    spectra = np.abs(np.fft.rfft(sources, axis=0, n=RATE))
    return [round(hertz / 10) for hertz in np.argmax(spectra, axis=0)]


@pytest.mark.parametrize("num_spks", [[0, 3], {0: 1, 1: 3, 2: 8, 3: 4}, [1, 2]])
def test_as_many_talk_as_the_law_says_and_they_differ(folder, num_spks):
    mixing, drawn = _mixing(folder, num_spks=num_spks, **PLAIN), Counter()
    for _, mix, sources in _draws(mixing, 60):
        assert mix.shape == (500,) and sources.shape == (500, 3)
        readers = _readers(sources)
        assert len(set(readers)) == len(readers)
        assert set(readers) <= set(range(11, 18))
        drawn[len(readers)] += 1
    weights = np.array(list(mixing.counts.weights.values()))
    found = [drawn[number] for number in mixing.counts.weights]
    assert sum(found) == 480
    assert chisquare(found, 480 * weights / weights.sum()).pvalue > 0.01


def test_without_a_law_as_many_talk_as_in_the_item(folder):
    for item, _, sources in _draws(_mixing(folder, **PLAIN), 10):
        own = [int(name.split("-")[0]) for name in item.split("_")[1:]]
        readers = _readers(sources)
        assert len(readers) == len(own)
        assert not own or set(own) & set(readers)


@pytest.mark.parametrize("noise", ["none", "file", "residual"])
def test_the_mixture_is_the_sum_and_silence_is_exact(folder, noise):
    mixing = _mixing(folder, num_spks=[0, 3], noise=noise, snr=(15, 15))
    for _, mix, sources in _draws(mixing, 6):
        heard = sources.any(0)
        assert not sources[:, ~heard].any()
        rest = mix - sources.sum(1)
        if noise == "none":
            np.testing.assert_allclose(rest, 0, atol=1e-6)
            continue
        # Where nobody talks, noise is as loud as beside someone at -30 dB.
        levels = [_level(source) for source in sources[:, heard].T] or [-30]
        assert min(abs(level - 15 - _level(rest)) for level in levels) < 0.1


def test_the_order_does_not_tell_who_is_silent(folder):
    mixing = _mixing(folder, num_spks=1, **PLAIN)
    places = [sources.any(0).argmax() for _, _, sources in _draws(mixing, 30)]
    assert chisquare(np.bincount(places)).pvalue > 0.01


@pytest.mark.parametrize("num_spks", [1, 2, 3])
def test_one_number_draws_what_it_drew(folder, num_spks):
    one = _mixing(folder, num_spks=num_spks)
    for same in ([num_spks, num_spks], {num_spks: 4}):
        other = _mixing(folder, num_spks=same)
        for item in one.items:
            for wanted, found in zip(
                one(1, 2, item), other(1, 2, item), strict=True
            ):
                np.testing.assert_array_equal(wanted, found)


def test_draws_do_not_depend_on_what_was_drawn_before(folder):
    one, other = (_mixing(folder, num_spks=[0, 3]) for _ in range(2))
    wanted = {item: one(1, 2, item) for item in one.items}
    for item in reversed(other.items):
        for found, signal in zip(other(1, 2, item), wanted[item], strict=True):
            np.testing.assert_array_equal(found, signal)


def test_a_talker_is_heard_for_a_share_of_the_time(folder):
    laws = {"num_spks": 1, "active": (0.2, 0.8), **PLAIN}
    shares, starts = [], []
    for _, _, sources in _draws(_mixing(folder, **laws), 40):
        (times,) = np.nonzero(sources.sum(1))
        first, last = times[0], times[-1] + 1
        assert last - first == len(times)  # at one go
        shares.append(len(times) / 500)
        starts.append(first / max(500 - len(times), 1))
    assert kstest(shares, "uniform", (0.2, 0.6)).pvalue > 0.01
    assert kstest(starts, "uniform").pvalue > 0.01


def test_who_always_talks_is_drawn_as_without_a_share(folder):
    plain, same = _mixing(folder), _mixing(folder, active=(1, 1))
    half = _mixing(folder, active=(0.5, 0.5), **PLAIN)
    for item in plain.items:
        np.testing.assert_array_equal(plain(1, 1, item)[0], same(1, 1, item)[0])
        sources = half(1, 1, item)[1]
        heard = np.count_nonzero(sources, axis=0)
        assert set(heard) <= {0, 250}


@pytest.mark.parametrize(
    "laws, message",
    [
        ({"num_spks": 0}, "num_spks is 0; expected a number of talkers"),
        ({"num_spks": [3, 1]}, r"num_spks is \[3, 1\]; expected a number"),
        ({"num_spks": 4}, "is up to 4, and the manifest has 3 sources; pr"),
        ({"num_spks": {1: 1, 5: 1}}, "is up to 5, and the manifest has 3"),
        ({"active": [0, 1]}, "active is .*expected a range above 0 and up"),
        ({"active": [0.5, 1.1]}, "active is .*expected a range above 0"),
        ({"active": 0.5}, "active is 0.5; expected two numbers"),
    ],
)
def test_mistakes_are_named(folder, laws, message):
    with pytest.raises(ValueError, match=message):
        make_dataset(folder / "m.csv", folder, RATE, dynamic_mixing=laws)


def test_talkers_take_turns_at_their_levels(folder):
    laws = {"active": (0.4, 0.4), "turn": (0.05, 0.1), "sir": (3.0, 3.0)}
    mixing = _mixing(folder, num_spks=2, level=(-30.0, -30.0), **laws, **PLAIN)
    shares, levels = [], set()
    for _, mix, sources in _draws(mixing, 20):
        np.testing.assert_allclose(mix, sources.sum(1), atol=1e-6)
        heard = sources[:, sources.any(0)]
        shares += [np.mean(source != 0) for source in heard.T]
        levels |= {
            round(10 * np.log10(np.mean(source[source != 0] ** 2.0)))
            for source in heard.T
        }
    assert abs(np.mean(shares) - 0.4) < 0.05 and np.std(shares) > 0.05
    assert levels == {-30, -33}


def test_turns_of_no_time_are_refused(folder):
    with pytest.raises(ValueError, match=r"turn is \[0, 1\]; expected a range"):
        _mixing(folder, turn=[0, 1])
