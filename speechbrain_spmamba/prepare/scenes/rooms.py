"""Rooms: what they may be like, one that was drawn, its impulse responses.

A room is a box with one absorption coefficient, drawn from stated ranges, with
sources and microphones in it.
"""

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from speechbrain_spmamba.prepare.scenes.acoustics import (
    SPEED,
    direct_response,
    hybrid,
)

# Functions (room, sample_rate, seed, order) -> [mics, taps] for each source.
BACKENDS = {"pyroomacoustics": hybrid}


@dataclass(frozen=True)
class RoomLaw:
    """Ranges that rooms are drawn from, uniformly; metres and seconds.

    Arguments
    ---------
    length, width, height : tuple of float
        Sides of the box.
    rt60 : tuple of float
        Reverberation time: until the sound has decayed by 60 dB.
    mic_height, talker_height, other_height : tuple of float
        Heights above the floor.
    distance : tuple of float
        From a source to the microphone; up to 6 m as in SonicSim.
    wall_gap, apart : float
        Least distance from walls, and of sources from each other.
    num_mics : int
        Microphones; more than one stand on a level circle.
    mic_radius : float
        Radius of this circle.
    anechoic : bool
        Whether there are no walls: direct sound only.
    order : int
        Reflections of image sources; later ones are traced.
    backend : str
        What computes responses: a key of ``BACKENDS`` or the dotted name of
        a function with the signature of ``hybrid``.
    """

    length: tuple = (4.0, 10.0)
    width: tuple = (3.0, 8.0)
    height: tuple = (2.5, 4.0)
    rt60: tuple = (0.2, 0.8)
    mic_height: tuple = (1.2, 1.8)
    talker_height: tuple = (1.2, 1.8)
    other_height: tuple = (0.3, 2.2)
    distance: tuple = (0.5, 6.0)
    wall_gap: float = 0.4
    apart: float = 0.5
    num_mics: int = 1
    mic_radius: float = 0.05
    anechoic: bool = False
    order: int = 3
    backend: str = "pyroomacoustics"

    def __post_init__(self):
        if self.num_mics < 1:
            raise ValueError(f"num_mics is {self.num_mics}; give 1 or more")
        gap = self.wall_gap + self.mic_radius
        for name in ("length", "width", "height", "rt60", "distance"):
            low, high = check_range(name, getattr(self, name))
            least = 2 * gap if name in ("length", "width") else 0
            if not least < low:
                raise ValueError(
                    f"{name} is {[low, high]}; give a range above {least:g}"
                )
        for name in ("mic_height", "talker_height", "other_height"):
            low, high = check_range(name, getattr(self, name))
            if not 0 < low or not high < self.height[0]:
                raise ValueError(
                    f"{name} is {[low, high]}; give a range between 0 and "
                    f"the lowest room, {self.height[0]:g} m"
                )


def check_range(name: str, values: Any) -> tuple[float, float]:
    """Lets two numbers pass, and names everything else.

    Arguments
    ---------
    name : str
        Of the argument.
    values : Any
        Its value.

    Returns
    -------
    tuple of float
        The lower and the upper bound.

    Raises
    ------
    ValueError
        Not two numbers in order.

    Example
    -------
    >>> check_range("rt60", 0.5)
    Traceback (most recent call last):
    ...
    ValueError: rt60 is 0.5; give two numbers, the lower one first
    """
    try:
        low, high = (float(value) for value in values)
        ordered = low <= high
    except (TypeError, ValueError):
        ordered = False
    if not ordered:
        raise ValueError(
            f"{name} is {values}; give two numbers, the lower one first"
        )
    return low, high


@dataclass(frozen=True)
class Room:
    """One room with what stands in it; metres and seconds.

    Arguments
    ---------
    size : tuple of float
        Length, width, height.
    rt60 : float
        Reverberation time; 0 where there are no walls.
    mics, sources : tuple of tuple of float
        Positions ``(x, y, z)``.
    order, backend : int, str
        As in ``RoomLaw``.
    """

    size: tuple
    rt60: float
    mics: tuple
    sources: tuple
    order: int = 3
    backend: str = "pyroomacoustics"

    @property
    def delays(self):
        """Seconds that direct sound travels, ``[sources, mics]``.

        Known from the positions: the direct path is often not the largest
        sample of a response, so that looking for it there goes wrong.
        """
        sources = np.reshape(self.sources, (-1, 3))  # perhaps none
        mics = np.array(self.mics)
        return np.linalg.norm(sources[:, None] - mics, axis=-1) / SPEED


