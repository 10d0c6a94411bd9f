"""What a format can hold is what libsndfile writes in it."""

import io

import numpy as np
import pytest
import soundfile

from speechbrain_spmamba.recordings.file_formats import (
    FORMATS,
    check_format,
    container,
    file_rate,
)

RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 96000)


def _can_write(name, rate, channels=1):
    held = FORMATS[name]
    try:
        soundfile.write(
            io.BytesIO(),
            np.zeros((10, channels)),
            rate,
            subtype=held.subtypes[0],
            format=held.container,
        )
    except soundfile.SoundFileError:
        return False
    return True


@pytest.mark.parametrize("name", FORMATS)
def test_rates_and_channels_are_those_that_libsndfile_takes(name):
    held = FORMATS[name]
    for rate in RATES:
        fits = rate in held.rates if held.rates else rate <= held.fastest
        assert _can_write(name, rate) == fits
    assert _can_write(name, 8000, held.channels)
    assert not _can_write(name, 8000, held.channels + 1)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_gets_a_rate_that_loses_nothing_where_there_is_one(name):
    for wanted in (4000, *RATES, 192000):
        found = file_rate(name, wanted)
        assert found >= wanted or found == max(FORMATS[name].rates)
        assert wanted not in FORMATS[name].rates or found == wanted


@pytest.mark.parametrize("name", ["mp3", "opus"])
def test_a_libsndfile_that_cannot_is_named(name, monkeypatch):
    check_format(name)
    # 1.0.31, or built without LAME and mpg123.
    monkeypatch.setattr(soundfile, "available_subtypes", lambda kind: {})
    monkeypatch.setattr(soundfile, "__libsndfile_version__", "1.0.31")
    with pytest.raises(ValueError) as error:
        check_format(name)
    (line,) = str(error.value).splitlines()
    assert line.startswith("libsndfile 1.0.31 of this installation writes no")
    assert "pip install -U soundfile" in line and "--format wav" in line


def test_a_suffix_tells_the_container(tmp_path):
    names = {path: container(tmp_path / path) for path in ("a.OPUS", "b.wav")}
    assert names == {"a.OPUS": "OGG", "b.wav": "WAV"}
