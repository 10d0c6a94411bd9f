"""Made-up noise, sound effects and music."""

import numpy as np
import pytest

from speechbrain_spmamba.prepare.made_up import sounds


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("slope", [0.0, 1.0, 2.0])
def test_noise_falls_with_the_asked_slope(slope):
    wave = sounds.coloured_noise(rng(), 160000, slope)
    power = np.abs(np.fft.rfft(wave)) ** 2
    hertz = np.fft.rfftfreq(len(wave), 1 / 16000)
    edges = 100 * 2.0 ** np.arange(7)
    octaves = [
        np.mean(power[(hertz >= low) & (hertz < 2 * low)]) for low in edges
    ]
    fit = np.polyfit(np.log2(edges), np.log2(octaves), 1)[0]
    assert fit == pytest.approx(-slope, abs=0.1)
    assert np.std(wave) == pytest.approx(1, abs=1e-2)


def test_hum_is_harmonics_of_the_mains():
    power = np.abs(np.fft.rfft(sounds.hum(rng(), 160000))) ** 2
    near = np.zeros(len(power), bool)
    for order in range(1, 9):
        at = 500 * order  # bins of 0.1 Hz
        near[at - 10 : at + 11] = True
    assert power[near].sum() > 0.99 * power.sum()


@pytest.mark.parametrize("seed", range(4))
def test_channels_of_ambience_are_correlated_and_not_equal(seed):
    place = sounds.draw_place(rng(seed))
    wave = sounds.ambience(place, rng(seed), 2.0)
    assert wave.shape == (32000, 2)
    assert np.all(np.isfinite(wave))
    assert np.abs(wave).max() < 0.95
    spectra = np.fft.rfft(wave, axis=0)
    cross = np.fft.irfft(spectra[:, 0].conj() * spectra[:, 1])
    likeness = np.abs(cross).max() / np.prod(np.sqrt(np.sum(wave**2, axis=0)))
    assert 0.4 < likeness < 0.99


@pytest.mark.parametrize("seconds", [0.1, 0.7, 2.0])
def test_events_have_the_asked_length_and_no_clicks(seconds):
    labels = set()
    for seed in range(30):
        wave, label = sounds.sound_event(rng(seed), seconds, 44100)
        labels.add(label)
        assert wave.shape == (round(seconds * 44100),)
        assert np.mean(wave**2) == pytest.approx(1, abs=1e-6)
        assert max(abs(wave[0]), abs(wave[-1])) < 0.1
    assert labels == {"Knock", "Bell", "Alarm", "Whoosh"}


def test_music_keeps_to_the_tempered_scale():
    """Most of its energy lies close to notes of the piano."""
    wave = sounds.music(rng(), 4.0, 44100)
    power = np.abs(np.fft.rfft(wave * np.hanning(len(wave)))) ** 2
    hertz = np.fft.rfftfreq(len(wave), 1 / 44100)
    heard = (hertz > 150) & (hertz < 1000)
    notes = 12 * np.log2(hertz[heard] / 440)
    close = np.abs(notes - np.round(notes)) < 0.2
    assert power[heard][close].sum() > 0.85 * power[heard].sum()
    assert np.all(np.isfinite(wave))
