"""Draws the plan of one mixture: who, what, when, how loud, in which room.

Nothing is read and nothing is heard here. A plan follows from (seed, split,
number) alone and says everything that rendering needs, so that any mixture can
be made again by itself.

The laws are those of Divide and Remaster (DnR): events of a class follow one
another and never overlap, classes are independent. Deviations:

* Each of the readers has a track of their own by the law of DnR's one reader.
* No utterance, effect or piece of music comes twice in a scene.
* Levels are drawn around the class level and centred on it, so that the
  average of a class is exactly what was drawn for it.
* Effects and music begin anywhere that leaves time for all of them; DnR's
  begin at once, and leave the end of the scene empty.
* What is cut out of a longer recording begins and ends with a short fade.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from speechbrain_spmamba.prepare.scenes.rooms import Room, RoomLaw, draw_room
from speechbrain_spmamba.prepare.scenes.timeline import (
    Event,
    lay_noise,
    lay_parts,
    lay_speech,
)
from speechbrain_spmamba.prepare.seeded import generator
from speechbrain_spmamba.prepare.talker_counts import TalkerCounts

if TYPE_CHECKING:
    from speechbrain_spmamba.prepare.corpora.clips import Pools


@dataclass(frozen=True)
class SceneLaw:
    """Every number that scenes are drawn by; seconds and LUFS.

    Arguments
    ---------
    seconds : float
        Length of a scene.
    num_spks : int, list or dict
        Readers, all different: a number, the least and the most as
        ``[0, 3]``, or numbers with weights as ``{1: 1, 2: 3}``.
    speech_level, music_level, effects_level, background_level : float
        Middle of the range of a class's level; DnR's.
    noise_level : float
        The same for noise, which DnR does not have: that of its background.
    class_spread : float
        The level of a class is uniform within ± this, once a scene.
    reader_spread : float
        The level of a reader around that of speech.
    event_spread : float
        The level of an event around that of its track.
    speech_count, music_count, effects_count, background_count : float
        Mean of the Poisson law of the number of events that are tried, for
        speech of each reader; zero is drawn again.
    pause_shift, pause_scale, pause_shape : float
        Pause behind the next whole second: a skew-normal law in s.
    least_left : float
        An event is tried only while more than this share of its recording's
        length is left in the scene.
    last_onset : float
        Nothing but speech begins later than this before the end.
    part_mean, part_spread, part_least : float
        Length that is heard of effects and music: a normal law, mean and
        standard deviation in shares of what fits, at least so many seconds.
    longest_effect : float
        Effects begin with their recording; where that is longer than this
        (a stem of many effects), anywhere in it, like music.
    effects_fade, music_fade : float
        Fades of what is cut.
    crossfade : float
        Between recordings of noise, which lasts as long as the scene.
    noise_in_room : bool
        Whether noise goes through the room like everything else. WHAM! noise
        brings the reverberation of its own place, hence not by default; with
        several microphones it always does, to differ between them.
    room : RoomLaw
        The ranges of rooms.
    """

    seconds: float = 60.0
    num_spks: int | list | dict = 2
    speech_level: float = -17.0
    music_level: float = -24.0
    effects_level: float = -21.0
    background_level: float = -29.0
    noise_level: float = -29.0
    class_spread: float = 2.0
    reader_spread: float = 1.0
    event_spread: float = 1.0
    speech_count: float = 8.0
    music_count: float = 7.0
    effects_count: float = 12.0
    background_count: float = 6.0
    pause_shift: float = 1.0
    pause_scale: float = 2.0
    pause_shape: float = 5.0
    least_left: float = 0.3
    last_onset: float = 2.0
    part_mean: float = 0.5
    part_spread: float = 0.1
    part_least: float = 0.1
    longest_effect: float = 30.0
    effects_fade: float = 0.02
    music_fade: float = 0.5
    crossfade: float = 1.0
    noise_in_room: bool = False
    room: RoomLaw = field(default_factory=RoomLaw)

    def __post_init__(self):
        for name in ("seconds", "part_mean", "speech_count"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; give more than 0"
                )
        TalkerCounts.of(self.num_spks)

    @property
    def counts(self):
        """How many talk, as ``TalkerCounts``."""
        return TalkerCounts.of(self.num_spks)

    @property
    def sources(self):
        """Names of the references that every mixture has, silent or not."""
        return [f"s{i + 1}" for i in range(self.counts.most)]


@dataclass(frozen=True)
class Track:
    """All events of one reader, or of one class.

    Arguments
    ---------
    name : str
        ``s1``, ``s2``, ..., ``effects``, ``background``, ``music`` or
        ``ambience``.
    group : str
        The reader; empty for anything else.
    level : float
        Loudness in the mixture, behind the room, LUFS.
    source : int or None
        Number of its position in the room; None where it does not go
        through the room.
    events : tuple of Event
        In order of time.
    """

    name: str
    group: str
    level: float
    source: int | None
    events: tuple


@dataclass(frozen=True)
class Scene:
    """The plan of one mixture.

    Arguments
    ---------
    seed, split, number : int, str, int
        What it was drawn from.
    seconds : float
        Length.
    levels : dict
        Class -> level that was drawn for it, LUFS.
    tracks : tuple of Track
        Readers first, if there are any.
    room : Room
        Where it takes place.

    Example
    -------
    >>> import json
    >>> room = Room((5.0, 4.0, 3.0), 0.5, ((1.0, 1.0, 1.0),), ())
    >>> scene = Scene(0, "test", 7, 60.0, {"speech": -17.0}, (), room)
    >>> Scene.from_dict(json.loads(json.dumps(scene.to_dict()))) == scene
    True
    """

    seed: int
    split: str
    number: int
    seconds: float
    levels: dict
    tracks: tuple
    room: Room

    @property
    def readers(self):
        """The tracks of readers."""
        return [track for track in self.tracks if track.group]

    def to_dict(self):
        """Plain data, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data):
        """The scene that ``to_dict`` gave, also when read from JSON."""
        tracks = tuple(
            Track(**{**t, "events": tuple(Event(**e) for e in t["events"])})
            for t in data["tracks"]
        )
        room = dict(data["room"])
        room["size"] = tuple(room["size"])
        for key in ("mics", "sources"):
            room[key] = tuple(tuple(position) for position in room[key])
        return cls(**{**data, "tracks": tracks, "room": Room(**room)})


