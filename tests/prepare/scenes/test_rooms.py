"""Rooms keep their ranges; responses have their delays and decay in time."""

import math

import numpy as np
import pyroomacoustics as pra
import pytest

from speechbrain_spmamba.prepare.scenes import acoustics
from speechbrain_spmamba.prepare.scenes.acoustics import (
    direct_response,
    early_response,
    measure_rt60,
)
from speechbrain_spmamba.prepare.scenes.rooms import (
    Room,
    RoomLaw,
    draw_room,
    impulse_responses,
)

RATE = 16000
ROOM = Room(
    size=(6.0, 5.0, 3.0),
    rt60=0.5,
    mics=((3.0, 2.0, 1.5), (3.1, 2.0, 1.5)),
    sources=((1.0, 1.5, 1.4), (4.5, 4.0, 1.7)),
)


def fake_backend(room, rate, seed, order):
    """Stands for another simulator."""
    shape = len(room.mics), 10
    return [np.full(shape, seed + order) for _ in room.sources]


def _rooms(count, law=None, kinds=("speech", "speech", "music")):
    return [
        draw_room(np.random.default_rng(n), law or RoomLaw(), list(kinds))
        for n in range(count)
    ]


def test_rooms_keep_their_ranges():
    law = RoomLaw(num_mics=3)
    for room in _rooms(200, law):
        for side, (low, high) in zip(
            room.size, (law.length, law.width, law.height), strict=True
        ):
            assert low <= side <= high
        assert 0.2 <= room.rt60 <= 0.8
        for position in (*room.mics, *room.sources):
            for x, side in zip(position[:2], room.size[:2], strict=True):
                assert 0.399 <= x <= side - 0.399
            assert 0 < position[2] < room.size[2]
        assert all(1.2 <= source[2] <= 1.8 for source in room.sources[:2])
        away = room.delays * acoustics.SPEED
        assert 0.44 < away.min() and away.max() < 6.06
        one, two, three = map(np.array, room.sources)
        assert np.linalg.norm(one - two) > 0.498
        mics = np.array(room.mics)
        assert np.linalg.norm(mics - mics.mean(0), axis=1) == pytest.approx(
            0.05, abs=2e-3
        )


def test_reverberation_lasts_as_long_as_planned():
    ratios = []
    for seed, room in enumerate(_rooms(12)):
        for response in impulse_responses(room, RATE, seed):
            ratios.append(measure_rt60(response[0], RATE) / room.rt60)
    assert np.isfinite(ratios).all()
    assert abs(np.mean(ratios) - 1) < 0.1
    assert np.std(ratios) < 0.2


def test_direct_sound_arrives_when_geometry_says():
    for source, response in enumerate(impulse_responses(ROOM, RATE, 0)):
        for mic in range(2):
            delay = ROOM.delays[source, mic] * RATE
            first = np.argmax(
                np.abs(response[mic]) > 0.1 / 343 / ROOM.delays.max()
            )
            assert first <= delay + 1 and first > delay - 45
            at = round(delay)
            pulse = direct_response(ROOM, RATE, source)[mic]
            assert np.abs(pulse).argmax() == at
            near = slice(at - 3, at + 4)
            # Reflections come later than three samples here.
            rest = response[mic, near] - pulse[near]
            assert np.abs(rest).max() < 0.1 * np.abs(pulse).max()


def test_a_dry_response_delays_and_weakens_only():
    time = np.arange(2000) / RATE
    tone = np.sin(2 * np.pi * 440 * time)
    pulse = direct_response(ROOM, RATE, 0)[0]
    heard = np.convolve(tone, pulse)[500:1500]
    delay = ROOM.delays[0, 0]
    expected = np.sin(2 * np.pi * 440 * (time - delay)) / (343 * delay)
    np.testing.assert_allclose(heard, expected[500:1500], atol=2e-3)


def test_an_early_response_ends_after_50_ms():
    response = impulse_responses(ROOM, RATE, 0)[1]
    early = early_response(response, ROOM, RATE, 1)
    for mic in range(2):
        end = round((ROOM.delays[1, mic] + 0.05) * RATE)
        np.testing.assert_array_equal(early[mic, :end], response[mic, :end])
        assert not early[mic, end:].any()


