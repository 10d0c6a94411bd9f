"""Options are checked in one place, whoever gives them."""

from types import SimpleNamespace

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
        ("FLOAT", "mp3", "MPEG_LAYER_III"),
        ("PCM_16", "opus", "OPUS"),
    ],
)
def test_the_sample_format_follows_the_input(own, format, subtype):
    assert SeparationOptions(format=format).subtype_like(own) == subtype


def test_what_a_format_cannot_hold_is_said_first():
    with pytest.raises(ValueError, match="flac holds no FLOAT"):
        SeparationOptions(format="flac", subtype="FLOAT")
    with pytest.raises(ValueError, match="flac holds up to 8 channels"):
        SeparationOptions(format="flac").check_file(8000, 9)
    with pytest.raises(ValueError, match="mp3 holds no PCM_16; choose MPEG"):
        SeparationOptions(format="mp3", subtype="PCM_16")
    with pytest.raises(ValueError, match="mp3 holds up to 2 channels at 4800"):
        SeparationOptions(format="mp3").check_file(8000, 3)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"window": 0}, "window is 0"),
        ({"window": float("nan")}, "window is nan"),
        ({"overlap": 6}, "at most half"),
        ({"overlap": 0}, "overlap is 0"),
        ({"batch": 0}, "--batch is 0"),
        ({"channel": 0}, "channel is 0"),
        ({"format": "ogg"}, "--format is ogg; expected wav, flac, mp3 or opus"),
        ({"speakers": 1, "all_outputs": True}, "give one of the two"),
    ],
)
def test_values_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SeparationOptions(**options).for_model(SimpleNamespace())


@pytest.mark.parametrize(
    "chosen, of_model, expected",
    [
        ({}, {}, (10.0, 2.0)),
        ({}, {"window": 60, "overlap": 5}, (60, 5)),
        ({"window": 3.0}, {"window": 60, "overlap": 5}, (3.0, 1.5)),
        ({"window": 20.0, "overlap": 1.0}, {"window": 60}, (20.0, 1.0)),
        ({"overlap": 4.0}, {}, (10.0, 4.0)),
        ({"overlap": 8.0}, {"window": 60, "overlap": 5}, (60, 8.0)),
    ],
)
def test_windows_are_those_chosen_or_the_models_or_the_usual(
    chosen, of_model, expected
):
    found = SeparationOptions(**chosen).for_model(SimpleNamespace(**of_model))
    assert (found.window, found.overlap) == expected


def test_a_window_of_a_model_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="window is 0.0 s; give 0.1 to 3600"):
        SeparationOptions().for_model(SimpleNamespace(window=0.0))
