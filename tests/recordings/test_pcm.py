"""Headers of pipes: what programs write who do not know how much will come."""

import io
import struct

import numpy as np
import pytest
import soundfile

from speechbrain_spmamba.recordings.pcm import PcmReader, wav_header
from tests.separating import noise

SOUND = (np.arange(100, dtype="<i2") * 100).tobytes()


def _chunk(name, body):
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def _form(tag=1, channels=1, rate=8000, width=2, more=b""):
    step = channels * width
    head = struct.pack(
        "<HHIIHH", tag, channels, rate, rate * step, step, 8 * width
    )
    return _chunk(b"fmt ", head + more)


def _wav(*chunks, size=200, data=SOUND, riff=b"RIFF"):
    head = riff + struct.pack("<I", 0xFFFFFFFF) + b"WAVE" + b"".join(chunks)
    return head + b"data" + struct.pack("<I", size) + data


def _read(data, most=7):
    reader = PcmReader(io.BytesIO(data), "x")
    return reader, np.concatenate(list(reader.blocks(most)))


@pytest.mark.parametrize(
    "size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000, 0x7FFF0000]
)
def test_where_no_length_is_known_the_end_is_the_end(size):
    reader, wave = _read(_wav(_form(), size=size))
    assert len(wave) == 100 and not reader.fault
    assert reader.format.frames is None


def test_a_large_size_that_programs_do_not_put_for_unknown_is_one():
    reader, wave = _read(_wav(_form(), size=0x90000000))
    assert len(wave) == 100 and "x is truncated: " in reader.fault


def test_what_follows_the_sound_is_no_sound():
    data = _wav(_form()) + _chunk(b"LIST", b"INFOICMT by somebody")
    reader, wave = _read(data)
    assert len(wave) == reader.format.frames == 100 and not reader.fault


def test_what_stands_before_the_sound_is_skipped():
    picture = _chunk(b"id3 ", bytes(9999))
    _, wave = _read(_wav(_chunk(b"LIST", b"odd"), picture, _form()))
    assert len(wave) == 100


def test_more_than_four_gigabytes_are_announced_elsewhere():
    long = _chunk(b"ds64", struct.pack("<QQQI", 0, len(SOUND), 100, 0))
    data = _wav(long, _form(), size=0xFFFFFFFF, riff=b"RF64") + b"more"
    assert len(_read(data)[1]) == 100


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32"])
@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
def test_samples_are_those_that_libsndfile_reads(subtype, form):
    file = io.BytesIO()
    soundfile.write(file, noise(999, 3), 8000, subtype, format=form)
    file.seek(0)
    wanted = soundfile.read(file, dtype="float32")[0].mean(1)
    np.testing.assert_allclose(_read(file.getvalue())[1], wanted, atol=1e-8)


def test_the_header_is_one_that_can_be_read():
    reader, wave = _read(wav_header(44100, 2) + SOUND)
    assert reader.format.sample_rate == 44100 and len(wave) == 50


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "x is empty; send WAV of 16-bit PCM"),
        (b"OggS" + bytes(99), "x is no WAV; send"),
        (_wav(_form())[:30], "x ends within its header"),
        (_wav(), "x does not say what it holds"),
        (_wav(_form(3, width=4)), "x is 32-bit floats; expected PCM of 16, 24"),
        (_wav(_form(width=1)), "x is 8-bit PCM; expected PCM of 16, 24 or 32"),
        (_wav(_form(6, width=1)), "x is WAV of format 0x6; expected PCM"),
        (_wav(_form(channels=0)), "x says that it has 0 channels in 0 bytes"),
        (_wav(_form(rate=8)), "x is at 8 Hz; expected 1000 to 768000"),
    ],
)
def test_what_cannot_be_read_is_one_line(data, message):
    with pytest.raises(ValueError) as caught:
        _read(data)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
