"""Dynamic mixing where files are short, silent, or of one sample too many."""

import numpy as np
import pytest
import soundfile

from speechbrain_spmamba.loading.augment import DynamicMixing
from speechbrain_spmamba.loading.draw import make_draw
from speechbrain_spmamba.prepare.scenes import dynamic_mixing

RATE = 1000
LAWS = {"sir": (0, 0), "snr": (20, 20), "speed": (1, 1), "noise": "none"}


def _tone(hertz, frames, level=0.1):
    return level * np.sin(2 * np.pi * hertz * np.arange(frames) / RATE)


@pytest.fixture
def write(tmp_path):
    """Writes waves, and gives the rows of a manifest that names them."""

    def write(items):
        rows = {}
        for item, waves in items.items():
            rows[item] = {"duration": len(waves["mix"]) / RATE}
            for part, wave in waves.items():
                path = tmp_path / f"{item}_{part}.wav"
                soundfile.write(path, wave, RATE, "FLOAT")
                rows[item][f"{part}_wav"] = path
        return rows

    return write


def _item(*sources, **others):
    waves = {f"s{n + 1}": wave for n, wave in enumerate(sources)}
    return {"mix": sum(sources), **waves, **others}


def _draws(mixing, epochs, item):
    return [mixing(0, epoch, item) for epoch in range(epochs)]


def _level(signal):
    return 10 * np.log10(np.mean(np.square(signal, dtype=np.float64)))


def _pitches(wave):
    """The loudest tones of a wave, in Hz."""
    spectrum = np.abs(np.fft.rfft(wave))
    loud = np.flatnonzero(spectrum > 0.5 * spectrum.max())
    return (loud * RATE / len(wave)).tolist()


@pytest.mark.parametrize("level", [None, (-20, -20)])
def test_as_many_talkers_as_sources_are_enough(write, level):
    rows = write({"1-1-1_2-1-1": _item(_tone(100, 500), _tone(200, 500))})
    mixing = DynamicMixing(rows, RATE, level=level, **LAWS)
    _, sources = mixing(0, 0, "1-1-1_2-1-1")
    assert sorted(_pitches(sources.sum(1))) == [100, 200]


def test_talkers_have_equal_chances_and_each_of_their_sources(write):
    # Talker 9 has one source, talker 2 has three, none of them in this item.
    rows = write(
        {
            "1-1-1_9-1-1": _item(_tone(100, 500), _tone(450, 500)),
            "1-1-2_2-1-1": _item(_tone(150, 500), _tone(200, 500)),
            "2-1-2_2-1-3": _item(_tone(250, 500), _tone(300, 500)),
        }
    )
    draws = _draws(DynamicMixing(rows, RATE, **LAWS), 120, "2-1-2_2-1-3")
    heard = [h for _, sources in draws for h in _pitches(sources.sum(1))]
    counts = {h: heard.count(h) for h in sorted(set(heard))}
    assert list(counts) == [100, 150, 250, 300, 450]
    assert 45 <= counts[450] <= 75  # of 120, as talker 1
    assert min(counts.values()) >= 20


@pytest.mark.parametrize(
    "speed, hertz", [(0.8, 320), (1, 400), (1.01, 404), (1.15, 460)]
)
def test_speed_is_exact_to_one_percent(write, speed, hertz):
    tone = _tone(400, 700)
    rows = write({"1-1-1_2-1-1": _item(tone, tone)})
    laws = {**LAWS, "speed": (speed, speed)}
    mix, _ = DynamicMixing(rows, RATE, 0.5, **laws)(0, 0, "1-1-1_2-1-1")
    spectrum = np.abs(np.fft.rfft(mix))
    assert np.argmax(spectrum) * 2 == hertz


