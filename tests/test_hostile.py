"""Broken and strange recordings: each is separated rightly or refused.

None may end in a traceback, a hang, a wrong result that nobody notices, or a
partial file under its final name.
"""

import os
import signal
import struct
import sys

import numpy as np
import pytest
import soundfile

from speechbrain_spmamba.audio import open_audio, read_audio
from speechbrain_spmamba.commands import jobs
from speechbrain_spmamba.commands.inputs import find_inputs
from speechbrain_spmamba.commands.jobs import Job, separate_one
from speechbrain_spmamba.recordings import block_reader
from speechbrain_spmamba.recordings.options import SeparationOptions
from tests.separating import noise, parts_model

SECONDS = 30  # until a recording counts as hanging
KINDS = {
    "wav": "PCM_16",
    "flac": "PCM_16",
    "ogg": "VORBIS",
    "mp3": "MPEG_LAYER_III",
    "aiff": "PCM_16",
}
JOB = Job(
    model="model",
    device=None,
    trust=False,
    options=SeparationOptions(
        window=0.5, overlap=0.1, subtype="FLOAT", all_outputs=True
    ),
)


def _sound(path, wave, rate=8000, subtype=None):
    soundfile.write(path, wave, rate, subtype, format=path.suffix[1:].upper())
    return path


