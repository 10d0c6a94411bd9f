"""`spmamba separate --stream -`: what comes in goes out, separated, at once."""

import io
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from speechbrain_spmamba import cli
from speechbrain_spmamba.builtin.models import LIVE
from tests import ROOT
from tests.live import PUBLISHED, as_pcm, live_folder, live_model
from tests.separating import noise
from tests.test_strange_files import make_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return live_folder(tmp_path_factory.mktemp("live") / "model")


@pytest.fixture(scope="module")
def offline(folder):
    """What the model gives of a whole recording, ``[n, S]``."""
    model = live_model(folder)
    return lambda path, **options: model.separate_file(path, **options)


class Drips(io.BytesIO):
    """A pipe that gives what has come, which is little and any number."""

    def seekable(self):
        return False

    def read1(self, size=-1):
        return self.read(min(size, 1 + 37 * self.tell() % 301))


@pytest.fixture
def call(folder, tmp_path, monkeypatch, capfdbinary):
    """Runs the command on bytes: status, bytes that went out, errors."""
    monkeypatch.chdir(tmp_path)

    def run(data, *words, model=folder, kind=io.BytesIO):
        stdin = SimpleNamespace(buffer=kind(data), isatty=lambda: False)
        monkeypatch.setattr(sys, "stdin", stdin)
        words = ["separate", "--stream", *(words or "-"), "-m", str(model)]
        capfdbinary.readouterr()
        with pytest.raises(SystemExit) as stop:
            cli.main([*words, "--device", "cpu"])
        out, err = capfdbinary.readouterr()
        err = err.decode()
        assert "Traceback" not in err
        return SimpleNamespace(status=stop.value.code, out=out, err=err)

    return run


def _file(frames=4001, rate=8000, channels=None, subtype="PCM_16"):
    soundfile.write("a.wav", noise(frames, channels), rate, subtype)
    return Path("a.wav").read_bytes()


def _samples(out):
    """Interleaved 16-bit samples of two voices behind 44 bytes of header."""
    return np.frombuffer(out[44:], "<i2").reshape(-1, 2) / 32768