def test_the_seed_decides_and_nothing_else():
    first = impulse_responses(ROOM, RATE, 3)
    np.random.seed(1)
    pra.random.seed(99)
    again = impulse_responses(ROOM, RATE, 3)
    other = impulse_responses(ROOM, RATE, 4)
    for a, b, c in zip(first, again, other, strict=True):
        assert a.shape[0] == 2 and len(a[0]) > 0.5 * RATE
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)
        assert not np.array_equal(a[0], a[1])


def _reference(room, seed):
    """The same room, assembled by pyroomacoustics itself."""
    pra.random.seed(seed)
    share = acoustics.absorption(room.size, room.rt60)
    box = pra.ShoeBox(
        room.size,
        fs=RATE,
        materials=pra.Material(share, acoustics.SCATTERING),
        max_order=3,
        ray_tracing=True,
    )
    box.set_ray_tracing(n_rays=3000, hist_bin_size=acoustics.BIN)
    box.add_microphone_array(np.array(room.mics).T)
    for source in room.sources:
        box.add_source(list(source))
    box.compute_rir()
    shift = pra.constants.get("frac_delay_length") // 2
    return [box.rir[0][s][shift:] for s in range(len(room.sources))]


def test_responses_agree_with_pyroomacoustics_own_assembly():
    ours = impulse_responses(ROOM, RATE, 0)
    ends = (np.array([0.02, 0.05, 0.1, 0.2, 0.3]) * RATE).astype(int)

    def energy(response):
        parts = np.split(response[: ends[-1]] ** 2, ends[:-1])
        return 10 * np.log10([part.sum() for part in parts])

    # Theirs: 10,000 reflections a second hit 1 - exp(-10 / 16) of all samples,
    # which it scales by, but are added where they coincide.
    louder = 10 * math.log10(10 / 16 / (1 - math.exp(-10 / 16)))
    louder = np.array([0.0, louder, louder, louder, louder])
    for mine, theirs in zip(ours, _reference(ROOM, 0), strict=True):
        np.testing.assert_allclose(
            energy(mine[0]) + louder, energy(theirs), atol=1.5
        )
        assert measure_rt60(mine[0], RATE) == pytest.approx(
            measure_rt60(theirs, RATE), rel=0.15
        )


def test_an_anechoic_room_has_direct_sound_only():
    (room,) = _rooms(1, RoomLaw(anechoic=True))
    assert room.rt60 == 0
    for source, response in enumerate(impulse_responses(room, RATE, 0)):
        np.testing.assert_array_equal(
            response, direct_response(room, RATE, source)
        )
        assert math.isnan(measure_rt60(np.zeros(100), RATE))


def test_another_back_end_can_be_plugged_in():
    law = RoomLaw(backend=f"{__name__}.fake_backend", order=2)
    (room,) = _rooms(1, law)
    responses = impulse_responses(room, RATE, 7)
    assert len(responses) == 3 and (responses[0] == 9).all()
    assert (impulse_responses(room, RATE, 7, order=0)[0] == 7).all()


@pytest.mark.parametrize("backend", ["nothing", "os.nothing", "no.such", "."])
def test_an_unknown_back_end_is_named(backend):
    (room,) = _rooms(1, RoomLaw(backend=backend))
    with pytest.raises(ValueError, match="room backend is .*pyroomacoustics"):
        impulse_responses(room, RATE, 0)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"rt60": (0.0, 0.5)}, "rt60 is .0.0, 0.5.; give a range above 0"),
        ({"length": (5.0, 4.0)}, "length is .5.0, 4.0.; give two numbers, the"),
        ({"rt60": 0.5}, "rt60 is 0.5; give two numbers"),
        ({"width": (0.8, 4.0)}, "width is .* above 0.9"),
        ({"mic_height": (1.0, 2.6)}, "mic_height .* lowest room, 2.5 m"),
        ({"num_mics": 0}, "num_mics is 0; give 1 or more"),
    ],
)
def test_impossible_ranges_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        RoomLaw(**changes)


def test_rt60_of_a_known_decay():
    time = np.arange(RATE) / RATE
    noise = np.random.default_rng(0).standard_normal(RATE)
    for rt60 in (0.2, 0.5, 0.9):
        decay = noise * 10 ** (-3 * time / rt60)
        assert measure_rt60(decay, RATE) == pytest.approx(rt60, rel=0.05)
