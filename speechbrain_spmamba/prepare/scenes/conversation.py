"""Draws the plan of a conversation: who speaks when, how loud, in which room.

Nothing is read and nothing is heard here: a plan is a ``Scene`` like any other,
follows from (seed, split, number) alone, and is rendered by ``render.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from speechbrain_spmamba.prepare.scenes.rooms import (
    Room,
    RoomLaw,
    check_range,
    draw_room,
)
from speechbrain_spmamba.prepare.scenes.scene import Scene, Track
from speechbrain_spmamba.prepare.scenes.timeline import lay_noise
from speechbrain_spmamba.prepare.scenes.turns import LEAST, lay_turns
from speechbrain_spmamba.prepare.seeded import generator
from speechbrain_spmamba.prepare.talker_counts import TalkerCounts

if TYPE_CHECKING:
    from speechbrain_spmamba.prepare.corpora.clips import Pools


# One microphone that hears everything as it was recorded.
NO_ROOM = Room((0.0, 0.0, 0.0), 0.0, ((0.0, 0.0, 0.0),), ())
LONGEST = 3600.0  # s of an item
# Least values.
NUMBERS = {
    "longest": LEAST,
    **dict.fromkeys(("least_speech", "event_spread", "fade", "crossfade"), 0),
}
MOST_AWAY = 0.6  # of an item: the rest is time to be heard before and after


@dataclass(frozen=True)
class ConversationLaw:
    """Every number that conversations are drawn by; seconds, LUFS and dB.

    A range is two numbers, and what is drawn is uniform in it.

    Arguments
    ---------
    seconds : float or tuple of float
        Length of an item, or its range; drawn to 0.1 s.
    num_spks : int, list or dict
        Talkers, all different: a number, the least and the most as ``[0, 3]``,
        or numbers with weights as ``{1: 1, 2: 3}``. Who finds no time to speak
        in a short item is not in it.
    overlap : float or tuple of float
        Share of the time with speech in which two or more speak, or its range;
        0 to 1. It is met as nearly as utterances allow; where the talkers'
        ``gap`` is not 0, there is no way to 1.
    at_once : int
        Most talkers who speak at the same time.
    turn : tuple of float
        Range of the length of a turn: utterances are joined until it is
        reached, the last one stays whole.
    longest : float
        Of an utterance that is longer, a stretch of this length is heard,
        from anywhere in it.
    gap : tuple of float
        Range of the silence between utterances of a turn; its lower bound is
        what a talker keeps between two turns.
    pause : tuple of float
        Range of the silence between turns that do not overlap. It is longer
        where nobody has anything left to say before an absent talker is back.
    margin : tuple of float
        Range of the silence before the first turn, and of that behind the
        last. What goes on longer is cut.
    away : tuple of float, optional
        Range of a stretch in which one talker, if there are two or more, is
        absent; speaks before and comes back. At most 0.6 of an item.
    least_speech : float
        Readers of whom there is less speech than this are not drawn.
    level : tuple of float
        Range of the first talker's loudness, LUFS, behind the room.
    sir : tuple of float
        Range of the first talker over each other one, LU.
    snr : tuple of float
        Range of the first talker, or of where the first would be, over the
        noise, LU. All of these are loudness while somebody speaks, by the
        gate of BS.1770: silence does not make a talker soft.
    event_spread : float
        The level of an utterance is uniform within ± this around that of its
        talker.
    fade : float
        Fades of what is cut.
    crossfade : float
        Between recordings of noise, which lasts as long as the item.
    noise_in_room : bool
        As in ``SceneLaw``.
    tries : int
        Drafts, of which the nearest to ``overlap`` is taken.
    room : RoomLaw, optional
        The ranges of rooms. Without it there is no room: everything is heard
        as it was recorded.
    """

    seconds: float | tuple = (30.0, 60.0)
    num_spks: int | list | tuple | dict = (1, 3)
    overlap: float | tuple = 0.2
    at_once: int = 2
    turn: tuple = (1.0, 10.0)
    longest: float = 15.0
    gap: tuple = (0.1, 0.5)
    pause: tuple = (0.2, 1.5)
    margin: tuple = (0.2, 0.5)
    away: tuple | None = None
    least_speech: float = 0.0
    level: tuple = (-33.0, -25.0)
    sir: tuple = (-5.0, 5.0)
    snr: tuple = (10.0, 20.0)
    event_spread: float = 1.0
    fade: float = 0.02
    crossfade: float = 1.0
    noise_in_room: bool = False
    tries: int = 20
    room: RoomLaw | None = None

    def __post_init__(self):
        counts = self.counts
        for name in ("turn", "gap", "pause", "margin"):
            value = check_range(name, getattr(self, name))
            _check(name, value, 0.0, LONGEST)
        for name in ("level", "sir", "snr"):
            check_range(name, getattr(self, name))
        shortest = 2 * self.margin[1] + 2 * LEAST
        low, _ = _check("seconds", self.seconds, shortest, LONGEST)
        _, most = _check("overlap", self.overlap, 0.0, 1.0)
        if self.away is not None:
            value = check_range("away", self.away)
            _check("away", value, 0.0, MOST_AWAY * low)
        many = 2 if most > 0 and counts.most > 1 else 1
        whole = {"at_once": many, "tries": 1}
        for name, least in {**NUMBERS, **whole}.items():
            value = getattr(self, name)
            kind = int if name in whole else (int, float)
            if not isinstance(value, kind) or not value >= least:
                what = "a whole number, " if name in whole else ""
                raise ValueError(
                    f"{name} is {value!r}; give {what}{least} or more"
                )

    @property
    def counts(self):
        """How many talk, as ``TalkerCounts``."""
        return TalkerCounts.of(self.num_spks)

    @property
    def sources(self):
        """Names of the references that every item has, silent or not."""
        return [f"s{i + 1}" for i in range(self.counts.most)]


def bounds(
    value: float | tuple[float, float], name: str = "range"
) -> tuple[float, float]:
    """A number or a range as a range.

    Arguments
    ---------
    value : float or tuple of float
        Of an argument.
    name : str
        Its name.

    Returns
    -------
    tuple of float
        The lower and the upper bound.

    Raises
    ------
    ValueError
        Neither.

    Example
    -------
    >>> bounds(0.2), bounds([30, 60])
    ((0.2, 0.2), (30.0, 60.0))
    """
    single = isinstance(value, (int, float))
    return check_range(name, (value, value) if single else value)


def _check(name, value, low, high):
    """The range, or an error where it is not within bounds."""
    found = bounds(value, name)
    if not low <= found[0] or not found[1] <= high:
        raise ValueError(
            f"{name} is {value}; give what is within {low:g} and {high:g}"
        )
    return found


def draw_conversation(
    pools: Pools, law: ConversationLaw, seed: int, split: str, number: int
) -> Scene:
    """Draws the plan of one item.

    Arguments
    ---------
    pools : Pools
        Clips of the split: speech, and noise if any.
    law : ConversationLaw
        The numbers.
    seed : int
        Of the data set.
    split : str
        Name of the split.
    number : int
        Of the item.

    Returns
    -------
    Scene
        The same for the same arguments, anywhere. Its tracks are ``s1``,
        ``s2``, ... of those who speak, and ``ambience`` where there is noise.

    Raises
    ------
    ValueError
        Fewer readers with enough speech than talkers.
    """
    rng = generator(seed, split, number)
    readers = [
        reader
        for reader, clips in pools.speech.items()
        if sum(clip.seconds for clip in clips) >= law.least_speech
    ]
    most = law.counts.most
    if len(readers) < most:
        raise ValueError(
            f"split {split} has {len(readers)} readers with "
            f"{law.least_speech:g} s of speech or more, {most} talkers an item "
            "need at least as many; add subsets or lower least_speech"
        )
    count = law.counts.draw(rng)
    low, high = bounds(law.seconds)
    seconds = min(max(round(float(rng.uniform(low, high)), 1), low), high)
    overlap = float(rng.uniform(*bounds(law.overlap)))
    law = replace(law, seconds=seconds, overlap=overlap)
    chosen = rng.choice(len(readers), size=count, replace=False)
    chosen = [readers[index] for index in chosen]
    said = lay_turns(rng, law, [pools.speech[reader] for reader in chosen])
    level = float(rng.uniform(*law.level))
    levels, tracks, classes = {"speech": level}, [], []

    def add(name, group, level, events, class_, in_room=True):
        in_room = in_room and law.room is not None
        source = len(classes) if in_room else None
        classes.extend([class_] * in_room)
        spread = law.event_spread if group else 0.0
        events = tuple(
            replace(event, level=level + float(rng.uniform(-spread, spread)))
            for event in events
        )
        tracks.append(Track(name, group, level, source, events))

    for reader, events in zip(chosen, said, strict=True):
        if events:
            below = float(rng.uniform(*law.sir)) if tracks else 0.0
            name = f"s{len(tracks) + 1}"
            add(name, reader, level - below, events, "speech")
    events = lay_noise(rng, law, pools.noise)
    if events:
        levels["noise"] = level - float(rng.uniform(*law.snr))
        mics = law.room.num_mics if law.room else 1
        in_room = law.noise_in_room or mics > 1
        add("ambience", "", levels["noise"], events, "noise", in_room)
    room = draw_room(rng, law.room, classes) if law.room else NO_ROOM
    return Scene(seed, split, number, seconds, levels, tuple(tracks), room)