def draw_room(
    rng: np.random.Generator, law: RoomLaw, sources: list[str]
) -> Room:
    """Draws a room, the receiver and the sources.

    Arguments
    ---------
    rng : numpy.random.Generator
        Draws everything.
    law : RoomLaw
        The ranges.
    sources : list of str
        What each source is: ``speech`` stands as high as a talker.

    Returns
    -------
    Room
        Positions in millimetres' precision.

    Example
    -------
    >>> room = draw_room(np.random.default_rng(0), RoomLaw(), ["speech"] * 2)
    >>> len(room.mics), len(room.sources), room.delays.shape
    (1, 2, (2, 1))
    """
    size = [rng.uniform(*x) for x in (law.length, law.width, law.height)]
    rt60 = 0.0 if law.anechoic else rng.uniform(*law.rt60)
    gap = law.wall_gap + law.mic_radius
    centre = [
        rng.uniform(gap, size[0] - gap),
        rng.uniform(gap, size[1] - gap),
        rng.uniform(*law.mic_height),
    ]
    angles = rng.uniform(0, 2 * np.pi)
    angles += 2 * np.pi * np.arange(law.num_mics) / law.num_mics
    radius = law.mic_radius if law.num_mics > 1 else 0.0
    mics = [
        (centre[0] + radius * np.cos(a), centre[1] + radius * np.sin(a))
        for a in angles
    ]
    placed = []
    for class_ in sources:
        heights = law.talker_height if class_ == "speech" else law.other_height
        placed.append(_place(rng, law, size, centre, heights, placed))
    return Room(
        size=_millimetres(size),
        rt60=round(float(rt60), 4),
        mics=tuple(_millimetres((*mic, centre[2])) for mic in mics),
        sources=tuple(_millimetres(source) for source in placed),
        order=law.order,
        backend=law.backend,
    )


def _place(rng, law, size, centre, heights, placed):
    """A position in the room that keeps its distances, if there is one."""
    low = [law.wall_gap, law.wall_gap, heights[0]]
    high = [size[0] - law.wall_gap, size[1] - law.wall_gap, heights[1]]
    tries = rng.uniform(low, high, size=(64, 3))
    away = np.linalg.norm(tries - centre, axis=1)
    missed = np.maximum(law.distance[0] - away, away - law.distance[1])
    for other in placed:
        near = np.linalg.norm(tries - other, axis=1)
        missed = np.maximum(missed, law.apart - near)
    # The first good one; in a crowded room, the one that misses least.
    return tries[np.argmin(np.maximum(missed, 0.0))]


def _millimetres(position):
    return tuple(round(float(x), 3) for x in position)


def impulse_responses(
    room: Room, sample_rate: int, seed: int, order: int | None = None
) -> list[np.ndarray]:
    """Computes the responses from every source to every microphone.

    Arguments
    ---------
    room : Room
        The room; it also names the back end.
    sample_rate : int
        That of the responses, in Hz.
    seed : int
        The same seed gives the same samples.
    order : int, optional
        Reflections of image sources, if not the room's own.

    Returns
    -------
    list of numpy.ndarray
        For each source, ``[mics, taps]``, float64; sample 0 is the moment
        of emission.

    Raises
    ------
    ValueError
        No such back end.

    Example
    -------
    >>> room = Room((5, 4, 3), 0.0, ((1, 1, 1),), ((4.43, 1, 1),))
    >>> (response,) = impulse_responses(room, 16000, seed=0)
    >>> print(response[0].argmax(), round(response[0].max() * 3.43, 3))
    160 1.0
    """
    order = room.order if order is None else order
    if room.rt60 == 0:
        return [
            direct_response(room, sample_rate, s)
            for s in range(len(room.sources))
        ]
    return _backend(room.backend)(room, sample_rate, seed, order)


def _backend(name):
    """A function by its key or its dotted name."""
    if name in BACKENDS:
        return BACKENDS[name]
    module, _, function = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError):
        raise ValueError(
            f"room backend is '{name}'; give {', '.join(BACKENDS)} or the "
            "dotted name of a function (room, sample_rate, seed, order)"
        ) from None
