"""Files are read in part, written whole, and bad ones are named."""

import numpy as np
import pytest
import soundfile

from speechbrain_spmamba.audio import (
    at_level,
    decibels,
    read_audio,
    rms_level,
    write_audio,
)
from speechbrain_spmamba.files.writing import replacing


@pytest.fixture
def wave():
    return np.random.default_rng(0).uniform(-0.5, 0.5, 4000).astype("float32")


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_a_part_is_what_lies_there(tmp_path, wave, suffix):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, wave, 16000)
    whole = read_audio(path)
    part = read_audio(path, 16000, start=1000, frames=500)
    np.testing.assert_array_equal(part, whole[1000:1500])


def test_what_cannot_be_searched_is_read_up_to_the_part(tmp_path, wave):
    path = tmp_path / "phone.wav"
    soundfile.write(path, wave, 8000, subtype="GSM610")
    whole = read_audio(path)
    part = read_audio(path, start=1000, frames=500)
    np.testing.assert_array_equal(part, whole[1000:1500])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="nothing.wav does not exist"):
        read_audio(tmp_path / "nothing.wav")
    with pytest.raises(ValueError, match="is a folder"):
        read_audio(tmp_path)


@pytest.mark.parametrize("content", [b"", b"RIFFxxxxWAVE", b"no audio " * 99])
def test_what_is_no_audio_is_named(tmp_path, content):
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="bad.wav cannot be read as audio"):
        read_audio(path)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_truncated_file_is_an_error(tmp_path, wave, suffix):
    path = tmp_path / f"cut.{suffix}"
    soundfile.write(path, wave, 16000)
    header = soundfile.info(path).frames
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(ValueError, match=r"cut\.\w+ (is|cannot)"):
        # libsndfile shortens a cut WAV's header count by itself
        read_audio(path, start=0, frames=header)


def test_another_rate_is_an_error(tmp_path, wave):
    soundfile.write(tmp_path / "a.wav", wave, 8000)
    with pytest.raises(ValueError, match="8000 Hz, expected 16000 Hz"):
        read_audio(tmp_path / "a.wav", 16000)


def test_float_files_keep_what_exceeds_one(tmp_path, wave):
    write_audio(tmp_path / "a.wav", wave * 5, 16000)
    np.testing.assert_array_equal(
        read_audio(tmp_path / "a.wav")[:, 0], wave * 5
    )


def test_clipping_is_refused(tmp_path, wave):
    with pytest.raises(ValueError, match="more than PCM_16 holds"):
        write_audio(tmp_path / "a.wav", wave * 5, 16000, "PCM_16")
    assert not list(tmp_path.iterdir())


def test_nothing_half_written_stays(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("ne")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_names_the_file_that_was_to_be(tmp_path):
    with (
        pytest.raises(OSError, match="note.txt") as raised,
        replacing(tmp_path / "note.txt"),
    ):
        raise OSError(28, "No space left on device")
    assert raised.value.filename == str(tmp_path / "note.txt")
    assert not list(tmp_path.iterdir())


def test_a_level_is_that_of_the_root_mean_square_and_silence_stays(wave):
    loud = at_level(wave.astype(float), -20.0)
    assert rms_level(loud) == pytest.approx(-20.0)
    assert rms_level(2 * loud) == pytest.approx(-13.98, abs=0.01)
    assert not at_level(np.zeros(9), -20.0).any()
    assert rms_level(wave[:0]) == -np.inf
    found = decibels(np.array([1.0, 0.0]))
    assert found == pytest.approx([0.0, -120.0], abs=1e-6)
