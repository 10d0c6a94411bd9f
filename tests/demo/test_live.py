"""What stands behind the live tab: chunks in, voices out."""

import threading
import time

import numpy as np
import pytest
import torch

from speechbrain_spmamba.audio import resample
from speechbrain_spmamba.demo import live
from speechbrain_spmamba.demo.live import LiveVoices
from tests.separating import noise
from tests.small_models import build_small

RATE, MODEL_RATE = 48000, 8000


class Model:
    """As much of a model as the page looks at."""

    def __init__(self, separator):
        self.mods = self.hparams = self
        self.separator = separator
        self.sample_rate, self.num_spks = MODEL_RATE, 2


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Model(build_small("spmamba", causal=True, num_blocks=1))


def microphone(frames, seed=0, channels=None):
    """What a browser sends of a noise, in 16 bits."""
    wave = noise(frames, channels=channels, seed=seed)
    return (wave * 32767).astype("int16")


def chunks_of(wave, size=4800):
    return [wave[start : start + size] for start in range(0, len(wave), size)]


def offline(model, wave):
    """The voices of the whole."""
    mix = resample(wave.astype("float32") / 32768, RATE, MODEL_RATE)
    with torch.inference_mode():
        return model.separator(torch.from_numpy(mix)[None])[0].numpy()


def through(model, wave, size=4800):
    one = LiveVoices(model)
    found = [one.feed(RATE, chunk) for chunk in chunks_of(wave, size)]
    return np.concatenate([*found, one.stop()])


@pytest.mark.parametrize("size", [4800, 12000, 777])
def test_live_voices_are_those_of_the_whole(model, size):
    wave = microphone(30001)
    found = through(model, wave, size)
    assert len(found) == -(-30001 * MODEL_RATE // RATE)
    np.testing.assert_allclose(found, offline(model, wave), atol=1e-5)


def test_channels_are_heard_as_their_mean(model):
    wave = microphone(9600, channels=2)
    found = through(model, wave)
    np.testing.assert_allclose(
        found, offline(model, wave.astype("float32").mean(1)), atol=1e-5
    )


def test_two_browsers_do_not_mix(model):
    waves = [microphone(24000, seed) for seed in (1, 2)]
    both = [LiveVoices(model) for _ in waves]
    found = [[], []]
    for pair in zip(*map(chunks_of, waves), strict=True):
        for one, chunk, parts in zip(both, pair, found, strict=True):
            parts.append(one.feed(RATE, chunk))
    for one, wave, parts in zip(both, waves, found, strict=True):
        voices = np.concatenate([*parts, one.stop()])
        np.testing.assert_allclose(voices, offline(model, wave), atol=1e-5)


def test_voices_come_before_the_end_and_stop_gives_the_rest(model):
    one = LiveVoices(model)
    before = sum(len(one.feed(RATE, microphone(4800))) for _ in range(10))
    assert before + len(one.stop()) == 8000
    assert before > 4000
    assert one.behind == pytest.approx(0)
    assert not one.thread.is_alive()


def test_nothing_in_is_nothing_out(model):
    assert LiveVoices(model).stop().shape == (0, 2)


def test_a_slow_model_is_late_and_keeps_nobody_waiting(model, monkeypatch):
    real, go = live.separate_live, threading.Event()

    def slow(*arguments):
        for block in real(*arguments):
            go.wait()
            yield block

    monkeypatch.setattr(live, "separate_live", slow)
    monkeypatch.setattr(live, "PATIENCE", 0.01)
    wave, one = microphone(48000), LiveVoices(model)
    start = time.monotonic()
    found = [one.feed(RATE, chunk) for chunk in chunks_of(wave)]
    assert time.monotonic() - start < 5
    assert one.behind == pytest.approx(1.0) and one.heard == pytest.approx(1.0)
    go.set()
    found = np.concatenate([*found, one.stop()])
    np.testing.assert_allclose(found, offline(model, wave), atol=1e-5)


def test_another_rate_is_one_line(model):
    one = LiveVoices(model)
    one.feed(RATE, microphone(480))
    with pytest.raises(ValueError, match="from 48000 to 44100 Hz; stop and"):
        one.feed(44100, microphone(441))
    one.stop()


def test_what_goes_wrong_in_the_thread_is_raised_outside():
    separator = build_small("spmamba", causal=True, num_blocks=1)
    with torch.no_grad():
        for weight in separator.parameters():
            weight.fill_(torch.nan)
    one = LiveVoices(Model(separator))
    with pytest.raises(ValueError, match="the model gave NaN"):
        for _ in range(100):
            one.feed(RATE, microphone(4800))


def test_what_is_dropped_ends_with_its_thread(model, monkeypatch):
    real, go = live.separate_live, threading.Event()

    def slow(separator, blocks, *arguments):
        go.wait()
        yield from real(separator, blocks, *arguments)

    monkeypatch.setattr(live, "separate_live", slow)
    one = LiveVoices(model)
    for _ in range(5):
        one.feed(RATE, microphone(4800))
    go.set()
    one.drop()
    assert not one.thread.is_alive() and one.found.empty()
    LiveVoices(model).drop()