@pytest.mark.parametrize("percent", [80, 150, 200])
def test_a_talker_at_another_speed_fills_the_mixture(write, percent):
    long = [np.random.default_rng(n).standard_normal(2500) for n in (1, 2)]
    rows = write({"1-1-1_2-1-1": _item(*long)})
    laws = {**LAWS, "speed": (percent / 100,) * 2}
    mixing = DynamicMixing(rows, RATE, 1.0, level=(-30, -30), **laws)
    for _, sources in _draws(mixing, 5, "1-1-1_2-1-1"):
        assert sources.shape == (RATE, 2)
        for end in (sources[:50], sources[-50:]):
            assert np.all(np.abs([_level(s) + 30 for s in end.T]) < 4)


def test_a_talker_who_is_done_early_begins_anywhere(write):
    click = np.zeros(500)
    click[0] = 1
    rows = write(
        {
            "1-1-1_1-1-2": _item(_tone(100, 502), _tone(200, 502)),
            "2-1-1_2-1-2": _item(click, click),
        }
    )
    mixing = DynamicMixing(rows, RATE, **LAWS)
    starts = set()
    for mix, sources in _draws(mixing, 60, "1-1-1_1-1-2"):
        assert len(mix) == 502
        # A click, not a tone: that source is silent but for one sample.
        (source,) = (s for s in sources.T if np.count_nonzero(s) == 1)
        starts.add(int(np.argmax(np.abs(source))))
    assert starts == {0, 1, 2}


def test_a_stretch_begins_anywhere_in_its_file(write):
    rising = np.arange(1.0, 503.0)
    rows = write({"1-1-1_2-1-1": _item(rising / 1000, _tone(100, 502))})
    mixing = DynamicMixing(rows, RATE, 0.5, **LAWS)
    starts = set()
    for _, sources in _draws(mixing, 60, "1-1-1_2-1-1"):
        (source,) = (s for s in sources.T if s.min() > 0)
        starts.add(round(float(source[0] / (source[1] - source[0]))))
    assert starts == {1, 2, 3}


def test_a_silent_file_is_no_talker_whom_others_are_measured_by(write):
    rows = write(
        {
            "1-1-1_1-1-2": _item(np.zeros(500), np.zeros(500)),
            "2-1-1_2-1-2": _item(_tone(100, 500), _tone(100, 500)),
        }
    )
    # The ID names talkers, so that their files are not looked into.
    mixing = DynamicMixing(rows, RATE, **{**LAWS, "sir": (3, 3)})
    for mix, sources in _draws(mixing, 3, "1-1-1_1-1-2"):
        assert sorted(sources.any(0)) == [False, True]
        assert _level(mix) == pytest.approx(-23, abs=0.1)


def test_beside_a_nearly_silent_talker_others_are_at_the_threshold(write):
    soft, tone = _tone(200, 500, 1e-6), _tone(100, 500)
    rows = write(
        {
            "1-1-1_2-1-1": _item(soft, soft),
            "2-1-1_2-1-2": _item(tone, tone),
        }
    )
    mixing = DynamicMixing(rows, RATE, silence=-50, **{**LAWS, "sir": (3, 3)})
    for mix, _ in _draws(mixing, 3, "1-1-1_2-1-1"):
        assert _level(mix) == pytest.approx(-53, abs=0.1)


def test_the_peak_is_limited_and_softer_mixtures_are_left(write):
    tone = _tone(250, 500)  # which reaches its peak
    rows = write({"1-1-1_2-1-1": _item(tone, tone)})
    for decibels, peak in ((-9.5, 0.9), (-12.0, 0.71)):
        laws = {**LAWS, "level": (decibels, decibels)}
        mix, sources = DynamicMixing(rows, RATE, **laws)(0, 0, "1-1-1_2-1-1")
        assert np.abs(mix).max() == pytest.approx(peak, abs=5e-3)
        np.testing.assert_allclose(mix, sources.sum(1), atol=1e-6)


def _noise(mixing, item):
    mix, sources = mixing(0, 0, item)
    return mix - sources.sum(1)


