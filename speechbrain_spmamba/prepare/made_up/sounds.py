"""Made-up noise, sound effects and music, as arrays.

Rough stand-ins for what surrounds talkers in the real corpora: ambience from
two microphones (WHAM!), single events and short pieces of music (DnR).

All randomness comes from the generator ``rng``, and nothing here touches files.
A wave is as long as ``samples`` or ``seconds`` says (1 s or more where people
talk), at ``sample_rate`` in Hz, else at 16 kHz; float64, ``[T]``, RMS 1, unless
something else is said.
"""

from typing import NamedTuple

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

from speechbrain_spmamba.prepare.made_up.voices import (
    SAMPLE_RATE,
    draw_voice,
    speak,
)

MAINS_HZ = 50.0
TALKERS = 6  # of a babble: enough that none stands out


def _unit(wave):
    """Scales to an RMS of one."""
    return wave / (np.sqrt(np.mean(wave**2)) + 1e-12)


def coloured_noise(
    rng: np.random.Generator,
    samples: int,
    slope: float = 1.0,
    sample_rate: int = SAMPLE_RATE,
) -> np.ndarray:
    """Noise whose power falls with frequency.

    Arguments
    ---------
    rng, samples, sample_rate : numpy.random.Generator, int, int
        What draws it, how much of it, and its rate in Hz.
    slope : float
        Power falls as 1 / f**slope: 0 is white, 1 pink, 2 brown. Flat below
        20 Hz.

    Returns
    -------
    numpy.ndarray
        Shape ``[samples]``, of an RMS of one.

    Example
    -------
    >>> coloured_noise(np.random.default_rng(0), 8000, slope=2).shape
    (8000,)
    """
    size = next_fast_len(samples, real=True)
    hertz = np.maximum(rfftfreq(size, 1 / sample_rate), 20.0)
    spectrum = rfft(rng.standard_normal(size)) * hertz ** (-slope / 2)
    return _unit(irfft(spectrum, size)[:samples])


def hum(rng, samples, sample_rate=SAMPLE_RATE):
    """Mains hum: harmonics of 50 Hz with slowly wandering levels.

    Example
    -------
    >>> hum(np.random.default_rng(0), 8000).shape
    (8000,)
    """
    times = np.arange(samples) / sample_rate
    wave = np.zeros(samples)
    for order in range(1, 9):
        level = rng.uniform(0.2, 1.0) / order
        drift = 0.2 * np.sin(2 * np.pi * (rng.uniform(0.1, 0.5) * times))
        phase = 2 * np.pi * (MAINS_HZ * order * times + rng.random())
        wave += level * (1 + drift) * np.sin(phase)
    return _unit(wave)


def babble(rng, seconds):
    """Several people talking at once, far away.

    Example
    -------
    >>> babble(np.random.default_rng(0), 1.0).shape
    (16000,)
    """
    from scipy.signal import fftconvolve

    voices = [draw_voice(rng) for _ in range(TALKERS)]
    dry = sum(_unit(speak(voice, rng, seconds)[0]) for voice in voices)
    # An exponentially dying noise is the simplest large room.
    times = np.arange(round(0.5 * SAMPLE_RATE)) / SAMPLE_RATE
    room = rng.standard_normal(len(times)) * np.exp(-times / 0.1)
    return _unit(fftconvolve(dry, room)[: len(dry)])


class Place(NamedTuple):
    """Where a noise was recorded: what its files have in common.

    Arguments
    ---------
    slope : float
        Colour of the noise; see ``coloured_noise``.
    hum_db, babble_db : float
        Levels relative to the noise.
    swell_db : float
        Size of the slow changes of level.
    diffuse_db : float
        Level of what the two microphones do not share.
    width_cm : float
        Distance of the microphones.
    level_db : float
        RMS of a recording in dBFS.
    """

    slope: float
    hum_db: float
    babble_db: float
    swell_db: float
    diffuse_db: float
    width_cm: float
    level_db: float


def draw_place(rng: np.random.Generator) -> Place:
    """Draws a place to record noise in.

    Returns
    -------
    Place

    Example
    -------
    >>> 0.5 <= draw_place(np.random.default_rng(0)).slope <= 2
    True
    """
    return Place(
        slope=rng.uniform(0.5, 2.0),
        hum_db=rng.uniform(-30.0, -6.0),
        babble_db=rng.uniform(-15.0, 0.0),
        swell_db=rng.uniform(1.0, 4.0),
        diffuse_db=rng.uniform(-12.0, -3.0),
        width_cm=rng.uniform(15.0, 19.0),
        level_db=rng.uniform(-38.0, -28.0),
    )


def ambience(
    place: Place, rng: np.random.Generator, seconds: float
) -> np.ndarray:
    """Records a place with two microphones.

    Arguments
    ---------
    place : Place
        Where; it has the level as well.

    Returns
    -------
    numpy.ndarray
        ``[T, 2]``; the channels are correlated and not equal.

    Example
    -------
    >>> rng = np.random.default_rng(0)
    >>> ambience(draw_place(rng), rng, 1.0).shape
    (16000, 2)
    """
    samples = round(seconds * SAMPLE_RATE)
    shared = coloured_noise(rng, samples, place.slope)
    shared += 10 ** (place.hum_db / 20) * hum(rng, samples)
    shared += 10 ** (place.babble_db / 20) * babble(rng, seconds)
    times = np.arange(samples) / SAMPLE_RATE
    swell = np.sin(2 * np.pi * (rng.uniform(0.1, 0.3) * times + rng.random()))
    shared = _unit(shared) * 10 ** (place.swell_db * swell / 20)
    # Sound takes this many samples from one microphone to the other, if it
    # comes from the side.
    most = int(place.width_cm / 100 / 343 * SAMPLE_RATE)
    delayed = np.roll(shared, rng.integers(1, most + 1))
    apart = 10 ** (place.diffuse_db / 20)
    channels = [
        direct + apart * coloured_noise(rng, samples, place.slope)
        for direct in (shared, delayed)
    ]
    wave = _unit(np.stack(channels, axis=-1)) * 10 ** (place.level_db / 20)
    return wave * min(1.0, 0.9 / np.abs(wave).max())