def _plain(folder):
    """What is unusual but right."""
    for rate in (8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000):
        yield _sound(folder / f"rate{rate}.wav", noise(rate // 3), rate)
    for channels in range(1, 9):
        yield _sound(folder / f"ch{channels}.wav", noise(5000, channels))
    for subtype in ("PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"):
        yield _sound(folder / f"{subtype}.wav", noise(5000), subtype=subtype)
    for frames in (1, 2, 3999, 4000, 4001, 7600, 7601):
        yield _sound(folder / f"frames{frames}.wav", noise(frames))
    for kind in KINDS:
        yield _sound(folder / f"kind.{kind}", noise(9000))
    for level in (0, 1e-9, 1e-30, 20, 1e30):
        path = folder / f"level{level}.wav"
        yield _sound(path, noise(5000, level=level), subtype="FLOAT")
    for name in ("ünï 日本語 🎧", "a" * 240, " ", "'; rm -rf x; '", "%s{0}"):
        yield _sound(folder / f"{name}.wav", noise(5000))


def _broken(folder):
    """What has to be refused."""
    for kind, subtype in KINDS.items():
        data = _sound(folder / f"x.{kind}", noise(20000), 16000, subtype)
        data = data.read_bytes()
        for cut in range(1, 20, 2):
            path = folder / f"cut{cut}.{kind}"
            path.write_bytes(data[: len(data) * cut // 20])
            yield path
        (folder / f"x.{kind}").unlink()
        path = folder / f"empty.{kind}"
        path.touch()
        yield path
    for value in (np.nan, np.inf, -np.inf):
        for place in (0, 4000, 8999):
            wave = noise(9000)
            wave[place] = value
            path = folder / f"{value}{place}.wav"
            yield _sound(path, wave, subtype="FLOAT")
    path = folder / "huge.wav"
    yield _sound(path, np.full(5000, 1e300), subtype="DOUBLE")
    (folder / "folder.wav").mkdir()
    (folder / "link.wav").symlink_to("nowhere.wav")
    (folder / "loop.wav").symlink_to("loop.wav")
    (folder / "device.wav").symlink_to(os.devnull)
    names = ["link.wav", "loop.wav", "device.wav", "none.wav"]
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.wav")
        names.append("pipe.wav")
    yield from (folder / name for name in names)
    yield _sound(folder / f"{'b' * 251}.wav", noise(5000))
    if hasattr(os, "geteuid") and os.geteuid() != 0:
        path = _sound(folder / "secret.wav", noise(5000))
        path.chmod(0)
        yield path


def _doubtful(folder):
    """What may be refused or read, but not be misread."""
    data = _sound(folder / "x.wav", noise(9000), 16000, "PCM_16")
    data = data.read_bytes()
    (folder / "x.wav").unlink()
    fields = {  # offset and format of what a header says
        "size": (4, "<I"), "fmt": (16, "<I"), "tag": (20, "<H"),
        "channels": (22, "<H"), "rate": (24, "<I"), "bytes": (28, "<I"),
        "align": (32, "<H"), "bits": (34, "<H"), "data": (40, "<I"),
    }  # fmt: skip
    for name, (place, form) in fields.items():
        for value in (0, 1, 3, 999, 0x7FFF, 0xFFFF, 0xFFFFFFFF):
            if value < 256 ** struct.calcsize(form):
                changed = bytearray(data)
                struct.pack_into(form, changed, place, value)
                path = folder / f"{name}{value}.wav"
                path.write_bytes(changed)
                yield path
    for seed in range(12):
        rng = np.random.default_rng(seed)
        for kind in ("wav", "mp3", "ogg", "flac"):
            path = folder / f"random{seed}.{kind}"
            path.write_bytes(rng.bytes(2000 * seed + 10))
            yield path
    for kind, subtype in KINDS.items():
        data = _sound(folder / f"x.{kind}", noise(20000), 16000, subtype)
        data = data.read_bytes()
        (folder / f"x.{kind}").unlink()
        for seed in range(10):
            rng = np.random.default_rng(seed)
            changed = np.frombuffer(data, "uint8").copy()
            places = rng.integers(0, len(data), 1 + 3 * seed)
            changed[places] = rng.integers(0, 256, len(places))
            path = folder / f"hit{seed}.{kind}"
            path.write_bytes(changed.tobytes())
            yield path


def _outcome(path, out):
    """Separates; checks all but whether it should have been possible."""
    inputs, errors = find_inputs([str(path)], out)
    if errors:
        return False, errors[0], []
    signal.alarm(SECONDS)
    try:
        done, line, paths = separate_one(inputs[0], JOB)
    finally:
        signal.alarm(0)
    assert line.isprintable(), line
    assert line.startswith("error: ") != done
    left = sorted(out.iterdir()) if out.is_dir() else []
    assert left == sorted(paths) and len(paths) == 2 * done
    if done:
        wave = read_audio(path).mean(1)
        with open_audio(path) as file:
            rate = file.samplerate
        for share, name in zip((0.75, 0.25), paths, strict=True):
            found, found_rate = soundfile.read(name)
            assert (len(found), found_rate) == (len(wave), rate)
            if rate == 8000:
                error = np.abs(found - share * wave).max()
                assert error <= 1e-6 * max(1, np.abs(wave).max())
    for name in paths:
        name.unlink()
    return done, line, paths


def _check(folder, every):
    """Goes through every n-th; returns how many."""
    count = 0
    for make, expected in (
        (_plain, {True}),
        (_broken, {False}),
        (_doubtful, {True, False}),
    ):
        (folder / make.__name__).mkdir()
        for number, path in enumerate(make(folder / make.__name__)):
            if number % every:
                continue
            count += 1
            done, line, _ = _outcome(path, folder / "out")
            assert done in expected, line
    return count


@pytest.fixture
def folder(tmp_path, monkeypatch):
    model = parts_model()
    monkeypatch.setattr(jobs, "loaded", lambda *_: (model, "digest"))
    monkeypatch.setattr(block_reader, "PIPE_WAIT", 0.05)
    return tmp_path


unix = pytest.mark.skipif(
    sys.platform == "win32", reason="needs signals and named pipes"
)


@unix
def test_some_hostile_recordings(folder):
    assert _check(folder, 9) > 20


@pytest.mark.slow
@unix
def test_hundreds_of_hostile_recordings(folder):
    assert _check(folder, 1) > 200


@unix
def test_an_output_folder_that_cannot_be_written_is_reported(folder):
    path = _sound(folder / "a.wav", noise(5000))
    for out in ("/dev/null/out", "/proc/out"):
        recording = find_inputs([str(path)], out)[0][0]
        done, line, paths = separate_one(recording, JOB)
        assert not done and not paths
        assert line.startswith("error: ") and line.isprintable()


@unix
def test_a_full_disk_is_reported_and_leaves_nothing(folder, monkeypatch):
    monkeypatch.setattr(
        "speechbrain_spmamba.recordings.source_writer.tempfile.TemporaryFile",
        lambda dir: open("/dev/full", "w+b"),
    )
    path = _sound(folder / "a.wav", noise(5000))
    done, line, _ = _outcome(path, folder / "out")
    assert not done and "No space left" in line