def test_noise_files_come_before_what_mixtures_hold(write):
    sources = (_tone(100, 500), _tone(200, 500))
    item = _item(*sources, noise=_tone(350, 120))
    item["mix"] = item["mix"] + _tone(450, 500)
    rows = write({"1-1-1_2-1-1": item})
    laws = {key: value for key, value in LAWS.items() if key != "noise"}
    for noise, hertz in (("auto", 350), ("file", 350), ("residual", 450)):
        mixing = DynamicMixing(rows, RATE, noise=noise, **laws)
        found = _noise(mixing, "1-1-1_2-1-1")
        assert abs(_pitches(found)[0] - hertz) < 5
        # A short recording is repeated to the end.
        assert abs(_level(found[-100:]) - _level(found[:100])) < 0.5
    none = DynamicMixing(rows, RATE, **LAWS)
    np.testing.assert_allclose(_noise(none, "1-1-1_2-1-1"), 0, atol=1e-6)


@pytest.mark.parametrize("part", ["mix", "s1", "s2"])
def test_a_file_of_another_rate_is_named(write, part):
    rows = write({"1-1-1_2-1-1": _item(_tone(100, 500), _tone(200, 500))})
    path = rows["1-1-1_2-1-1"][f"{part}_wav"]
    soundfile.write(path, _tone(100, 500), 2 * RATE)
    mixing = DynamicMixing(rows, RATE, **LAWS)
    with pytest.raises(ValueError, match=f"_{part}.wav is sampled at 2000 Hz"):
        mixing(0, 0, "1-1-1_2-1-1")


@pytest.mark.parametrize("name", ["sir", "snr", "level", "speed"])
@pytest.mark.parametrize("wanted", [(1, 2, 3), "ab", (2, 1), 5])
def test_a_range_is_two_numbers(name, wanted):
    rows = {"1-1-1_2-1-1": {"s1_wav": "1.wav", "s2_wav": "2.wav"}}
    with pytest.raises(ValueError, match=f"^{name} is .*; expected two num"):
        DynamicMixing(rows, RATE, **{name: wanted})


@pytest.mark.parametrize("speed", [(0.49, 1), (1, 2.01)])
def test_speed_is_changed_by_two_at_most(speed):
    rows = {"1-1-1_2-1-1": {"s1_wav": "1.wav", "s2_wav": "2.wav"}}
    with pytest.raises(ValueError, match="expected a range within 0.5 to 2.0"):
        DynamicMixing(rows, RATE, speed=speed)


def test_a_setting_of_fresh_scenes_goes_there(monkeypatch):
    monkeypatch.setattr(
        dynamic_mixing, "DynamicScenes", lambda *args, **kwargs: (args, kwargs)
    )
    wanted = {"scenes": "folder", "split": "dev"}
    found = make_draw(wanted, {}, RATE, 2.0)
    assert found == (("folder", RATE, 2.0), {"split": "dev"})
    assert wanted == {"scenes": "folder", "split": "dev"}
    with pytest.raises(ValueError, match="no setting 'speed'; it has split$"):
        make_draw({**wanted, "speed": [1, 1]}, {}, RATE)


def test_true_mixes_with_the_usual_settings(write):
    rows = write({"1-1-1_2-1-1": _item(_tone(100, 900), _tone(200, 900))})
    mixing = make_draw(True, rows, RATE, 0.5)
    assert mixing.noise == "residual" and mixing.silence == -60
    assert mixing.sir == (-6, 6) and mixing.percent == [95, 105]
    assert len(mixing(0, 0, "1-1-1_2-1-1")[0]) == 500
    assert len(make_draw(True, rows, RATE)(0, 0, "1-1-1_2-1-1")[0]) == 900


def test_what_is_no_setting_of_dynamic_mixing_is_named():
    with pytest.raises(ValueError, match="dynamic_mixing is 'yes'; expected T"):
        make_draw("yes", {}, RATE)
