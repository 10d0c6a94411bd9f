"""Made-up talkers sound like speech in what a separation system works with."""

import numpy as np
import pytest
from scipy.signal import stft

from speechbrain_spmamba.prepare.made_up.phones import write_script
from speechbrain_spmamba.prepare.made_up.voices import (
    SAMPLE_RATE,
    draw_voice,
    speak,
)


def talk(seed, sex=None, seconds=4.0):
    rng = np.random.default_rng(seed)
    voice = draw_voice(rng, sex)
    return voice, speak(voice, rng, seconds)[0]


def levels(wave, length=400):
    """Level of each 25 ms in dB, relative to the loudest."""
    frames = wave[: len(wave) // length * length].reshape(-1, length)
    db = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)
    return db - db.max()


def pitch_track(wave, lowest=60, highest=400):
    """Pitch in Hz of the clearly voiced frames, by autocorrelation."""
    window = np.hanning(1024)
    starts = range(0, len(wave) - 1024, 256)
    frames = np.stack([wave[s : s + 1024] * window for s in starts])
    lags = slice(SAMPLE_RATE // highest, SAMPLE_RATE // lowest)

    def correlation(x):
        power = np.abs(np.fft.rfft(x, 2048)) ** 2
        every = np.fft.irfft(power)
        return every[..., lags] / every[..., :1]

    # Dividing by the window's own correlation undoes its taper.
    likeness = correlation(frames) / correlation(window)
    track = []
    for row, frame in zip(likeness, frames, strict=True):
        peaks = np.flatnonzero((row[1:-1] > row[:-2]) & (row[1:-1] >= row[2:]))
        peaks = peaks[row[peaks + 1] > 0.6] + 1
        if len(peaks) and np.std(frame) > 0.3 * np.std(frames):
            # The first of the good peaks: twice the period is as good.
            good = peaks[row[peaks] > 0.9 * row[peaks].max()]
            track.append(SAMPLE_RATE / (lags.start + good[0]))
    return np.array(track)


@pytest.mark.parametrize("seed", range(6))
def test_pitch_lies_near_the_mean_of_the_voice(seed):
    voice, wave = talk(seed)
    track = pitch_track(wave)
    assert len(track) > 50
    semitones = 12 * np.log2(np.median(track) / voice.pitch_hz)
    assert abs(semitones) < 2.5


def test_pitch_moves_as_in_speech():
    moves = [np.std(12 * np.log2(pitch_track(talk(s)[1]))) for s in range(6)]
    assert 1.0 < np.median(moves) < 5.0


def test_men_and_women_differ_in_pitch_and_formants():
    def centre(sex):
        waves = np.concatenate([talk(s, sex)[1] for s in range(8)])
        power = np.mean(np.abs(stft(waves, nperseg=512)[2]) ** 2, axis=1)
        hertz = np.linspace(0, 8000, 257)
        below = hertz < 3500
        return np.sum((hertz * power)[below]) / np.sum(power[below])

    low = np.median(pitch_track(talk(0, "M")[1]))
    high = np.median(pitch_track(talk(0, "F")[1]))
    assert high > 1.2 * low
    assert centre("F") > 1.05 * centre("M")


def test_voices_are_all_different():
    voices = [draw_voice(np.random.default_rng(n)) for n in range(50)]
    assert len({voice.pitch_hz for voice in voices}) == 50
    assert len({voice.tract for voice in voices}) == 50
    assert {voice.sex for voice in voices} == {"F", "M"}
    assert all(80 <= voice.pitch_hz <= 260 for voice in voices)
    assert all(0.85 <= voice.tract <= 1.2 for voice in voices)


@pytest.mark.parametrize("seed", range(6))
def test_there_are_pauses_but_not_only(seed):
    quiet = np.mean(levels(talk(seed, seconds=6.0)[1]) < -30)
    assert 0.05 < quiet < 0.5


def test_phrases_and_pauses_have_natural_lengths():
    rng = np.random.default_rng(0)
    script = write_script(draw_voice(rng), rng, 60.0)
    starts, ends = np.array(script.phrases).T
    assert np.all(ends - starts < 3.3)
    assert np.median(ends - starts) > 0.9
    gaps = starts[1:] - ends[:-1]
    assert np.all((gaps > 0.149) & (gaps < 0.601))


def test_syllables_shape_the_envelope():
    """The envelope moves mostly below 8 Hz, and much of it at 2-8 Hz."""
    wave = np.concatenate([talk(s)[1] for s in range(6)])
    envelope = np.sqrt(np.mean(wave.reshape(-1, 160) ** 2, axis=1))
    power = np.abs(np.fft.rfft(envelope - envelope.mean())) ** 2
    hertz = np.fft.rfftfreq(len(envelope), 0.01)
    share = power / power.sum()
    assert share[hertz < 8].sum() > 0.8
    assert share[(hertz >= 2) & (hertz < 8)].sum() > 0.25


def test_there_are_voiced_and_unvoiced_sounds():
    """Some loud frames are mostly above 3 kHz, most are mostly below."""
    wave = np.concatenate([talk(s)[1] for s in range(4)])
    power = np.abs(stft(wave, nperseg=512)[2]) ** 2
    loud = power.sum(axis=0) > 1e-3 * power.sum(axis=0).max()
    high = power[96:].sum(axis=0)[loud] / power.sum(axis=0)[loud]
    assert 0.03 < np.mean(high > 0.7) < 0.3
    assert np.mean(high < 0.3) > 0.5


@pytest.mark.parametrize("seconds", [1.0, 1.2345, 5.0])
def test_length_level_and_peak(seconds):
    for seed in range(5):
        wave = talk(seed, seconds=seconds)[1]
        assert wave.shape == (round(seconds * SAMPLE_RATE),)
        assert np.all(np.isfinite(wave))
        assert np.abs(wave).max() < 0.95
        assert -32 < 20 * np.log10(np.std(wave)) < -22.5


def test_same_generator_same_speech():
    assert np.array_equal(talk(5)[1], talk(5)[1])
    assert not np.array_equal(talk(5)[1], talk(6)[1])


def test_words_are_capitals():
    rng = np.random.default_rng(0)
    words = speak(draw_voice(rng), rng, 3.0)[1]
    assert words
    assert all(word.isalpha() and word.isupper() for word in words)


def test_too_short_and_unknown_sex_are_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="too short"):
        speak(draw_voice(rng), rng, 0.5)
    with pytest.raises(ValueError, match="sex"):
        draw_voice(rng, "x")


def test_two_talkers_can_be_told_apart_by_a_mask():
    """Speech is sparse: an ideal ratio mask gains 9 dB and more at 0 dB."""

    def gain(one, two):
        one, two = one / np.std(one), two / np.std(two)
        spectra = [stft(x, nperseg=512, noverlap=384)[2] for x in (one, two)]
        size = np.abs(spectra)
        kept = size[0] / (size.sum(axis=0) + 1e-9) * (spectra[0] + spectra[1])
        # By Parseval, scores of spectra stand for those of waveforms.
        return score(kept, spectra[0]) - score(sum(spectra), spectra[0])

    def score(estimate, target):
        scale = np.vdot(target, estimate) / np.vdot(target, target)
        wanted = scale * target
        error = np.sum(np.abs(estimate - wanted) ** 2)
        return 10 * np.log10(np.sum(np.abs(wanted) ** 2) / error)

    waves = [talk(seed)[1] for seed in range(8)]
    gains = [
        gain(one, two) for one, two in zip(waves[:4], waves[4:], strict=True)
    ]
    assert 9 < np.mean(gains) < 20
