"""Room acoustics on arrays: impulse responses and how long they ring.

pyroomacoustics finds the image sources up to a low order, which give the
direct path and the first reflections, and traces rays for the energy of the
tail in bins of 8 ms, which shapes white noise. It would assemble the same
parts itself (``ShoeBox.compute_rir``); its loops over single reflections in
Python take most of the time of a response, so the assembly is done here, on
whole arrays. A test holds the two together but for the tail's level, 1.3 dB
lower here: pyroomacoustics scales its sequence of reflections by the number of
samples they hit and adds those that hit the same one.

The absorption follows Eyring's formula: with Sabine's, which assumes little
absorption, measured reverberation times fall 10 % short of 0.5 s.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from speechbrain_spmamba.prepare.scenes.rooms import Room


SPEED = 343.0  # of sound, m/s, in dry air of 20 degrees; pyroomacoustics' too
EARLY = 0.05  # s behind the direct path that help to understand speech
REACH = 40  # samples on both sides of a pulse that lies between samples
BIN = 0.008  # s, resolution of the energy of the tail
RADIUS = 0.5  # m, of the sphere around a microphone that counts rays
HITS = 10  # rays that meet this sphere in each bin, on average
SCATTERING = 0.3  # with less, a box rings on along its longest side


def direct_response(room: Room, sample_rate: int, source: int) -> np.ndarray:
    """The direct path alone, which is what a dry reference goes through.

    Arguments
    ---------
    room : Room
        Where source and microphones are.
    sample_rate : int
        Rate in Hz.
    source : int
        Number of the source.

    Returns
    -------
    numpy.ndarray
        ``[mics, taps]``: pulses of height 1 over distance.
    """
    delays = room.delays[source]
    taps = math.ceil(delays.max() * sample_rate) + REACH + 1
    gains = 1 / (delays * SPEED)
    pairs = zip(delays * sample_rate, gains, strict=True)
    return np.stack([_pulses([d], [g], taps) for d, g in pairs])


def early_response(
    response: np.ndarray, room: Room, sample_rate: int, source: int
) -> np.ndarray:
    """The direct path and what follows it within 50 ms.

    Arguments
    ---------
    response : numpy.ndarray
        ``[mics, taps]``.
    room, sample_rate, source
        As in ``direct_response``.

    Returns
    -------
    numpy.ndarray
        The beginning of the response; later samples are cut or zero.
    """
    ends = np.round((room.delays[source] + EARLY) * sample_rate).astype(int)
    early = response[:, : ends.max()].copy()
    for channel, end in zip(early, ends, strict=True):
        channel[end:] = 0.0
    return early


def hybrid(
    room: Room, sample_rate: int, seed: int, order: int
) -> list[np.ndarray]:
    """The default back end: image sources and traced rays.

    Arguments
    ---------
    room, sample_rate
        As in ``direct_response``.
    seed : int
        Seeds pyroomacoustics and the noise of the tail.
    order : int
        That of ``RoomLaw``.

    Returns
    -------
    list of numpy.ndarray
        For each source, ``[mics, taps]``.
    """
    import pyroomacoustics as pra

    # Ray tracing listens to this seed only, not to numpy's.
    pra.random.seed(seed)
    pra.constants.set("num_threads", 1)
    material = pra.Material(absorption(room.size, room.rt60), SCATTERING)
    box = pra.ShoeBox(
        room.size, fs=sample_rate, materials=material, max_order=order
    )
    per_bin = math.pi * RADIUS**2 * SPEED * BIN / math.prod(room.size)
    box.set_ray_tracing(
        n_rays=math.ceil(HITS / per_bin),
        receiver_radius=RADIUS,
        energy_thres=1e-6,
        time_thres=1.2 * room.rt60 + 0.1,
        hist_bin_size=BIN,
    )
    box.add_microphone_array(np.array(room.mics).T)
    for source in room.sources:
        box.add_source(list(source))
    box.image_source_model()
    box.ray_tracing()

    rng = np.random.default_rng(seed)
    responses = []
    for s, source in enumerate(box.sources):
        # 60 dB below the direct sound, nothing is left to hear.
        taps = math.ceil((room.delays[s].max() + room.rt60) * sample_rate)
        response = np.zeros((len(room.mics), taps))
        for m, mic in enumerate(room.mics):
            seen = box.visibility[s][m] > 0
            images = source.images[:, seen].T.astype(np.float64)
            away = np.linalg.norm(images - mic, axis=1)
            gains = source.damping[0, seen] / away
            response[m] = _pulses(away / SPEED * sample_rate, gains, taps)
            energy = np.sum(box.rt_histograms[m][s][0], axis=0)
            tail = _tail(rng, energy, taps, round(BIN * sample_rate))
            # Bins are coarse: nothing may arrive before the direct sound.
            tail[: round(room.delays[s, m] * sample_rate)] = 0.0
            response[m] += tail
        responses.append(response)
    return responses


def absorption(size: tuple[float, ...], rt60: float) -> float:
    """Share of energy that walls absorb for a reverberation time (Eyring).

    Arguments
    ---------
    size : tuple of float
        Length, width, height in m.
    rt60 : float
        Reverberation time in s.

    Returns
    -------
    float
        Between 0 and 1.

    Example
    -------
    >>> round(absorption((6, 5, 3), 0.5), 3)
    0.206
    """
    x, y, z = size
    surface = 2 * (x * y + y * z + x * z)
    decay = 24 * math.log(10) * x * y * z / (SPEED * surface * rt60)
    return 1 - math.exp(-decay)


def _pulses(delays, gains, taps):
    """Pulses between samples: sinc functions under a raised cosine."""
    delays, gains = np.asarray(delays), np.asarray(gains)
    at = np.floor(delays).astype(int)[:, None] + np.arange(-REACH, REACH + 1)
    time = at - delays[:, None]
    window = 0.5 + 0.5 * np.cos(np.pi * time / (REACH + 1))
    shapes = gains[:, None] * np.sinc(time) * window
    inside = (at >= 0) & (at < taps)
    return np.bincount(at[inside], shapes[inside], taps)


def _tail(rng, energy, taps, width):
    """Noise with given energies in bins of a width in samples."""
    centres = (np.arange(len(energy)) + 0.5) * width
    power = np.interp(np.arange(taps), centres, energy / width)
    return rng.standard_normal(taps) * np.sqrt(power)


def measure_rt60(response: np.ndarray, sample_rate: int) -> float:
    """Reverberation time of a response by Schroeder's backward integration.

    Arguments
    ---------
    response : numpy.ndarray
        ``[taps]``.
    sample_rate : int
        Its rate in Hz.

    Returns
    -------
    float
        Seconds; NaN where the response does not decay by 35 dB. From the
        slope between -5 and -35 dB (T30 of ISO 3382).

    Example
    -------
    >>> time = np.arange(16000) / 16000
    >>> decay = 10 ** (-3 * time / 0.4)  # 60 dB in 0.4 s
    >>> round(measure_rt60(decay, 16000), 3)
    0.4
    """
    left = np.cumsum(np.square(response)[::-1])[::-1]
    if not left[0] > 0:
        return math.nan
    decibels = 10 * np.log10(np.maximum(left / left[0], 1e-12))
    first, last = np.argmax(decibels <= -5), np.argmax(decibels <= -35)
    if last - first < 2:
        return math.nan
    time = np.arange(first, last) / sample_rate
    slope, _ = np.polyfit(time, decibels[first:last], 1)
    return float(-60 / slope)
