"""Patterns find item and source in the name of a file."""

import pytest

from speechbrain_spmamba.estimates.patterns import match_files, read_pattern

FITS = {
    "{id}_s{n}.wav": ("day/a_s1_s2.wav", "day/a_s1", "2"),
    "{id}_s{n}": ("a_s12.flac", "a", "12"),
    "s{n}/{id}": ("s1/x/a.wav", "x/a", "1"),
    "{id}/{id}_{n}.wav": ("a/a_3.wav", "a", "3"),
    "out.*/wavs/{n}/{id}.wav": ("out.7/wavs/2/a.wav", "a", "2"),
    "(x)+/{id}[{n}].wav": ("(x)+/a[1].wav", "a", "1"),
}
FITS_NOT = {
    "{id}_s{n}.wav": ("a_s1.flac", "a_s.wav", "_s1.wav", "a_sx.wav"),
    "{id}/{id}_{n}.wav": ("a/b_1.wav",),
    "s{n}/{id}": ("x/s1/a.wav", "s1_a.wav", "s1/a"),
}


@pytest.mark.parametrize("pattern", FITS)
def test_a_pattern_finds_item_and_source(pattern):
    name, item, number = FITS[pattern]
    fits = read_pattern(pattern).fullmatch(name)
    assert (fits["id"], fits["n"]) == (item, number)


@pytest.mark.parametrize("pattern", FITS_NOT)
def test_a_pattern_fits_nothing_else(pattern):
    for name in FITS_NOT[pattern]:
        assert not read_pattern(pattern).fullmatch(name), name


@pytest.mark.parametrize("text", ["{id}.wav", "s{n}.wav", "{id}_{x}{n}", "a"])
def test_a_pattern_needs_item_and_source(text):
    with pytest.raises(ValueError, match=r"must have {id} and {n}, and no"):
        read_pattern(text)


def test_a_pattern_of_mixtures_has_no_source():
    assert read_pattern("{id}", ("id",)).fullmatch("a.wav")["id"] == "a"
    with pytest.raises(ValueError, match=r"must have {id}, and no"):
        read_pattern("{id}_s{n}", ("id",))


def test_a_source_that_is_there_twice_is_an_error():
    with pytest.raises(ValueError, match="'a_s1.wav' and 'a_s01.wav' are the"):
        match_files("{id}_s{n}", ["a_s1.wav", "a_s01.wav"])
