"""What both rates can hold stays as it is, the rest vanishes; no delay."""

import tracemalloc

import numpy as np
import pytest

from speechbrain_spmamba.audio import resample, resample_blocks
from tests.separating import noise

RATES = [(48000, 16000), (16000, 8000), (44100, 16000), (8000, 16000),
         (16000, 44100), (192000, 8000), (44101, 8000), (103, 100)]  # fmt: skip


def tone(rate, hertz, seconds):
    """A tone of amplitude one, float64."""
    time = np.arange(round(rate * seconds)) / rate
    return np.sin(2 * np.pi * hertz * time + 0.3)


def middle(wave):
    """Without the ends, where a tone begins and stops."""
    return wave[len(wave) // 4 : -len(wave) // 4]


@pytest.mark.parametrize("old, new", RATES)
@pytest.mark.parametrize("share", [0.01, 0.5, 0.875, 0.9])
def test_what_both_rates_hold_passes(old, new, share):
    """Within 0.1 dB of itself, in the same place: no delay, no loss."""
    hertz, seconds = share * min(old, new) / 2, 16000 / min(old, new)
    found = middle(resample(tone(old, hertz, seconds), old, new))
    wanted = middle(tone(new, hertz, seconds))[: len(found)]
    error = np.abs(found[: len(wanted)] - wanted).max()
    assert error < 1 - 10 ** (-0.1 / 20)


def level(wave, rate, hertz):
    """Amplitude of a tone within a signal."""
    window = np.kaiser(len(wave), 26)
    turn = np.exp(-2j * np.pi * hertz / rate * np.arange(len(wave)))
    return 2 * np.abs(np.sum(window * wave * turn)) / window.sum()


@pytest.mark.parametrize("share", [1.1, 1.125, 1.5])
@pytest.mark.parametrize("old, new", [r for r in RATES if r[0] > r[1] + 3])
def test_tones_that_the_new_rate_cannot_hold_vanish(old, new, share):
    found = resample(tone(old, share * new / 2, 16000 / new), old, new)
    assert np.abs(middle(found)).max() < 1e-5  # -100 dB


@pytest.mark.parametrize("share", [1.1, 1.5])
@pytest.mark.parametrize("old, new", [r for r in RATES if r[0] < r[1]])
def test_a_higher_rate_adds_no_images(old, new, share):
    image = share * old / 2
    found = resample(tone(old, old - image, 16000 / old), old, new)
    assert level(middle(found), new, image) < 1e-5


@pytest.mark.parametrize("old, new", RATES)
@pytest.mark.parametrize("sizes", [[1], [37], [1000], [0, 5, 0, 700, 1]])
def test_blocks_of_any_size_give_what_the_whole_gives(old, new, sizes):
    wave = noise(300 if sizes == [1] else 5003, 2)
    blocks, rest = [], wave
    while len(rest):
        size = sizes[len(blocks) % len(sizes)]
        blocks, rest = [*blocks, rest[:size]], rest[size:]
    found = np.concatenate(list(resample_blocks(blocks, old, new)))
    np.testing.assert_allclose(found, resample(wave, old, new), atol=1e-6)
    assert found.dtype == np.float32


@pytest.mark.parametrize("old, new", RATES)
def test_the_length_is_rounded_up(old, new):
    for length in (1, 2, 3, 10, 101, 4999):
        found = resample(np.ones((length, 1), "float32"), old, new)
        assert found.shape == (-(-length * new // old), 1)


@pytest.mark.parametrize("old, new", RATES)
def test_there_and_back_is_where_it_was(old, new):
    """Also at the ends, but for the clicks of a tone cut off."""
    wave = tone(old, 0.4 * min(old, new) / 2, 16000 / min(old, new))
    back = resample(resample(wave, old, new), new, old)[: len(wave)]
    assert len(back) == len(wave)
    np.testing.assert_allclose(middle(back), middle(wave), atol=3e-3)


def test_channels_do_not_mix():
    wave = noise(3000, 3)
    found = resample(wave, 44100, 16000)
    for channel in range(3):
        one = resample(wave[:, channel], 44100, 16000)
        np.testing.assert_allclose(found[:, channel], one, atol=1e-6)


def test_the_type_stays():
    for kind in ("float32", "float64"):
        assert resample(np.zeros(9, kind), 16000, 8000).dtype == kind


def test_memory_does_not_grow_with_the_length():
    block = noise(16000, 1)

    def peak(count):
        tracemalloc.start()
        for _ in resample_blocks([block] * count, 44100, 16000):
            pass
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    assert peak(100) < 1.5 * peak(10)


def test_equal_rates_change_nothing():
    wave = noise(100, 1)
    assert list(resample_blocks([wave], 8000, 8000))[0] is wave


@pytest.mark.parametrize("blocks", [[], [np.zeros((0, 1), "float32")]])
def test_no_input_gives_no_output(blocks):
    assert list(resample_blocks(blocks, 8000, 16000)) == []
