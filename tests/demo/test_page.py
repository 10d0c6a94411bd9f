"""The page in a browser, end to end: real speech in, voices out, no net.

Needs Gradio, Playwright, Chromium, and a small corpus with speech/ beside the
repository or where MINICORPUS points.
"""

import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speechbrain_spmamba.demo.voices import activity_line
from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.recordings.segments import as_labels, talkers_text
from tests import SHARED, browsing
from tests.separating import talker

BESIDE = SHARED / "minicorpus"
CORPUS = Path(os.environ.get("MINICORPUS", BESIDE))
SECONDS = 6

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        browsing.find_browser() is None,
        reason=f"no browser; install one of {', '.join(browsing.BROWSERS)}",
    ),
]


@pytest.fixture(scope="module", autouse=True)
def _libraries():
    pytest.importorskip("gradio", reason="pip install '.[demo]'")
    pytest.importorskip("playwright", reason="pip install playwright")


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    """A small model with random weights."""
    return browsing.write_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    """Two readers at once, 16 kHz."""
    if not CORPUS.is_dir():
        pytest.skip(f"no corpus in {CORPUS}; set MINICORPUS")
    readers = sorted((CORPUS / "speech" / "test").iterdir())[:2]
    waves = []
    for reader in readers:
        parts = [soundfile.read(p)[0] for p in sorted(reader.rglob("*.*"))]
        waves.append(np.concatenate(parts)[: SECONDS * 16000])
    path = tmp_path_factory.mktemp("mixture") / "two readers.flac"
    soundfile.write(path, 0.5 * sum(waves), 16000)
    return path


def test_a_recording_becomes_voices(model_folder, mixture, tmp_path):
    with (
        browsing.served(model_folder, tmp_path) as (address, asked),
        browsing.opened(address) as (page, requests, complaints),
    ):
        assert not page.locator("#figure").is_visible()
        assert page.get_by_role("tab").count() == 0  # the model is not causal
        browsing.choose(page, "all_voices")
        browsing.upload(page, mixture)
        browsing.wait_for_voices(page)
        voices = [
            browsing.downloaded(page, f"#voice{number} a[download]", tmp_path)
            for number in (1, 2)
        ]
        lines = [
            page.locator(f"#voice{number} label").inner_text()
            for number in (1, 2)
        ]
        lengths = page.locator("[id^=voice] #duration").all_inner_texts()
        talkers = page.locator("#talkers").inner_text()
        labels = browsing.downloaded(page, "#text1", tmp_path)
        archive = browsing.downloaded(page, "#archive", tmp_path)
        page.screenshot(path=tmp_path / "page.png", full_page=True)

    assert [path.name for path in voices] == [
        "two readers_s1.wav",
        "two readers_s2.wav",
    ]
    model = WaveformSeparation.from_hparams(
        model_folder, run_opts={"device": "cpu"}
    )
    expected = model.separate_to_files(
        mixture, tmp_path / "expected", subtype="PCM_16", all_outputs=True
    )
    assert talkers.lower() == talkers_text(expected.talkers)
    assert labels.name == "two readers.txt"
    assert labels.read_text() == as_labels(expected.segments)
    for path, same in zip(voices, expected.paths, strict=True):
        wave, rate = soundfile.read(path)
        assert rate == 16000 and len(wave) == SECONDS * 16000
        np.testing.assert_allclose(wave, soundfile.read(same)[0], atol=1e-4)
    for number, activity in enumerate(expected.activity):
        line = f"Voice {number + 1}: {activity_line(activity)}"
        assert lines[number].strip() == line
    assert lengths == [f"0:0{SECONDS}"] * 2
    with zipfile.ZipFile(archive) as file:
        assert len(file.namelist()) == 6
    assert complaints == []
    assert browsing.foreign(requests) == set()
    assert asked == []
    assert not list(tmp_path.glob("spmamba_demo_*"))


