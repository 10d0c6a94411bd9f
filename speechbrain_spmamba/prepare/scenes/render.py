"""Turns a plan into sound: stems and their sum, as arrays.

Every event is read, brought to its level, and sent through the response of
its place; what is silent is not convolved. Then each track is brought to the
level it has in the mixture:

* a whole scene: the track's planned loudness;
* an excerpt of a scene: the planned ratios over the whole of it.

A file that turns out to be bad is left out and reported; a reader who is
silent for this reason makes the mixture useless, which is reported too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from speechbrain_spmamba.audio import read_audio, resample, rms_level
from speechbrain_spmamba.prepare.scenes.acoustics import (
    direct_response,
    early_response,
)
from speechbrain_spmamba.prepare.scenes.loudness import loudness
from speechbrain_spmamba.prepare.scenes.rooms import impulse_responses
from speechbrain_spmamba.prepare.seeded import generator

if TYPE_CHECKING:
    from speechbrain_spmamba.prepare.scenes.excerpts import Excerpt
    from speechbrain_spmamba.prepare.scenes.scene import Scene
    from speechbrain_spmamba.prepare.scenes.timeline import Event


REFERENCES = ("reverberant", "early", "dry")
MOST_GAIN = 40.0  # dB: a nearly silent event is not made a loud one
PEAK = 0.9  # joint scaling for integer formats keeps everything below


@dataclass
class Rendered:
    """What became of a plan.

    Arguments
    ---------
    signals : dict
        ``mix``, ``s1``, ``s2``, ... of those who talk, ``noise`` (all of the
        mixture but the references), then ``effects``, ``background``,
        ``music`` and ``ambience`` as far as they are in the scene; float32,
        ``[mics, T]``.
    problems : list of str
        Files that could not be used.
    silent : list of str
        References without sound, of those who should talk.
    """

    signals: dict
    problems: list = field(default_factory=list)
    silent: list = field(default_factory=list)


def render(
    scene: Scene,
    sample_rate: int,
    reference: str = "reverberant",
    excerpt: Excerpt | None = None,
) -> Rendered:
    """Renders a scene, or an excerpt of it.

    Arguments
    ---------
    scene : Scene
        Who, what, when and where.
    sample_rate : int
        Rate in Hz; recordings at other rates are resampled.
    reference : str
        What ``s1``, ``s2``, ... hold of the reverberation that the mixture
        has: ``reverberant`` all, ``early`` the first 50 ms behind the direct
        path, ``dry`` the direct path. The rest goes to ``noise``.
    excerpt : Excerpt, optional
        Makes only this stretch, at its levels.

    Returns
    -------
    Rendered
        Its mixture is the sum of its references and noise to float32's
        precision.

    Raises
    ------
    ValueError
        No such reference.
    """
    if reference not in REFERENCES:
        raise ValueError(
            f"reference is '{reference}'; give {', '.join(REFERENCES)}"
        )
    room, problems = scene.room, []
    rng = generator(scene.seed, scene.split, scene.number, 2)
    start = excerpt.start if excerpt else 0.0
    length = round((excerpt or scene).seconds * sample_rate)
    responses = [
        # With its energy at 1 a response keeps levels, more or less.
        (response, 1 / math.sqrt(np.sum(response[0] ** 2)))
        for response in impulse_responses(
            room, sample_rate, int(rng.integers(2**31))
        )
    ]

    stems, references = {}, {}
    for track in scene.tracks:
        filters = [None]
        if track.source is not None:
            response, scale = responses[track.source]
            filters = [response * scale]
            if track.group and reference != "reverberant":
                part = _reference_response(
                    response, room, sample_rate, track.source, reference
                )
                filters.append(part * scale)
        shape = len(filters), len(room.mics), length
        sound = _place_events(
            track, filters, shape, start, sample_rate, problems
        )
        if excerpt is None:
            sound *= _gain(loudness(sound[0, 0], sample_rate), track.level)
        stems[track.name] = sound[0]
        if track.group:
            one = len(filters) == 1
            references[track.name] = stems[track.name] if one else sound[1]
    if excerpt is not None:
        _level_excerpt(stems, references, excerpt, sample_rate)

    rest = [stem for name, stem in stems.items() if name not in references]
    if reference != "reverberant" or not rest:
        rest += [stems[name] - references[name] for name in references]
    signals = {name: _single(wave) for name, wave in references.items()}
    silence = np.zeros((len(room.mics), length))
    signals["noise"] = _single(sum(rest, silence))
    mix = _single(sum(wave.astype(np.float64) for wave in signals.values()))
    silent = [n for n in references if not signals[n].any()]
    others = {n: _single(s) for n, s in stems.items() if n not in references}
    return Rendered({"mix": mix, **signals, **others}, problems, silent)


def fit_to_integers(signals: dict) -> dict:
    """Scales signals that belong together so that none is clipped.

    Arguments
    ---------
    signals : dict
        Name -> array; one factor for all.

    Returns
    -------
    dict
        The same signals where none reaches beyond 0.9, else louder ones
        scaled down to it.

    Example
    -------
    >>> fit_to_integers({"a": np.array([1.8, 0.0]), "b": np.array([0.4])})
    {'a': array([0.9, 0. ]), 'b': array([0.2])}
    """
    peak = max(np.abs(signal).max(initial=0.0) for signal in signals.values())
    if peak <= PEAK:
        return signals
    return {name: signal * (PEAK / peak) for name, signal in signals.items()}


def _single(wave):
    return wave.astype(np.float32)


def _reference_response(response, room, sample_rate, source, reference):
    """The part of a response that a reference keeps."""
    if reference == "dry":
        return direct_response(room, sample_rate, source)
    return early_response(response, room, sample_rate, source)


def _place_events(track, filters, shape, start, sample_rate, problems):
    """The track through each filter, ``[filters, mics, T]``, from ``start``."""
    from scipy.signal import oaconvolve

    sound = np.zeros(shape)
    for event in track.events:
        try:
            wave = read_event(event, sample_rate)
        except ValueError as error:
            problems.append(str(error))
            continue
        if not wave.any():
            # Music may pause where it was cut; nobody speaks in silence.
            if track.group:
                problems.append(f"{event.path} is silent; remove it")
            continue
        at = round((event.onset - start) * sample_rate)
        for target, response in zip(sound, filters, strict=True):
            heard = wave[None]
            if response is not None:
                heard = oaconvolve(heard, response.astype(np.float32), axes=1)
            first, last = max(at, 0), min(at + heard.shape[1], shape[2])
            if first < last:
                target[:, first:last] += heard[:, first - at : last - at]
    return sound


def read_event(event: Event, sample_rate: int) -> np.ndarray:
    """Reads an event, resamples it, and brings it to its level.

    Arguments
    ---------
    event : Event
        The stretch, its level and its fades.
    sample_rate : int
        Wanted rate in Hz.

    Returns
    -------
    numpy.ndarray
        First channel, float32, shape ``[T]``; silence stays silence.

    Raises
    ------
    ValueError
        Not readable, not at the rate that was planned with, or with samples
        that are no numbers.
    """
    wave = read_audio(event.path, event.sample_rate, event.start, event.frames)[
        :, 0
    ]
    wave = resample(wave, event.sample_rate, sample_rate)
    level = loudness(wave, sample_rate)
    if math.isnan(level):
        raise ValueError(
            f"{event.path} holds samples that are no numbers in "
            f"{event.start} to {event.start + event.frames}; replace or "
            "remove it"
        )
    wave = wave * np.float32(_gain(level, event.level, MOST_GAIN))
    # Two unrelated noises keep their power while one fades into the other.
    for seconds, ramped in (
        (event.fade_in, wave),
        (event.fade_out, wave[::-1]),
    ):
        ramp = min(round(seconds * sample_rate), len(wave))
        steps = (np.arange(ramp, dtype=np.float32) + 0.5) / max(ramp, 1)
        ramped[:ramp] *= np.sin(np.pi / 2 * steps)
    return wave


def _gain(found, wanted, most=math.inf):
    """Factor from one level to another in dB; 0 where nothing is heard."""
    if not math.isfinite(found):
        return 0.0
    return 10 ** (min(wanted - found, most) / 20)


def _level_excerpt(stems, references, excerpt, sample_rate):
    """Brings the parts of an excerpt to its ratios, in place."""
    names = list(references)
    loud = excerpt.level  # nobody speaks: the first one's, as if LUFS were RMS
    if names:
        first = stems[names[0]][0]
        found = loudness(first, sample_rate)
        gain = _gain(found, excerpt.level, excerpt.most_gain)
        _scale(stems, references, names[:1], gain)
        loud = rms_level(first)  # scaled in place
    for name, sir in zip(names[1:], excerpt.sir, strict=True):
        gain = _gain(rms_level(stems[name][0]), loud - sir, excerpt.most_gain)
        _scale(stems, references, [name], gain)
    rest = [name for name in stems if name not in references]
    if rest:
        found = rms_level(sum(stems[name] for name in rest)[0])
        gain = _gain(found, loud - excerpt.snr, excerpt.most_gain)
        _scale(stems, references, rest, gain)


def _scale(stems, references, names, gain):
    """Multiplies stems and what references keep of them by a factor."""
    for name in names:
        stems[name] *= gain
        kept = references.get(name)
        if kept is not None and kept is not stems[name]:
            kept *= gain