@pytest.mark.parametrize("kind", [io.BytesIO, Drips])
@pytest.mark.parametrize(
    ("rate", "channels", "subtype"),
    [
        (8000, None, "PCM_16"),
        (8000, 2, "PCM_24"),
        (16000, None, "PCM_32"),
        (44100, 3, "PCM_16"),
    ],
)
def test_a_stream_is_what_the_recording_is(
    call, offline, rate, channels, subtype, kind
):
    done = call(_file(rate // 2 + 1, rate, channels, subtype), kind=kind)
    assert (done.status, done.err) == (0, "standard input: 0.5 s\n")
    found, wanted = _samples(done.out), offline("a.wav")
    assert found.shape == wanted.shape == (rate // 2 + 1, 2)
    np.testing.assert_allclose(found, wanted, atol=2e-5)
    assert np.abs(wanted).max() > 1e-3


@pytest.mark.parametrize("kind", [io.BytesIO, Drips])
def test_raw_in_is_raw_out(call, offline, kind):
    data = _file(8003, 16000)[44:]
    done = call(data, "-", "--raw", "16000", kind=kind)
    assert done.status == 0
    found = np.frombuffer(done.out, "<i2").reshape(-1, 2) / 32768
    np.testing.assert_allclose(found, offline("a.wav"), atol=2e-5)


def test_the_rate_of_the_model_and_the_sum_of_the_mixture(call, offline):
    data = _file(8001, 16000)
    done = call(data, "-", "--rate", "model", "--mixture_consistent")
    wave, rate = soundfile.read(io.BytesIO(done.out))
    options = {"keep_rate": False, "mixture_consistent": True}
    assert rate == 8000 and wave.shape == (4001, 2)
    np.testing.assert_allclose(wave, offline("a.wav", **options), atol=5e-5)


def test_one_channel_alone(call, offline):
    done = call(_file(channels=2), "-", "--channel", "2")
    np.testing.assert_allclose(
        _samples(done.out), offline("a.wav", channel=2), atol=2e-5
    )
    done = call(_file(), "-", "--channel", "2")
    assert done.status == 2 and "standard input: channel 2 was" in done.err


def test_what_goes_out_can_be_read_and_says_that_it_has_no_length(call):
    out = call(_file(), "-", "-o", "-").out
    assert out[4:8] == out[40:44] == b"\xff" * 4
    with soundfile.SoundFile(io.BytesIO(out)) as file:
        assert (file.samplerate, file.channels) == (8000, 2)
        assert file.read().shape == (4001, 2)


@pytest.mark.parametrize("kind, rate", [("mp3", 44100), ("opus", 48000)])
def test_voices_of_a_stream_can_be_compressed(call, caplog, kind, rate):
    done = call(_file(22050, 44100), "-", "-o", "out", "--format", kind)
    paths = [f"out/stdin_s1.{kind}", f"out/stdin_s2.{kind}"]
    assert (done.status, done.out.decode().split()) == (0, paths)
    assert sorted(map(str, Path("out").iterdir())) == paths
    info = soundfile.info(paths[1])
    assert (info.samplerate, info.frames) == (rate, rate // 2)
    assert ("opus has no 44100 Hz" in caplog.text) == (kind == "opus")


def test_files_appear_at_the_end_under_the_names_of_separate(call, offline):
    done = call(_file(subtype="PCM_24"), "-", "-o", "out")
    paths = ["out/stdin_s1.wav", "out/stdin_s2.wav"]
    assert (done.status, done.out.decode().split()) == (0, paths)
    assert sorted(map(str, Path("out").iterdir())) == paths
    found = np.stack([soundfile.read(path)[0] for path in paths], 1)
    np.testing.assert_allclose(found, offline("a.wav"), atol=1e-6)
    assert soundfile.info(paths[0]).subtype == "PCM_24"
    again = call(_file(), "-", "-o", "out")
    assert again.status == 2 and "stdin_s1.wav exists" in again.err
    words = ("-", "-o", "out", "--overwrite", "--format", "flac")
    assert call(_file(), *words).status == 0
    assert soundfile.info("out/stdin_s2.flac").frames == 4001


@pytest.mark.parametrize("output", ["-", "out"])
def test_what_is_too_loud_is_clipped_and_counted(
    call, offline, monkeypatch, output
):
    from speechbrain_spmamba.commands import stream

    real = stream.separate_live
    monkeypatch.setattr(
        stream,
        "separate_live",
        lambda *args: (1000 * block for block in real(*args)),
    )
    done = call(_file(), "-", "-o", output)
    loud = 1000 * offline("a.wav")
    count = int((np.abs(loud) > 1).sum())
    told = int(done.err.partition("s; ")[2].partition(" samples beyond")[0])
    assert count > 100 and abs(told - count) <= count // 100
    if output == "-":
        np.testing.assert_allclose(
            _samples(done.out), np.clip(loud, -1, 1), atol=5e-3
        )


def test_a_stream_that_breaks_off_is_separated_up_to_there(call, offline):
    data = _file(4001)
    done = call(data[:-401])
    assert done.status == 1 and len(_samples(done.out)) == 3800
    assert "truncated: 4001 samples expected, 3800 found" in done.err
    np.testing.assert_allclose(
        _samples(done.out)[:3700], offline("a.wav")[:3700], atol=2e-5
    )
    done = call(data[44:-1], "-", "--raw", "8000", "-o", "out")
    assert done.status == 1 and "ends within a sample: 1 of 2 by" in done.err
    assert soundfile.info("out/stdin_s1.wav").frames == 4000


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.wav"], "--stream separates standard input; give - and nothing"),
        (["-", "a.wav"], "--stream separates standard input; give - and"),
        (["-", "--jobs", "2"], "one stream, in one process"),
        (["-", "--speakers", "1"], "leave --speakers or --stream out"),
        (["-", "--rttm"], "--rttm is written beside the voices of a"),
        (["-", "--format", "flac"], "leave --format and --subtype out"),
        (["-", "--subtype", "FLOAT"], "leave --format and --subtype out"),
        (["-", "--raw", "8"], "standard input is at 8 Hz; expected 1000 to"),
        (["-", "--raw", "8k"], "8k is no whole number"),
    ],
)
def test_what_makes_no_sense_is_one_line(call, words, message):
    done = call(_file(), *words)
    assert (done.status, done.out) == (2, b"")
    assert message in done.err and done.err.count("\n") == 1


@pytest.mark.parametrize("words", [["-"], ["-", "-o", "out"]])
def test_nothing_to_separate_is_one_line(call, words):
    for data, message in (
        (b"", "standard input is empty; send WAV of 16-bit PCM"),
        (_file(0), "standard input holds no samples; nothing to separate"),
        (b"ID3" + bytes(99), "standard input is no WAV; send WAV of 16-bit"),
    ):
        done = call(data, *words)
        assert (done.status, done.out) == (2, b"")
        assert message in done.err and done.err.count("\n") == 1
    assert not Path("out").exists() or not list(Path("out").iterdir())


def test_raw_is_for_streams(folder, capsys):
    with pytest.raises(SystemExit):
        cli.main(["separate", "-", "--raw", "8000", "-m", str(folder)])
    assert "--raw is for streams; add --stream" in capsys.readouterr().err


def test_a_model_that_hears_everything_is_refused(call, tmp_path):
    done = call(_file(), model=make_folder(tmp_path / "whole", "spmamba"))
    assert done.status == 2 and done.err.count("\n") == 1
    assert "whole is not causal" in done.err and f"--model {LIVE}" in done.err


def test_without_a_model_it_is_that_of_the_package(call, monkeypatch):
    from speechbrain_spmamba.commands import live

    asked = []
    monkeypatch.setattr(
        live, "load_model", lambda name, *_: asked.append(name) or 1 / 0
    )
    stdin = SimpleNamespace(buffer=io.BytesIO(), isatty=lambda: False)
    monkeypatch.setattr(sys, "stdin", stdin)
    with pytest.raises(SystemExit):
        cli.main(["separate", "--stream", "-"])
    assert asked == [LIVE]


@pytest.mark.parametrize("which", ["stdin", "stdout"])
def test_a_terminal_is_neither_heard_nor_written_to(monkeypatch, capsys, which):
    for name in ("stdin", "stdout"):
        file = getattr(sys, name)
        monkeypatch.setattr(file, "isatty", lambda n=name: n == which)
    with pytest.raises(SystemExit):
        cli.main(["separate", "--stream", "-"])
    word = "input" if which == "stdin" else "output"
    assert f"standard {word} is a terminal" in capsys.readouterr().err


def _start(folder, *words):
    """The command as a process of its own."""
    command = [sys.executable, "-m", "speechbrain_spmamba.cli", "separate"]
    command += ["--stream", "-", "-m", str(folder), "--device", "cpu", *words]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )


def _said(process):
    """Lines of error, but for the one that names the kernels."""
    lines = process.stderr.read().decode().splitlines()
    return [line for line in lines if not line.startswith("selective_scan")]


def test_voices_come_before_the_end_and_nobody_need_listen_to_it(folder):
    """Another program reads some, and closes the pipe: `| head`."""
    with _start(folder, "--raw", "8000") as process:
        process.stdin.write(as_pcm(noise(1600)))
        assert len(process.stdout.read(64)) == 64
        process.stdout.close()
        with pytest.raises(BrokenPipeError):
            for _ in range(100):
                process.stdin.write(as_pcm(noise(1600)))
                time.sleep(0.05)
        assert _said(process) == []
    assert process.returncode == 141


def test_a_signal_ends_it_as_any_command(folder, tmp_path):
    with _start(folder, "--raw", "8000", "-o", str(tmp_path)) as process:
        process.stdin.write(as_pcm(noise(1600)))
        while not list(tmp_path.iterdir()):
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        assert _said(process) == ["stopped by SIGTERM"]
    assert process.returncode == 143 and not list(tmp_path.iterdir())


@pytest.mark.slow
def test_in_real_time_voices_follow_within_a_third_of_a_second(tmp_path):
    """A block every 12 ms by the clock; of each, when its voices are there."""
    folder = live_folder(tmp_path / "model", PUBLISHED)
    hop, rate, seconds = 96, 8000, 10
    count = seconds * rate // hop
    blocks = [as_pcm(noise(hop, seed=n)) for n in range(count)]
    with _start(folder, "--raw", str(rate)) as process:
        process.stdin.write(as_pcm(noise(rate)))  # while it loads the model
        # Two voices of two bytes; a frame gives back 32 samples before its hop.
        ahead = 4 * (rate // hop * hop - 32)
        while ahead > 0:
            ahead -= len(process.stdout.read(ahead))
        sent, late = [], []

        def send():
            begin = time.monotonic()
            for number, block in enumerate(blocks):
                time.sleep(max(0, begin + number * hop / rate - _now()))
                sent.append(_now())
                process.stdin.write(block)

        writer = threading.Thread(target=send)
        writer.start()
        for number in range(count):
            wanted = 4 * hop
            while wanted > 0:
                wanted -= len(process.stdout.read(wanted))
            late.append(_now() - sent[number])
        writer.join()
        process.stdin.close()
        process.stdout.read()
    # Where others use the processor too, it stops now and then.
    assert len(late) == count and np.quantile(late, 0.95) < 0.3


def _now():
    return time.monotonic()
