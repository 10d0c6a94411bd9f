"""Cuts a short item out of a scene: the law of the released Echo2Mix.

The paper describes scenes of 60 s; what was released are items of 6 s with
levels of their own: the first reader over the others uniform in ±6 dB and over
everything else in 10 to 20 dB, measured on whole clips behind the room (eight
of eight published examples agree).
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from speechbrain_spmamba.prepare.scenes.rooms import check_range
from speechbrain_spmamba.prepare.scenes.scene import scene_rng


@dataclass(frozen=True)
class CutLaw:
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
    sir: tuple = (-6.0, 6.0)
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
class Cut:
    """A stretch of a scene and the levels in it.

    Arguments
    ---------
    start, seconds : float
        The stretch.
    level : float
        The first reader's loudness, LUFS.
    sir : tuple of float
        The first reader over each of the others, dB.
    snr : float
        The first reader over all that is not speech, dB.
    most_gain : float
        Bound of amplification, dB.

    Example
    -------
    >>> cut = Cut(3.0, 6.0, -30.0, (2.5,), 14.0, 40.0)
    >>> Cut.from_dict(cut.to_dict()) == cut
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
        """The cut that ``to_dict`` gave, also when read from JSON."""
        return cls(**{**data, "sir": tuple(data["sir"])})


def draw_cut(scene, law):
    """Draws where talkers are active, and the levels.

    Arguments
    ---------
    scene : Scene
        Long enough for an item.
    law : CutLaw
        The numbers.

    Returns
    -------
    tuple
        The Scene without what cannot be heard in the item, and the Cut.

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
    rng = scene_rng(scene.seed, scene.split, scene.number, 1)
    best, start = -1.0, 0.0
    for moment in rng.uniform(0, scene.seconds - law.seconds, law.tries):
        least = min(
            _active(track, moment, moment + law.seconds)
            for track in scene.readers
        )
        if least > best:
            best, start = least, float(moment)
        if least >= law.active * law.seconds:
            break
    cut = Cut(
        start=start,
        seconds=law.seconds,
        level=float(rng.uniform(*law.level)),
        sir=tuple(rng.uniform(*law.sir, len(scene.readers) - 1).tolist()),
        snr=float(rng.uniform(*law.snr)),
        most_gain=law.most_gain,
    )
    return _trimmed(scene, cut), cut


def _active(track, start, end):
    """Seconds in which there is an event."""
    overlaps = [
        min(event.end, end) - max(event.onset, start) for event in track.events
    ]
    return float(np.maximum(overlaps, 0.0).sum())


def _trimmed(scene, cut):
    """The scene without events that have died away or not begun yet."""
    room = scene.room
    rings = room.rt60 + float(np.max(room.delays, initial=0.0))
    first, last = cut.start - rings, cut.start + cut.seconds
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
    rate = event.sample_rate
    skip = max(math.floor((first - event.onset) * rate), 0)
    drop = max(math.floor((event.end - last) * rate), 0)
    return replace(
        event,
        start=event.start + skip,
        frames=event.frames - skip - drop,
        onset=event.onset + skip / rate,
        fade_in=0.0 if skip else event.fade_in,
        fade_out=0.0 if drop else event.fade_out,
    )