def test_where_nobody_speaks_there_is_no_voice(model_folder, tmp_path):
    path = tmp_path / "silence.wav"
    soundfile.write(path, np.zeros(16000), 8000)
    with (
        browsing.served(model_folder, tmp_path) as (address, _),
        browsing.opened(address) as (page, _, complaints),
    ):
        browsing.upload(page, path)
        browsing.wait_for_voices(page)
        assert page.locator("#talkers").inner_text() == "Nobody talks"
        assert page.locator("[id^=voice]").count() == 0
        browsing.choose(page, "all_voices")
        page.locator("#separate").click()
        page.locator("#voice2 a[download]").wait_for()
        assert page.locator("#talkers").inner_text() == "Nobody talks"
    assert complaints == []


def test_the_option_reaches_the_model(model_folder, mixture, tmp_path):
    with (
        browsing.served(model_folder, tmp_path) as (address, _),
        browsing.opened(address) as (page, _, _),
    ):
        browsing.upload(page, mixture)
        browsing.wait_for_voices(page)
        browsing.choose(page, "consistent", "all_voices")
        page.locator("#separate").click()
        page.locator("#figure").wait_for(state="hidden")
        browsing.wait_for_voices(page)
        voices = [
            soundfile.read(browsing.downloaded(page, link, tmp_path))[0]
            for link in ("#voice1 a[download]", "#voice2 a[download]")
        ]
    wave = soundfile.read(mixture)[0]
    # The voices may have been scaled down together, so as not to clip.
    gain = sum(voices) @ wave / (wave @ wave)
    np.testing.assert_allclose(sum(voices), gain * wave, atol=1e-4)


def test_what_was_taken_away_does_not_come_back(model_folder, tmp_path):
    path = tmp_path / "long.wav"
    soundfile.write(path, np.tile(0.5 * talker(0, 10.0), 10), 8000)
    with (
        browsing.served(model_folder, tmp_path) as (address, _),
        browsing.opened(address) as (page, _, complaints),
    ):
        browsing.upload(page, path)
        page.get_by_text(re.compile(r"\d+ s of 100 s")).wait_for()
        page.locator("#recording button[aria-label=Clear]").click()
        # It may be separated to its end meanwhile.
        for _ in range(60):
            page.wait_for_timeout(1000)
            if list(tmp_path.rglob("long_voices.zip")):
                break
        page.wait_for_timeout(2000)
        assert not page.locator("#figure").is_visible()
    assert complaints == []


def test_a_bad_file_is_one_line_and_the_next_one_works(
    model_folder, mixture, tmp_path
):
    broken = tmp_path / "broken.wav"
    broken.write_text("no audio")
    with (
        browsing.served(model_folder, tmp_path) as (address, _),
        browsing.opened(address) as (page, _, _),
    ):
        browsing.upload(page, mixture)
        browsing.wait_for_voices(page)
        page.locator("#recording button[aria-label=Clear]").click()
        page.locator("#figure").wait_for(state="hidden")
        browsing.upload(page, broken)
        notice = page.locator(".toast-body")
        notice.wait_for()
        assert re.search(
            "\nbroken.wav cannot be read as audio [^\n]*$", notice.inner_text()
        )
        assert not page.locator("#figure").is_visible()
        page.reload()
        browsing.upload(page, mixture)
        browsing.wait_for_voices(page)


def test_a_voice_from_the_microphone_is_separated(model_folder, tmp_path):
    path = tmp_path / "microphone.wav"
    soundfile.write(path, 0.5 * talker(0, 4.0), 8000)
    with (
        browsing.served(model_folder, tmp_path) as (address, _),
        browsing.opened(address, path) as (page, _, complaints),
    ):
        browsing.choose(page, "all_voices")
        page.locator("button[aria-label='Record audio']").click()
        page.locator("button.record-button").click()
        page.wait_for_timeout(2000)
        page.locator("#recording button.stop-button").click()
        page.locator("#recording #duration").wait_for()
        page.locator("#separate").click()
        browsing.wait_for_voices(page)
        voice = browsing.downloaded(page, "#voice1 a[download]", tmp_path)
    info = soundfile.info(voice)
    assert 1.0 < info.frames / info.samplerate < 4.0
    assert complaints == []
