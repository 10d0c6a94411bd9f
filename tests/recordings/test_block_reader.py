"""Recordings of any kind are read as blocks, or named and refused."""

import io
import os
import threading

import numpy as np
import pytest
import soundfile

from speechbrain_spmamba.recordings import block_reader
from speechbrain_spmamba.recordings.block_reader import open_recording
from tests.separating import noise

KINDS = {
    "a.wav": "PCM_16",
    "b.wav": "PCM_24",
    "c.wav": "FLOAT",
    "d.flac": "PCM_16",
    "e.ogg": "VORBIS",
    "f.mp3": "MPEG_LAYER_III",
    "g.aiff": "PCM_16",
}


def _write(path, wave, rate=8000, subtype=None):
    kind = path.suffix[1:].upper()
    soundfile.write(path, wave, rate, subtype=subtype, format=kind)
    return path


def _read(source):
    with open_recording(source) as reader:
        blocks = list(reader.blocks())
        assert all(block.dtype == np.float32 for block in blocks)
        return np.concatenate(blocks)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_read_as_a_whole(tmp_path, name):
    path = _write(tmp_path / name, noise(9000, 2), subtype=KINDS[name])
    expected = soundfile.read(path)[0].mean(1)
    np.testing.assert_allclose(_read(path), expected, atol=1e-6)


def test_blocks_are_small_whatever_the_number_of_channels(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(block_reader, "BLOCK", 1000)
    wave = noise(3000, 8)
    path = _write(tmp_path / "a.wav", wave, subtype="FLOAT")
    with open_recording(path) as reader:
        blocks = list(reader.blocks())
    assert max(map(len, blocks)) == 125
    np.testing.assert_allclose(np.concatenate(blocks), wave.mean(1), atol=1e-6)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("share", [0.3, 0.7, 0.99])
def test_a_file_that_was_cut_off_is_named(tmp_path, name, share):
    path = _write(tmp_path / name, noise(40000), subtype=KINDS[name])
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ValueError, match=name) as error:
        _read(path)
    words = ("truncated", "damaged", "cannot be read", "holds no samples")
    assert any(word in str(error.value) for word in words)


@pytest.mark.parametrize("told", [0xFFFFFFFF, 0x7FFFFFFF])
def test_a_wav_file_from_a_pipe_may_not_know_its_length(tmp_path, told):
    path = _write(tmp_path / "a.wav", noise(1000), subtype="PCM_16")
    data = bytearray(path.read_bytes())
    place = data.index(b"data") + 4
    data[place : place + 4] = told.to_bytes(4, "little")
    path.write_bytes(data)
    assert len(_read(path)) == 1000


def test_a_file_object_is_read(tmp_path):
    path = _write(tmp_path / "a.wav", noise(1000), subtype="FLOAT")
    found = _read(io.BytesIO(path.read_bytes()))
    np.testing.assert_array_equal(found, _read(path))
    with open(path, "rb") as file:
        assert len(_read(file)) == 1000


def test_what_cannot_be_searched_is_copied_first(tmp_path):

    class Stream(io.RawIOBase):
        def __init__(self, data):
            self.data = io.BytesIO(data)

        def readable(self):
            return True

        def readinto(self, buffer):
            return self.data.readinto(buffer)

    path = _write(tmp_path / "a.flac", noise(1000))
    found = _read(Stream(path.read_bytes()))
    np.testing.assert_array_equal(found, _read(path))


@pytest.mark.parametrize("source", [io.BytesIO(b"no audio"), io.BytesIO()])
def test_a_file_object_without_audio_is_named(source):
    with pytest.raises(ValueError, match="the stream cannot be read as audio"):
        _read(source)


def test_a_text_file_object_is_refused(tmp_path):
    (tmp_path / "a.txt").write_text("no audio")
    with open(tmp_path / "a.txt") as file:
        with pytest.raises(ValueError, match="a.txt is open as text"):
            _read(file)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_named_pipe_is_read(tmp_path):
    path = _write(tmp_path / "a.wav", noise(50000), subtype="FLOAT")
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    writer = threading.Thread(
        target=lambda: pipe.write_bytes(path.read_bytes())
    )
    writer.start()
    found = _read(pipe)
    writer.join()
    np.testing.assert_array_equal(found, _read(path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_to_which_nobody_writes_does_not_wait_for_ever(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(block_reader, "PIPE_WAIT", 0.01)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe is a pipe into which nobody"):
        _read(tmp_path / "pipe")


@pytest.mark.parametrize("rate", [1, 999, 800_000])
def test_a_sample_rate_that_no_recording_has_is_named(tmp_path, rate):
    path = _write(tmp_path / "a.wav", noise(100), rate)
    with pytest.raises(ValueError, match=f"sampled at {rate} Hz"):
        _read(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_one_bad_sample_is_found(tmp_path, value):
    wave = noise(20000)
    wave[12345] = value
    path = _write(tmp_path / "a.wav", wave, subtype="FLOAT")
    with pytest.raises(ValueError, match="a.wav has NaN or infinite"):
        _read(path)


@pytest.mark.parametrize("name", ["a.wav", "a.aiff"])
def test_no_samples_are_named(tmp_path, name):
    path = _write(tmp_path / name, np.zeros(0))
    with pytest.raises(ValueError, match="a.* holds no samples"):
        _read(path)


def test_names_need_not_be_text(tmp_path):
    path = tmp_path / os.fsdecode(b"t\xe9\n.wav")
    path.write_bytes(_write(tmp_path / "a.wav", noise(10)).read_bytes())
    assert len(_read(path)) == 10
    path.write_bytes(b"no audio")
    with pytest.raises(ValueError) as error:
        _read(path)
    assert str(error.value).isprintable()
