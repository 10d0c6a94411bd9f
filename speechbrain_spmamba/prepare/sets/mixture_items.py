"""Draws what one mixture of talkers and noise holds, and makes its signals.

Laws: speaker-to-speaker ratio uniform in ±6 dB and speaker-to-noise ratio
uniform in 10 to 20 dB, over the whole mixture, relative to the first speaker. A
talker says one utterance, or a stretch of a long one. With ``join``, one who
is done early goes on with others, none of them twice, after pauses uniform in
0.2 to 0.6 s, until the time is over; of the last, a stretch that fits.
"""

import math
from pathlib import Path

import numpy as np

from speechbrain_spmamba.audio import open_audio, read_audio, resample
from speechbrain_spmamba.prepare.talker_counts import TalkerCounts

PEAK = 0.9  # joint scaling keeps the mixture and its parts below this
PAUSE = (0.2, 0.6)  # s between joined utterances


def draw_talkers(
    speech: dict, settings: dict, rng: np.random.Generator
) -> list[list[tuple]]:
    """Draws who talks in a mixture and what they say.

    Arguments
    ---------
    speech : dict
        From ``librispeech.index_speech``.
    settings : dict
        ``num_spks`` (see ``talker_counts``), ``sexes``, ``seconds``,
        ``join``.
    rng : numpy.random.Generator
        Draws everything.

    Returns
    -------
    list of list of tuple
        Of each talker, all different: a pause in s, and the Clip behind it.
        Without ``join``, one utterance at once.
    """
    return [
        _draw_utterances(speech[reader], settings, rng)
        for reader in _draw_readers(speech, settings, rng)
    ]


def draw_mixture(
    talkers: list[list[tuple]],
    noise: list[Path] | None,
    settings: dict,
    rng: np.random.Generator,
) -> list[np.ndarray]:
    """Places and levels talkers and noise.

    Arguments
    ---------
    talkers : list of list of tuple
        What each says, from ``draw_talkers``.
    noise : list of Path, optional
        Recordings to draw from.
    settings : dict
        ``sample_rate``, ``seconds``, ``level``, ``sir``, ``snr``.
    rng : numpy.random.Generator
        The same, where ``draw_talkers`` left it.

    Returns
    -------
    list of numpy.ndarray
        Talkers, noise if any, and last their sum; float64, shape ``[T]``.
    """
    sample_rate = settings["sample_rate"]
    total = round(settings["seconds"] * sample_rate)
    signals = []
    if not talkers:  # noise is measured from where the first would be
        first = rng.uniform(*settings["level"])
    for number, utterances in enumerate(talkers):
        speech = _draw_speech(utterances, total, sample_rate, rng)
        # A talker who is done early begins anywhere in the time that is left.
        start = rng.integers(total - len(speech) + 1)
        speech = np.pad(speech, (start, total - len(speech) - start))
        if number == 0:
            first = rng.uniform(*settings["level"])
        below = rng.uniform(*settings["sir"]) if number else 0.0
        signals.append(_at_level(speech, first - below))
    if noise:
        path = noise[rng.integers(len(noise))]
        sound = _draw_stretch(path, total, sample_rate, rng)
        sound = np.resize(sound, total)  # a short recording is repeated
        below = rng.uniform(*settings["snr"])
        signals.append(_at_level(sound, first - below))
    signals.append(np.sum(signals, axis=0) if signals else np.zeros(total))
    peak = max(np.abs(signal).max() for signal in signals)
    return [signal * min(1.0, PEAK / max(peak, 1e-9)) for signal in signals]


def _draw_speech(utterances, total, sample_rate, rng):
    """At most ``total`` samples of what a talker says, with pauses."""
    speech = np.zeros(0)
    for pause, utterance in utterances:
        speech = np.pad(speech, (0, round(pause * sample_rate)))
        left = max(1, total - len(speech))
        stretch = _draw_stretch(utterance.path, left, sample_rate, rng)
        speech = np.concatenate([speech, stretch])
    return speech[:total]


def _draw_stretch(path, total, sample_rate, rng):
    """At most ``total`` samples from anywhere in a recording."""
    with open_audio(path) as file:
        frames, own_rate = file.frames, file.samplerate
    wanted = min(frames, math.ceil(total * own_rate / sample_rate))
    start = int(rng.integers(frames - wanted + 1))
    wave = read_audio(path, None, start, wanted)[:, 0].astype(np.float64)
    return resample(wave, own_rate, sample_rate)[:total]


def _at_level(signal, decibels):
    """Scales to a root mean square; silence stays silence."""
    rms = np.sqrt(np.mean(signal**2))
    return signal * (10 ** (decibels / 20) / rms) if rms > 0 else signal


def _draw_readers(speech, settings, rng):
    """Names of the talkers of a mixture, all different."""
    chosen, count = [], TalkerCounts.of(settings["num_spks"]).draw(rng)
    for sex in (settings["sexes"] or [None] * count)[:count]:
        names = [
            name
            for name, utterances in speech.items()
            if name not in chosen and sex in (None, utterances[0].sex)
        ]
        chosen.append(names[rng.integers(len(names))])
    return chosen


def _draw_utterances(spoken, settings, rng):
    """One utterance of a reader, or as many as fill a mixture."""
    first = int(rng.integers(len(spoken)))
    chosen = [(0.0, spoken[first])]
    if settings["join"]:
        over = spoken[first].seconds
        for other in rng.permutation(len(spoken)):
            pause = rng.uniform(*PAUSE)
            if over + pause >= settings["seconds"]:
                break
            if other != first:
                chosen.append((pause, spoken[other]))
                over += pause + spoken[other].seconds
    return chosen
