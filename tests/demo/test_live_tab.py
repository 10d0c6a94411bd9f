"""The live tab: what it shows, plays and keeps; in a browser with -m slow."""

import base64
import json
import re
from importlib.util import find_spec

import numpy as np
import pytest
import soundfile
import torch

from speechbrain_spmamba.demo.live_tab import EVERY, LiveRecording, levels
from tests import browsing
from tests.demo.test_live import (
    MODEL_RATE,
    RATE,
    Model,
    chunks_of,
    microphone,
    offline,
)
from tests.separating import talker
from tests.small_models import build_small


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Model(build_small("spmamba", causal=True, num_blocks=1))


def test_all_that_was_heard_is_kept(model, tmp_path):
    wave, recording = microphone(48000), LiveRecording(model, tmp_path)
    for chunk in chunks_of(wave):
        recording.feed(RATE, chunk)
    paths, lines = recording.finish()
    expected = offline(model, wave)
    assert [path.name for path in paths] == ["live_s1.wav", "live_s2.wav"]
    assert len(lines) == 2 and all("speaks" in line for line in lines)
    for path, voice in zip(paths, expected.T, strict=True):
        found, rate = soundfile.read(path)
        assert rate == MODEL_RATE
        np.testing.assert_allclose(
            found, voice / max(1, np.abs(expected).max()), atol=1e-4
        )


def test_nothing_heard_is_nothing_kept(model, tmp_path):
    assert LiveRecording(model, tmp_path).finish() == ([], [])
    assert not list(tmp_path.rglob("*.wav"))


def test_what_is_played_is_whole_though_messages_are_skipped(model, tmp_path):
    wave, recording = microphone(96000), LiveRecording(model, tmp_path)
    played = np.zeros(0)
    for number, chunk in enumerate(chunks_of(wave)):
        recording.feed(RATE, chunk)
        assert recording.sound(0) == ""
        if number % 3 == 2:
            message = json.loads(recording.sound(2))
            pcm = np.frombuffer(base64.b64decode(message["pcm"]), "<i2")
            assert message["rate"] == MODEL_RATE
            assert message["start"] <= len(played)
            new = len(played) - message["start"]
            played = np.concatenate([played, pcm[new:] / 32767])
    assert len(played) > 13000
    expected = offline(model, wave)[: len(played), 1]
    np.testing.assert_allclose(played, np.clip(expected, -1, 1), atol=1e-4)
    recording.drop()


def test_levels_are_those_of_the_last_moment(model, tmp_path):
    recording = LiveRecording(model, tmp_path)
    quiet = recording.levels()
    for chunk in chunks_of(microphone(24000)):
        recording.feed(RATE, chunk)
    loud = recording.levels()
    recording.drop()
    assert quiet.count('value="-60"') == 2 and loud.count('value="-60"') == 0


def test_a_model_that_is_too_slow_is_told():
    silence = np.zeros((0, 2))
    assert "behind" not in levels(silence, 1.0)
    assert "5 s behind: the model is too slow here" in levels(silence, 5.0)


in_browser = [
    pytest.mark.slow,
    pytest.mark.skipif(
        browsing.find_browser() is None,
        reason=f"no browser; install one of {', '.join(browsing.BROWSERS)}",
    ),
    pytest.mark.skipif(
        not (find_spec("gradio") and find_spec("playwright")),
        reason="pip install '.[demo]' playwright",
    ),
]


class Tab:
    """The tab of a page that is open."""

    def __init__(self, page):
        self.page = page
        page.get_by_role("tab", name="Live").click()

    def listen(self, text):
        self.page.locator("#listen").get_by_text(text).click()

    def record(self):
        self.page.locator("#live_microphone button.record-button").click()

    def stop(self):
        self.page.locator("#live_microphone button.stop-button").click()

    def wait_for_voices(self):
        for number in (1, 2):
            self.page.locator(f"#live_voice{number} a[download]").wait_for()

    def levels(self):
        return self.page.eval_on_selector_all(
            "#levels meter", "all => all.map((one) => one.value)"
        )

    def played(self):
        return self.page.evaluate("() => window.liveVoice?.played ?? 0")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """What the microphone hears again and again."""
    path = tmp_path_factory.mktemp("sound") / "microphone.wav"
    soundfile.write(path, 0.5 * talker(0, 4.0, pause=0.1), 8000)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A causal model."""
    return browsing.write_model(
        tmp_path_factory.mktemp("model"), causal=True, num_blocks=1
    )


def _serious(complaints):
    """All but one: Gradio closes events that have just ended."""
    return [one for one in complaints if not re.search("/stream/.*close", one)]


class TestInBrowser:
    pytestmark = in_browser

    def test_voices_come_while_somebody_speaks(self, folder, sound, tmp_path):
        with (
            browsing.served(folder, tmp_path) as (address, asked),
            browsing.opened(address, sound) as (page, requests, complaints),
        ):
            tab = Tab(page)
            tab.listen("Voice 1")
            tab.record()
            page.wait_for_function("() => window.liveVoice?.played > 8000")
            assert max(tab.levels()) > -60
            assert not page.locator("#live_voice1").is_visible()
            tab.stop()
            tab.wait_for_voices()
            voices = [
                browsing.downloaded(
                    page, f"#live_voice{number} a[download]", tmp_path
                )
                for number in (1, 2)
            ]
            infos = [soundfile.info(path) for path in voices]
            # One for each chunk, one for the start, two for the stop.
            events = sum("/queue/join" in url for url in requests)
            played = tab.played()
            tab.listen("Nobody")
            tab.record()
            page.locator("#live_voice1").wait_for(state="hidden")
            page.wait_for_timeout(1000)
            assert tab.played() == played
            tab.stop()
            tab.wait_for_voices()
        assert infos[0].samplerate == 8000
        assert infos[0].frames == infos[1].frames >= played
        assert infos[0].frames == round((events - 3) * EVERY * MODEL_RATE)
        assert _serious(complaints) == []
        assert browsing.foreign(requests) == set()
        assert asked == []
        assert not list(tmp_path.glob("spmamba_demo_*"))

    def test_two_browsers_record_at_once(self, folder, sound, tmp_path):
        with (
            browsing.served(folder, tmp_path) as (address, _),
            browsing.opened(address, sound) as (page, _, complaints),
        ):
            other = page.context.browser.new_page()
            other.goto(address)
            first, second = Tab(page), Tab(other)
            first.record()
            page.wait_for_timeout(2000)
            second.record()
            other.wait_for_timeout(1000)
            second.stop()
            second.wait_for_voices()
            first.stop()
            first.wait_for_voices()
            lengths = sorted(
                soundfile.info(path).duration
                for path in tmp_path.rglob("live_s1.wav")
            )
        assert len(lengths) == 2 and lengths[1] > lengths[0] + 1.0
        assert _serious(complaints) == []

    def test_what_is_wrong_is_said_once(self, sound, tmp_path):
        broken = tmp_path / "broken"
        broken.mkdir()
        browsing.write_model(broken, spoil=True, causal=True, num_blocks=1)
        with (
            browsing.served(broken, tmp_path) as (address, _),
            browsing.opened(address, sound) as (page, _, _),
        ):
            tab = Tab(page)
            tab.record()
            notices = page.locator(".toast-body")
            notices.first.wait_for()
            page.wait_for_timeout(1000)
            tab.stop()
            page.wait_for_timeout(1000)
            assert notices.count() == 1
            assert re.search(
                "\nthe model gave NaN[^\n]*$", notices.first.inner_text()
            )
            assert not page.locator("#live_voice1").is_visible()
