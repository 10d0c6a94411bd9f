"""Whatever libsndfile reads is found, behind links as well, and only once."""

import os

import pytest
import soundfile

from speechbrain_spmamba.files.audio_files import audio_files, is_audio

needs_links = pytest.mark.skipif(
    not hasattr(os, "symlink"), reason="no symbolic links"
)


def fill(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def names(folder, *args, **options):
    paths, faults = audio_files(folder, *args, **options)
    assert not faults
    return [path.relative_to(folder).as_posix() for path in paths]


def test_every_format_of_the_library_is_audio_by_its_own_name():
    formats = set(soundfile.available_formats()) - {"RAW"}
    assert all(is_audio(f"a.{name.lower()}") for name in formats)
    assert all(is_audio(f"a.{name}") for name in formats)


@pytest.mark.parametrize("suffix", "opus oga aif aifc snd wave sph".split())
def test_usual_suffixes_are_audio_as_well(suffix):
    assert is_audio(f"a.{suffix}") and is_audio(f"a.{suffix.title()}")


@pytest.mark.parametrize("name", ["a.txt", "wav", "a.raw", "a.wav.part", "a"])
def test_other_files_are_not(name):
    assert not is_audio(name)


@needs_links
def test_linked_folders_and_files_are_followed(tmp_path):
    fill(tmp_path, "disk/b.wav", "disk/deep/c.flac", "in/a.wav")
    (tmp_path / "in/disk").symlink_to("../disk")
    (tmp_path / "in/d.au").symlink_to("../disk/b.wav")
    assert names(tmp_path / "in") == [
        "a.wav", "d.au", "disk/b.wav", "disk/deep/c.flac",
    ]  # fmt: skip


@needs_links
def test_a_link_to_a_folder_around_it_is_no_loop(tmp_path):
    fill(tmp_path, "a/b.wav", "c.wav")
    (tmp_path / "a/up").symlink_to("..")
    (tmp_path / "a/same").symlink_to(".")
    assert names(tmp_path) == ["a/b.wav", "c.wav"]
    assert names(tmp_path, "**/*.wav") == ["a/b.wav", "c.wav"]


@needs_links
def test_a_link_to_nothing_is_named(tmp_path):
    fill(tmp_path, "a.wav")
    (tmp_path / "b.wav").symlink_to("nothing.wav")
    (tmp_path / "self.wav").symlink_to("self.wav")
    paths, faults = audio_files(tmp_path)
    assert [path.name for path in paths] == ["a.wav"]
    assert [line.split("/")[-1] for line in faults] == [
        "b.wav is a link to nothing",
        "self.wav is a link to nothing",
    ]


@pytest.mark.parametrize(
    "pattern, found",
    [
        ("*", ["a.wav"]),
        ("**", ["a.wav", "b/c.wav", "b/d/e.flac"]),
        ("**/*.wav", ["a.wav", "b/c.wav"]),
        ("b/**/*", ["b/c.wav", "b/d/e.flac"]),
        ("*/*", ["b/c.wav"]),
        ("[bc]/*/e.fla?", ["b/d/e.flac"]),
        ("**/d/**/*.flac", ["b/d/e.flac"]),
        ("*/d", []),
    ],
)
def test_patterns_are_those_of_glob(tmp_path, pattern, found):
    fill(tmp_path, "a.wav", "b/c.wav", "b/d/e.flac", "b/n.txt", ".h/x.wav")
    assert names(tmp_path, pattern) == found


def test_a_folder_can_be_left_out(tmp_path):
    fill(tmp_path, "a.wav", "out/a_s1.wav")
    assert names(tmp_path, leave_out=tmp_path / "out") == ["a.wav"]