def _fade(wave, sample_rate, seconds=0.005):
    """Fades both ends in place, so that no clip begins with a click."""
    length = min(round(seconds * sample_rate), len(wave) // 2)
    ramp = np.linspace(0.0, 1.0, length, endpoint=False)
    wave[:length] *= ramp
    wave[len(wave) - length :] *= ramp[::-1]
    return wave


def _ring(rng, times, partials, decay):
    """Sum of decaying sines at ``partials`` in Hz; high ones die first."""
    wave = np.zeros_like(times)
    for hertz in partials:
        fall = np.exp(-times / (decay * (partials[0] / hertz) ** 0.7))
        phase = 2 * np.pi * (hertz * times + rng.random())
        wave += rng.uniform(0.3, 1.0) * fall * np.sin(phase)
    return wave


def sound_event(
    rng: np.random.Generator, seconds: float, sample_rate: int
) -> tuple[np.ndarray, str]:
    """One sound effect of at least 0.1 s, of any kind.

    Returns
    -------
    wave : numpy.ndarray
        The sound.
    label : str
        "Knock", "Bell", "Alarm" or "Whoosh".

    Example
    -------
    >>> wave, label = sound_event(np.random.default_rng(0), 0.5, 44100)
    >>> wave.shape
    (22050,)
    """
    samples = round(seconds * sample_rate)
    times = np.arange(samples) / sample_rate
    label = ("Knock", "Bell", "Alarm", "Whoosh")[rng.integers(4)]
    if label == "Knock":
        wave = np.zeros(samples)
        body = np.sort(rng.uniform(100, 2500, 6))
        for start in np.arange(0.0, seconds, rng.uniform(0.15, 0.4)):
            begin = int(start * sample_rate)
            later = times[: samples - begin]
            hit = 0.5 * rng.standard_normal(len(later))
            hit = hit * np.exp(-later / 0.005) + _ring(rng, later, body, 0.04)
            wave[begin:] += rng.uniform(0.5, 1.0) * hit
    elif label == "Bell":
        ratios = np.array([1.0, 2.0, 2.4, 3.0, 4.5, 5.3, 6.7])
        partials = rng.uniform(250, 1200) * ratios
        wave = _ring(rng, times, partials, rng.uniform(0.3, 1.0))
    elif label == "Alarm":
        swing = np.sin(2 * np.pi * rng.uniform(1, 6) * times)
        hertz = rng.uniform(500, 1500) * 2 ** (0.4 * swing)
        phase = 2 * np.pi * np.cumsum(hertz) / sample_rate
        wave = np.tanh(2 * np.sin(phase))
    else:
        wave = coloured_noise(rng, samples, rng.uniform(0, 1.5), sample_rate)
        peak = rng.uniform(0.3, 0.7) * seconds
        wave *= np.exp(-0.5 * ((times - peak) / (0.2 * seconds)) ** 2)
    return _unit(_fade(wave, sample_rate)), label


# Semitones above the key note: roots and thirds of four common progressions.
PROGRESSIONS = (
    ((0, 4), (7, 4), (9, 3), (5, 4)),
    ((0, 3), (8, 4), (3, 4), (10, 4)),
    ((0, 4), (9, 3), (5, 4), (7, 4)),
    ((0, 3), (5, 3), (7, 3), (0, 3)),
)


def music(rng, seconds, sample_rate):
    """Broken chords of a plucked or struck instrument; key and tempo vary.

    Example
    -------
    >>> music(np.random.default_rng(0), 0.5, 44100).shape
    (22050,)
    """
    samples = round(seconds * sample_rate)
    wave = np.zeros(samples)
    key = rng.integers(40, 53)  # MIDI note number
    chords = PROGRESSIONS[rng.integers(len(PROGRESSIONS))]
    beat = rng.uniform(0.25, 0.45)
    darkness = rng.uniform(1.0, 2.0)
    decay = rng.uniform(0.3, 0.8)
    length = round(min(4 * decay, seconds) * sample_rate)
    times = np.arange(length) / sample_rate
    attack = 1 - np.exp(-times / 0.004)
    for count, start in enumerate(np.arange(0.0, seconds, beat)):
        root, third = chords[count // 4 % 4]
        steps = (root, root + 12, root + 12 + third, root + 19)
        # The bass note opens the bar; the others follow one by one.
        notes = steps[:2] if count % 4 == 0 else (steps[count % 4],)
        for note in notes:
            hertz = 440.0 * 2 ** ((key + note - 69) / 12)
            tone = np.zeros(length)
            for order in range(1, 9):
                fall = np.exp(-times * order**0.6 / decay)
                phase = 2 * np.pi * (order * hertz * times + rng.random())
                tone += fall * np.sin(phase) / order**darkness
            begin = int(start * sample_rate)
            part = (tone * attack)[: samples - begin]
            wave[begin : begin + len(part)] += rng.uniform(0.6, 1) * part
    return _unit(_fade(wave, sample_rate))
