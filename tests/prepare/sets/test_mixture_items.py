"""Laws of mixtures of any number of talkers, nobody included."""

from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import chisquare, kstest

from speechbrain_spmamba.manifest import read_manifest
from speechbrain_spmamba.prepare.corpora.librispeech import index_speech
from speechbrain_spmamba.prepare.corpora.wham_noise import index_noise
from speechbrain_spmamba.prepare.seeded import generator
from speechbrain_spmamba.prepare.sets import mixtures
from speechbrain_spmamba.prepare.sets.mixture_items import (
    draw_mixture,
    draw_talkers,
)
from speechbrain_spmamba.prepare.talker_counts import TalkerCounts
from tests.prepare.small_corpora import write_noises, write_speech

RATE = 8000
SETTINGS = {
    **{"sample_rate": RATE, "seconds": 0.6, "num_spks": [0, 3]},
    **{"level": (-28, -22), "sir": (-6, 6), "snr": (10, 20)},
    **{"sexes": None, "join": False},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpora")
    write_speech(folder / "speech", "train", range(10, 15))
    write_noises(folder / "noise", "train")
    return folder


@pytest.fixture(scope="module")
def speech(folder):
    return index_speech(folder / "speech", ["train"])


@pytest.fixture(scope="module")
def noise(folder):
    return index_noise(folder / "noise", "train")


def _talkers(speech, number, **changes):
    rng = generator(0, "train", number)
    return draw_talkers(speech, {**SETTINGS, **changes}, rng), rng


def _draw(speech, noise, number, **changes):
    """Talkers, noise if any, and last the mixture."""
    talkers, rng = _talkers(speech, number, **changes)
    return draw_mixture(talkers, noise, {**SETTINGS, **changes}, rng)


def _level(signal):
    return 10 * np.log10(np.mean(signal**2))


@pytest.mark.parametrize("join", [False, True])
@pytest.mark.parametrize("num_spks", [[0, 3], {1: 1, 2: 4}])
def test_as_many_talk_as_the_law_says_and_they_differ(speech, num_spks, join):
    counts, drawn = TalkerCounts.of(num_spks), []
    for number in range(600):
        talkers, _ = _talkers(speech, number, num_spks=num_spks, join=join)
        readers = [
            {Path(utterance.path).parts[-3] for _, utterance in said}
            for said in talkers
        ]
        assert all(len(names) == 1 for names in readers)
        assert len(set(chain.from_iterable(readers))) == len(talkers)
        drawn.append(len(talkers))
    weights = np.array(list(counts.weights.values()))
    found = [drawn.count(number) for number in counts.weights]
    assert sum(found) == 600
    assert chisquare(found, 600 * weights / weights.sum()).pvalue > 0.01


@pytest.mark.parametrize("with_noise", [False, True])
@pytest.mark.parametrize("level", [(-28, -22), (0, 0)])
def test_a_mixture_is_the_sum_of_who_talks_and_of_noise(
    speech, noise, with_noise, level
):
    seen = set()
    for number in range(20):
        noises = noise if with_noise else None
        *parts, mix = _draw(speech, noises, number, level=level)
        assert len(mix) == 0.6 * RATE
        np.testing.assert_allclose(
            mix, sum(parts, np.zeros_like(mix)), atol=1e-12
        )
        assert all(part.any() for part in parts)
        assert np.abs([mix, *parts]).max() <= 0.9 + 1e-12
        seen.add(len(parts) - with_noise)
    assert seen == {0, 1, 2, 3}


def test_noise_is_measured_by_the_first_who_talks_or_would(speech, noise):
    levels = []
    for number in range(300):
        talkers, rng = _talkers(speech, number)
        *parts, heard, _ = draw_mixture(
            talkers, noise, {**SETTINGS, "snr": (12, 12)}, rng
        )
        levels.append((len(parts), _level(heard) + 12))
        if parts:
            assert _level(parts[0]) == pytest.approx(levels[-1][1])
    for count in range(4):
        some = [level for number, level in levels if number == count]
        assert kstest(some, "uniform", (-28, 6)).pvalue > 0.01


@pytest.mark.parametrize("join", [False, True])
def test_one_number_draws_what_it_drew(speech, noise, join):
    for number in range(5):
        one = _draw(speech, noise, number, num_spks=2, join=join)
        for same in ([2, 2], {2: 3}):
            again = _draw(speech, noise, number, num_spks=same, join=join)
            np.testing.assert_array_equal(one, again)


def test_a_mixture_depends_on_its_number_alone(folder, tmp_path, monkeypatch):
    def make(name, mixtures_wanted=8, **changes):
        manifests = mixtures.prepare(
            speech_folder=folder / "speech",
            noise_folder=folder / "noise",
            output_folder=tmp_path / name,
            splits={"train": {"mixtures": mixtures_wanted}},
            sample_rate=RATE,
            seconds=0.6,
            num_spks=[0, 3],
            **changes,
        )
        content = {
            path.relative_to(tmp_path / name).as_posix(): path.read_bytes()
            for path in (tmp_path / name).rglob("*.wav")
        }
        return content, read_manifest(manifests["train"], tmp_path / name, 3)

    whole, rows = make("whole")
    monkeypatch.setattr(mixtures, "SHARE", 1)  # several tasks a split
    assert make("jobs", jobs=2)[0] == whole
    fewer, _ = make("fewer", 3)
    assert fewer.items() < whole.items()
    for row in rows.values():
        cells = [row[f"s{i}_wav"] for i in (1, 2, 3)]
        assert [bool(cell) for cell in cells] == sorted(
            map(bool, cells), reverse=True
        )