def draw_scene(
    pools: Pools, law: SceneLaw, seed: int, split: str, number: int
) -> Scene:
    """Draws the plan of one mixture.

    Arguments
    ---------
    pools : Pools
        Clips of the split. Effects also serve as background where there
        is no background; what there is none of is left out.
    law : SceneLaw
        The numbers.
    seed : int
        Of the data set.
    split : str
        Name of the split.
    number : int
        Of the mixture.

    Returns
    -------
    Scene
        The same for the same arguments, anywhere.

    Raises
    ------
    ValueError
        Fewer readers than talkers.
    """
    most = law.counts.most
    if len(pools.speech) < most:
        raise ValueError(
            f"split {split} has {len(pools.speech)} readers, {most} talkers a "
            "mixture need at least as many; add subsets"
        )
    rng = generator(seed, split, number)
    count = law.counts.draw(rng)
    levels, tracks, classes = {}, [], []

    def add(name, group, level, events, class_, in_room=True):
        source = len(classes) if in_room else None
        classes.extend([class_] * in_room)
        spread = 0.0 if class_ == "noise" else law.event_spread
        around = _around(rng, level, spread, len(events))
        events = tuple(
            replace(event, level=loud)
            for event, loud in zip(events, around, strict=True)
        )
        tracks.append(Track(name, group, float(level), source, events))

    def draw_level(class_):
        middle = getattr(law, f"{class_}_level")
        spread = law.class_spread
        levels[class_] = float(rng.uniform(middle - spread, middle + spread))
        return levels[class_]

    names = list(pools.speech)
    chosen = rng.choice(len(names), size=count, replace=False)
    middle = draw_level("speech") if count else 0.0
    loudness = _around(rng, middle, law.reader_spread, count)
    for index, (choice, level) in enumerate(zip(chosen, loudness, strict=True)):
        reader = names[choice]
        events = lay_speech(rng, law, pools.speech[reader])
        add(f"s{index + 1}", reader, level, events, "speech")
    for class_, clips in (
        ("effects", pools.effects),
        ("background", pools.background or pools.effects),
        ("music", pools.music),
    ):
        events = lay_parts(rng, law, class_, clips)
        if events:
            add(class_, "", draw_level(class_), events, class_)
    events = lay_noise(rng, law, pools.noise)
    if events:
        in_room = law.noise_in_room or law.room.num_mics > 1
        add("ambience", "", draw_level("noise"), events, "noise", in_room)

    room = draw_room(rng, law.room, classes)
    return Scene(seed, split, number, law.seconds, levels, tuple(tracks), room)


def _around(rng, centre, spread, count):
    """Levels within a spread whose average is the centre."""
    offsets = rng.uniform(-spread, spread, size=count)
    if count:
        offsets -= offsets.mean()
        most = np.abs(offsets).max()
        offsets *= min(1.0, spread / most) if most > 0 else 1.0
    return [float(centre + offset) for offset in offsets]
