"""Options are checked in one place, whoever gives them."""

import pytest

from speechbrain_spmamba.recordings.options import SeparationOptions


@pytest.mark.parametrize(
    "own, format, subtype",
    [
        ("PCM_16", "wav", "PCM_16"),
        ("DOUBLE", "wav", "DOUBLE"),
        ("FLOAT", "flac", "PCM_24"),
        ("PCM_U8", "wav", "PCM_16"),
        ("MPEG_LAYER_III", "flac", "PCM_16"),
    ],
)
def test_the_sample_format_follows_the_input(own, format, subtype):
    assert SeparationOptions(format=format).subtype_like(own) == subtype


def test_what_a_format_cannot_hold_is_said_first():
    with pytest.raises(ValueError, match="flac holds no FLOAT"):
        SeparationOptions(format="flac", subtype="FLOAT")
    with pytest.raises(ValueError, match="flac holds up to 8 channels"):
        SeparationOptions(format="flac").check_file(8000, 9)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"window": 0}, "window is 0"),
        ({"window": float("nan")}, "window is nan"),
        ({"overlap": 6}, "at most half"),
        ({"overlap": 0}, "overlap is 0"),
        ({"batch": 0}, "--batch is 0"),
        ({"channel": 0}, "channel is 0"),
        ({"format": "mp3"}, "--format is mp3; expected wav or flac"),
        ({"speakers": 1, "all_outputs": True}, "give one of the two"),
    ],
)
def test_values_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SeparationOptions(**options)
