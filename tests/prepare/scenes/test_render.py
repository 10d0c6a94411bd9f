"""Rendering: levels as planned, mixtures that are sums, honest references."""

import math
from dataclasses import replace

import numpy as np
import pyloudnorm
import pytest
import soundfile

from speechbrain_spmamba.prepare.scenes.excerpts import ExcerptLaw, draw_excerpt
from speechbrain_spmamba.prepare.scenes.loudness import loudness
from speechbrain_spmamba.prepare.scenes.render import (
    fit_to_integers,
    read_event,
    render,
)
from speechbrain_spmamba.prepare.scenes.rooms import RoomLaw
from speechbrain_spmamba.prepare.scenes.scene import SceneLaw, draw_scene
from tests.prepare.small_scenes import RATE, SHORT, sound_pools

ROOM = RoomLaw(**SHORT["room"])
LAW = SceneLaw(**{**SHORT, "room": ROOM})


@pytest.fixture(scope="module")
def pools(tmp_path_factory):
    return sound_pools(tmp_path_factory.mktemp("sounds"))


def _scene(pools, number=0, **changes):
    return draw_scene(pools, replace(LAW, **changes), 0, "train", number)


def _decibels(wave):
    return 10 * math.log10(np.mean(wave.astype(float) ** 2))


@pytest.mark.parametrize("rate", [8000, 11025, 16000])
@pytest.mark.parametrize("seconds", [0.4, 0.55, 3.0, 7.77])
def test_loudness_agrees_with_pyloudnorm(rate, seconds):
    rng = np.random.default_rng(0)
    wave = 0.1 * rng.standard_normal(math.ceil(seconds * rate))
    wave[len(wave) // 3 : len(wave) // 2] *= 1e-3  # a pause to gate
    expected = pyloudnorm.Meter(rate).integrated_loudness(wave)
    assert loudness(wave, rate) == pytest.approx(expected, abs=0.01)
    assert loudness(wave.astype(np.float32), rate) == pytest.approx(
        expected, abs=0.01
    )


def test_loudness_of_short_silent_and_broken_sound():
    wave = np.sin(np.arange(800.0))
    expected = pyloudnorm.Meter(8000, block_size=0.1).integrated_loudness(wave)
    assert loudness(wave, 8000) == pytest.approx(expected, abs=1e-6)
    assert loudness(np.zeros(8000), 8000) == -math.inf
    assert loudness(np.zeros(0), 8000) == -math.inf
    wave[3] = np.nan
    assert math.isnan(loudness(wave, 8000))


def test_stems_are_as_loud_as_planned(pools):
    meter = pyloudnorm.Meter(RATE)
    for number in range(3):
        scene = _scene(pools, number)
        signals = render(scene, RATE).signals
        assert {t.name for t in scene.tracks} <= set(signals)
        for track in scene.tracks:
            wave = signals[track.name][0].astype(float)
            found = meter.integrated_loudness(wave)
            assert found == pytest.approx(track.level, abs=0.1)


@pytest.mark.parametrize("reference", ["reverberant", "early", "dry"])
@pytest.mark.parametrize("mics", [1, 2])
def test_a_mixture_is_the_sum_of_references_and_noise(pools, reference, mics):
    scene = _scene(pools, room=replace(ROOM, num_mics=mics))
    signals = render(scene, RATE, reference).signals
    mix = signals["mix"]
    assert mix.shape == (mics, 8 * RATE) and mix.dtype == np.float32
    parts = [signals[name].astype(float) for name in ("s1", "s2", "noise")]
    np.testing.assert_allclose(mix, sum(parts), atol=1e-6)


def test_references_differ_in_reverberation_only(pools):
    scene = _scene(pools)
    kinds = ("reverberant", "early", "dry")
    full, early, dry = (render(scene, RATE, kind).signals for kind in kinds)
    np.testing.assert_allclose(full["mix"], early["mix"], atol=1e-6)
    np.testing.assert_allclose(full["mix"], dry["mix"], atol=1e-6)
    energies = [np.sum(x["s1"] ** 2) for x in (full, early, dry)]
    assert energies[0] > energies[1] > energies[2] > 0
    # The direct path is in all of them, at the same time.
    for reference in (full, early):
        product = np.sum(reference["s1"] * dry["s1"])
        assert product / np.sum(dry["s1"] ** 2) == pytest.approx(1.0, abs=0.5)


def test_speech_stands_where_it_was_planned(pools):
    scene = _scene(pools, room=replace(ROOM, anechoic=True))
    wave = render(scene, RATE).signals["s1"][0]
    track = scene.readers[0]
    delay = scene.room.delays[track.source, 0]
    heard = np.zeros(len(wave), bool)
    for event in track.events:
        begin = round((event.onset + delay) * RATE)
        heard[begin - 50 : begin + round(event.frames) + 50] = True
    assert np.abs(wave[~heard]).max() < 1e-3 * np.abs(wave).max()
    assert np.abs(wave[heard]).max() == np.abs(wave).max()


def test_items_have_their_ratios(pools):
    for number in range(3):
        scene, excerpt = draw_excerpt(
            _scene(pools, number), ExcerptLaw(seconds=4.0)
        )
        signals = {
            k: v[0]
            for k, v in render(scene, RATE, excerpt=excerpt).signals.items()
        }
        assert len(signals["mix"]) == 4 * RATE
        first = _decibels(signals["s1"])
        assert first - _decibels(signals["s2"]) == pytest.approx(
            excerpt.sir[0], abs=0.01
        )
        assert first - _decibels(signals["noise"]) == pytest.approx(
            excerpt.snr, abs=0.01
        )
        assert loudness(signals["s1"], RATE) == pytest.approx(
            excerpt.level, abs=0.1
        )
        parts = [signals[name].astype(float) for name in ("s1", "s2", "noise")]
        np.testing.assert_allclose(signals["mix"], sum(parts), atol=1e-6)


def test_an_item_sounds_like_its_stretch_of_the_scene(pools):
    law = replace(ROOM, anechoic=True)
    scene = _scene(pools, room=law)
    item, excerpt = draw_excerpt(scene, ExcerptLaw(seconds=3.0))
    whole = render(scene, RATE).signals["s1"][0]
    part = render(item, RATE, excerpt=excerpt).signals["s1"][0]
    begin = round(excerpt.start * RATE)
    stretch = whole[begin : begin + 3 * RATE]
    stretch = stretch / np.linalg.norm(stretch)
    assert stretch @ part / np.linalg.norm(part) > 0.99


def test_gain_of_an_item_is_capped(pools):
    scene, excerpt = draw_excerpt(
        _scene(pools), ExcerptLaw(seconds=4.0, most_gain=3.0)
    )
    loud = replace(excerpt, level=80.0)
    quiet = render(scene, RATE, excerpt=replace(excerpt, level=-100.0))
    capped = render(scene, RATE, excerpt=loud)
    assert loudness(capped.signals["s1"][0], RATE) < 0
    assert loudness(quiet.signals["mix"][0], RATE) < -60


def test_rendering_repeats_to_the_bit(pools):
    scene = _scene(pools)
    first, again = (render(scene, RATE).signals for _ in range(2))
    for name, wave in first.items():
        np.testing.assert_array_equal(wave, again[name])


def test_events_are_resampled_levelled_and_faded(pools):
    scene = _scene(pools)
    music = next(t for t in scene.tracks if t.name == "music")
    event = replace(music.events[0], fade_in=0.2, fade_out=0.2)
    wave = read_event(event, RATE)
    seconds = event.frames / event.sample_rate
    assert len(wave) == pytest.approx(seconds * RATE, abs=1)
    assert np.abs(wave[:20]).max() < 0.1 * np.abs(wave).max()
    assert np.abs(wave[-20:]).max() < 0.1 * np.abs(wave).max()
    plain = read_event(replace(event, fade_in=0.0, fade_out=0.0), RATE)
    assert loudness(plain, RATE) == pytest.approx(event.level, abs=0.05)


def test_bad_files_are_left_out_and_named(pools, tmp_path):
    scene = _scene(pools)
    soundfile.write(tmp_path / "silent.wav", np.zeros(160000), 16000)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")

    def spoil(track, name):
        events = [replace(e, path=str(tmp_path / name)) for e in track.events]
        events = [replace(e, start=0, sample_rate=16000) for e in events]
        return replace(track, events=tuple(events))

    bad = {"music": "silent.wav", "s1": "silent.wav", "s2": "broken.wav"}
    tracks = [
        spoil(t, bad[t.name]) if t.name in bad else t for t in scene.tracks
    ]
    made = render(replace(scene, tracks=tuple(tracks)), RATE)
    texts = "silent.wav is silent", "broken.wav cannot be read"
    counts = [len(track.events) for track in scene.readers]
    for text, count in zip(texts, counts, strict=True):
        assert sum(text in problem for problem in made.problems) == count
    assert sum(counts) == len(made.problems)  # silent music is no problem
    assert made.silent == ["s1", "s2"]
    assert not made.signals["music"].any() and made.signals["effects"].any()
    assert np.isfinite(made.signals["mix"]).all()


def test_samples_that_are_no_numbers_are_named(pools, tmp_path):
    event = _scene(pools).readers[0].events[0]
    wave = np.full(event.frames, np.nan, np.float32)
    path = tmp_path / "nan.wav"
    soundfile.write(path, wave, event.sample_rate, subtype="FLOAT")
    with pytest.raises(ValueError, match="nan.wav holds samples that are no"):
        read_event(replace(event, path=str(path)), RATE)


def test_speech_alone_has_silent_noise(pools):
    alone = replace(pools, noise=[], music=[], effects=[], background=[])
    signals = render(_scene(alone), RATE).signals
    assert not signals["noise"].any()
    total = signals["s1"].astype(float) + signals["s2"]
    np.testing.assert_allclose(signals["mix"], total, atol=1e-6)


def test_joint_scaling_keeps_ratios(pools):
    signals = render(_scene(pools, speech_level=0.0), RATE).signals
    scaled = fit_to_integers(signals)
    assert max(np.abs(x).max() for x in signals.values()) > 1
    assert max(np.abs(x).max() for x in scaled.values()) == pytest.approx(0.9)
    factor = np.linalg.norm(scaled["mix"]) / np.linalg.norm(signals["mix"])
    np.testing.assert_allclose(scaled["s1"], factor * signals["s1"], atol=1e-6)


def test_an_unknown_reference_is_refused(pools):
    with pytest.raises(ValueError, match="reference is 'wet'; give reverb"):
        render(_scene(pools), RATE, "wet")
