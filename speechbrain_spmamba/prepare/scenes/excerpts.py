"""Cuts a short item out of a scene: the law of the released Echo2Mix.

The paper describes scenes of 60 s; what was released are items of 6 s with
levels of their own: the first reader over the others uniform in ±6 dB and over
everything else in 10 to 20 dB, measured on whole items behind the room (eight
of eight published examples agree). Where nobody speaks, an item begins
anywhere, and the rest is about as loud as beside a first reader. Settings and
plans call an excerpt `cut`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from speechbrain_spmamba.prepare.scenes.rooms import check_range
from speechbrain_spmamba.prepare.seeded import generator

if TYPE_CHECKING:
    from speechbrain_spmamba.prepare.scenes.scene import Scene


@dataclass(frozen=True)
class ExcerptLaw:
    """Every number that items are cut by.

    Arguments
    ---------
    seconds : float
        Length of an item.
    active : float
        Least share of the item in which each reader speaks. Readers of the
        published examples are active in 46 to 93 % of the time.
    tries : int
        Moments that are tried; without success, the best of them is taken.
    level : tuple of float
        Range of the first reader's loudness, LUFS; that of the examples.
    sir : tuple of float
        Range of the first reader over each other one, dB.
    snr : tuple of float
        Range of the first reader over all that is not speech, dB.
    most_gain : float
        No signal is amplified by more than this, dB: what is nearly silent
        in an item stays so.
    """

    seconds: float = 6.0
    active: float = 0.45
    tries: int = 100
    level: tuple = (-35.0, -26.0)
    sir: tuple[float, float] = (-6.0, 6.0)
    snr: tuple = (10.0, 20.0)
    most_gain: float = 40.0

    def __post_init__(self):
        for name in ("level", "sir", "snr"):
            check_range(name, getattr(self, name))
        if not self.seconds > 0 or not self.tries > 0:
            raise ValueError(
                f"seconds is {self.seconds} and tries {self.tries}; both "
                "must be more than 0"
            )


@dataclass(frozen=True)
class Excerpt:
    """A stretch of a scene and the levels in it.

    Arguments
    ---------
    start, seconds : float
        The stretch.
    level, sir, snr : float, tuple of float, float
        As drawn by the law; ``sir`` for each reader but the first.
    most_gain : float
        That of the law.

    Example
    -------
    >>> excerpt = Excerpt(3.0, 6.0, -30.0, (2.5,), 14.0, 40.0)
    >>> Excerpt.from_dict(excerpt.to_dict()) == excerpt
    True
    """

    start: float
    seconds: float
    level: float
    sir: tuple
    snr: float
    most_gain: float

    def to_dict(self):
        """Plain data, for JSON."""
        return {**vars(self), "sir": list(self.sir)}

    @classmethod
    def from_dict(cls, data):
        """The excerpt that ``to_dict`` gave, also when read from JSON."""
        return cls(**{**data, "sir": tuple(data["sir"])})


def draw_excerpt(scene: Scene, law: ExcerptLaw) -> tuple:
    """Draws where talkers are active, and the levels.

    Arguments
    ---------
    scene : Scene
        Long enough for an item.
    law : ExcerptLaw
        What is drawn from.

    Returns
    -------
    tuple
        The Scene without what cannot be heard in the item, and the Excerpt.

    Raises
    ------
    ValueError
        The scene is shorter than an item.
    """
    if scene.seconds < law.seconds:
        raise ValueError(
            f"items of {law.seconds:g} s cannot be cut from scenes of "
            f"{scene.seconds:g} s; make the scenes longer"
        )
    rng = generator(scene.seed, scene.split, scene.number, 1)
    best, start = -1.0, 0.0
    for moment in rng.uniform(0, scene.seconds - law.seconds, law.tries):
        least = min(
            (
                _active(track, moment, moment + law.seconds)
                for track in scene.readers
            ),
            default=law.seconds,
        )
        if least > best:
            best, start = least, float(moment)
        if least >= law.active * law.seconds:
            break
    others = max(len(scene.readers) - 1, 0)
    excerpt = Excerpt(
        start=start,
        seconds=law.seconds,
        level=float(rng.uniform(*law.level)),
        sir=tuple(rng.uniform(*law.sir, others).tolist()),
        snr=float(rng.uniform(*law.snr)),
        most_gain=law.most_gain,
    )
    return _trimmed(scene, excerpt), excerpt


def _active(track, start, end):
    """Seconds in which there is an event."""
    overlaps = [
        min(event.end, end) - max(event.onset, start) for event in track.events
    ]
    return float(np.maximum(overlaps, 0.0).sum())


def _trimmed(scene, excerpt):
    """The scene without events that have died away or not begun yet."""
    room = scene.room
    rings = room.rt60 + float(np.max(room.delays, initial=0.0))
    first = excerpt.start - rings
    last = excerpt.start + excerpt.seconds
    tracks, sources = [], []
    for track in scene.tracks:
        events = tuple(
            event if track.group else _shortened(event, first, last)
            for event in track.events
            if event.onset < last and event.end > first
        )
        if not events and not track.group:
            continue
        source = track.source
        if source is not None:
            sources.append(room.sources[source])
            source = len(sources) - 1
        tracks.append(replace(track, events=events, source=source))
    room = replace(room, sources=tuple(sources))
    return replace(scene, tracks=tuple(tracks), room=room)


def _shortened(event, first, last):
    """The part of an event within two moments, to be read alone.

    Utterances stay whole: their level is that of the whole.
    """
    sample_rate = event.sample_rate
    skip = max(math.floor((first - event.onset) * sample_rate), 0)
    drop = max(math.floor((event.end - last) * sample_rate), 0)
    return replace(
        event,
        start=event.start + skip,
        frames=event.frames - skip - drop,
        onset=event.onset + skip / sample_rate,
        fade_in=0.0 if skip else event.fade_in,
        fade_out=0.0 if drop else event.fade_out,
    )
