"""An index finds audio, remembers it and tells good from bad."""

import json
import os

import numpy as np
import pytest
import soundfile

from speechbrain_spmamba.prepare.corpora import index
from speechbrain_spmamba.prepare.corpora.index import list_audio
from speechbrain_spmamba.prepare.corpora.integrity import check_samples

RATE = 8000


def tone(frames=800, hertz=200.0, peak=0.5):
    """A sine, float64 ``[T]``."""
    return peak * np.sin(2 * np.pi * hertz / RATE * np.arange(frames))


def write(path, wave, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, RATE, **options)
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Three files of different lengths; the cache is beside them."""
    monkeypatch.setenv("SPMAMBA_CACHE", str(tmp_path / "cache"))
    write(tmp_path / "corpus" / "b.wav", tone(100))
    write(tmp_path / "corpus" / "a" / "z.flac", tone(200))
    write(tmp_path / "corpus" / "a" / "é b.ogg", tone(300))
    return tmp_path / "corpus"


@pytest.fixture
def opened(monkeypatch):
    """Names of the files that are opened from now on."""
    names, read_header = [], index.read_header

    def spy(path):
        names.append(path.name)
        return read_header(path)

    monkeypatch.setattr(index, "read_header", spy)
    return names


def no_writing_in(monkeypatch, *folders):
    """As on a read-only disk, for any user."""
    write = index.write_json

    def refuse(path, *args, **options):
        if any(folder in path.parents for folder in folders):
            raise PermissionError(path)
        write(path, *args, **options)

    monkeypatch.setattr(index, "write_json", refuse)


def names(files):
    return [file.name for file in files]


def tree(folder):
    """Everything in a folder, with times of change."""
    paths = [folder, *folder.rglob("*")]
    return sorted((str(path), path.stat().st_mtime_ns) for path in paths)


def kept(folder):
    """The index that was written; there must be one."""
    (path,) = (folder.parent / "cache").iterdir()
    return path


def test_files_are_described_in_order(folder):
    files = list_audio(folder)
    assert [(f.name, f.frames, f.sample_rate) for f in files] == [
        ("a/z.flac", 200, RATE),
        ("a/é b.ogg", 300, RATE),
        ("b.wav", 100, RATE),
    ]
    assert all(soundfile.info(f.path).frames == f.frames for f in files)


def test_other_and_hidden_files_are_not_seen(folder):
    (folder / "notes.txt").write_text("no audio")
    (folder / "._b.wav").write_bytes(b"what a Mac leaves beside files")
    (folder / ".trash").mkdir()
    (folder / ".trash" / "c.wav").write_bytes(b"")
    (folder / "d.wav").mkdir()
    assert len(list_audio(folder)) == 3


def test_the_pattern_and_the_user_choose(folder):
    assert names(list_audio(folder, "*")) == ["b.wav"]
    left = list_audio(folder, skip=lambda name: name.startswith("a/"))
    assert names(left) == ["b.wav"]


def test_a_missing_or_empty_folder_has_no_files_and_gets_none(tmp_path):
    assert list_audio(tmp_path / "nowhere") == []
    assert list_audio(tmp_path) == []
    assert not list(tmp_path.iterdir())


def test_a_second_scan_opens_nothing(folder, opened):
    first = list_audio(folder)
    assert len(opened) == 3
    opened.clear()
    assert list_audio(folder) == first
    assert not opened


def test_an_unchanged_index_is_not_written_again(folder, monkeypatch):
    list_audio(folder)
    monkeypatch.setattr(index, "_save", None)
    list_audio(folder)


def test_what_is_skipped_is_not_forgotten(folder, opened):
    for suffix in (".wav", ".flac", ".wav", ".flac"):
        list_audio(folder, skip=lambda name, end=suffix: name.endswith(end))
    assert sorted(opened) == ["b.wav", "z.flac", "é b.ogg"]


def test_only_what_is_new_or_has_changed_is_opened_again(folder, opened):
    list_audio(folder)
    write(folder / "b.wav", tone(150))
    write(folder / "c.wav", tone(50))
    (folder / "a" / "z.flac").unlink()
    opened.clear()
    frames = {file.name: file.frames for file in list_audio(folder)}
    assert frames == {"a/é b.ogg": 300, "b.wav": 150, "c.wav": 50}
    assert sorted(opened) == ["b.wav", "c.wav"]
    stored = json.loads(kept(folder).read_text())
    assert set(stored["files"]) == set(frames)


def test_a_file_that_is_gone_is_forgotten(folder):
    list_audio(folder)
    (folder / "b.wav").unlink()
    assert len(list_audio(folder)) == 2
    assert "b.wav" not in kept(folder).read_text()


def test_a_file_of_the_same_size_and_a_later_time_has_changed(folder, opened):
    list_audio(folder)
    opened.clear()
    os.utime(folder / "b.wav", ns=(1, 1))
    list_audio(folder)
    assert opened == ["b.wav"]


def test_nothing_is_written_into_a_corpus(folder, opened):
    (folder / "bad.wav").write_bytes(b"not audio")
    before = tree(folder)
    first = list_audio(folder, check=True, bad_share=0.5)
    assert list_audio(folder, check=True, bad_share=0.5) == first
    assert len(opened) == 4 + 1  # the bad one is looked at again
    assert tree(folder) == before


def test_folders_with_the_same_names_have_an_index_each(folder, opened):
    list_audio(folder)
    other = folder.with_name("other")
    write(other / "b.wav", tone(70))
    assert list_audio(other)[0].frames == 70
    list_audio(folder, "*")
    opened.clear()
    assert len(list_audio(folder)) == 3 and len(list_audio(other)) == 1
    assert not opened


def test_where_nothing_can_be_written_nothing_fails(
    folder, opened, monkeypatch
):
    no_writing_in(monkeypatch, folder.parent)
    assert list_audio(folder) == list_audio(folder)
    assert len(opened) == 6


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", '{"format": 0}', '{"format": 2, "files": {"b.wav": 1}}'],
)
def test_a_broken_index_is_made_again(folder, text):
    first = list_audio(folder)
    path = kept(folder)
    whole = path.read_text()
    path.write_text(text)
    assert list_audio(folder) == first
    assert path.read_text() == whole


def test_an_interruption_keeps_what_was_opened(folder, opened, monkeypatch):
    read_header = index.read_header

    def stop(path):
        if path.name == "b.wav":
            raise KeyboardInterrupt
        return read_header(path)

    with monkeypatch.context() as patch:
        patch.setattr(index, "read_header", stop)
        with pytest.raises(KeyboardInterrupt):
            list_audio(folder)
    opened.clear()
    assert len(list_audio(folder)) == 3
    assert opened == ["b.wav"]


def test_threads_find_the_same(folder):
    alone = list_audio(folder, check=True)
    kept(folder).unlink()
    assert list_audio(folder, check=True, jobs=3) == alone


def test_a_bad_file_is_named_and_skipped(folder, caplog):
    (folder / "a" / "bad.wav").write_bytes(b"not audio")
    assert len(list_audio(folder, bad_share=0.25)) == 3
    assert "skipped 1 of 4 audio files: a/bad.wav cannot be read" in caplog.text


def test_a_warning_names_a_few_and_counts_all(folder, caplog):
    for number in range(12):
        (folder / f"bad{number:02d}.wav").write_bytes(b"")
    list_audio(folder, bad_share=0.9)
    assert "skipped 12 of 15" in caplog.text
    assert "bad04.wav" in caplog.text and "bad05.wav" not in caplog.text


def test_too_many_bad_files_are_an_error_of_one_line(folder):
    (folder / "a" / "bad.wav").write_bytes(b"not audio")
    with pytest.raises(
        ValueError,
        match=r"1 of 4 audio files are bad.*bad_share=0.2 .*a/bad.wav cannot",
    ) as error:
        list_audio(folder, bad_share=0.2)
    assert "\n" not in str(error.value)


def test_a_bad_file_is_looked_at_again(folder, monkeypatch):
    """It may have been the disk, and the file is what it was."""
    with monkeypatch.context() as patch:
        patch.setattr(index, "read_header", lambda path: (0, 0, "is far away"))
        assert list_audio(folder, bad_share=1.0) == []
    assert len(list_audio(folder)) == 3


def test_another_rate_is_bad_where_one_is_wanted(folder, caplog):
    write(folder / "c.wav", tone(90))
    assert len(list_audio(folder, sample_rate=RATE)) == 4
    assert list_audio(folder, sample_rate=16000, bad_share=1.0) == []
    assert "c.wav is at 8000 Hz, expected 16000 Hz" in caplog.text


def test_headers_tell_empty_and_cut_files(folder, caplog):
    write(folder / "empty.wav", tone(0))
    path = write(folder / "cut.wav", tone(4000))
    path.write_bytes(path.read_bytes()[:5000])
    assert len(list_audio(folder, bad_share=0.5)) == 3
    assert "empty.wav holds no samples" in caplog.text
    assert "cut.wav is truncated: 4956 of 8000 bytes" in caplog.text


def test_a_stream_of_unknown_length_is_not_cut(folder):
    path = write(folder / "stream.wav", tone(4000))
    content = path.read_bytes()
    at = content.index(b"data") + 4
    path.write_bytes(content[:at] + b"\xff" * 4 + content[at + 4 :])
    assert list_audio(folder)[-1].frames == 4000


def test_flac_of_unknown_length_is_as_long_as_it_is(folder):
    path = write(folder / "stream.flac", tone(4000))
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the last 36 bits of these are the length
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert list_audio(folder)[-1].frames == 4000


def bad_samples():
    """Name -> (wave, options of writing, reason)."""
    hole = tone()
    hole[400] = np.nan
    endless = tone()
    endless[-1] = np.inf
    burst = tone(peak=0.1)
    burst[300:310] = 1.0
    as_float = {"subtype": "FLOAT"}
    return {
        "nan": (hole, as_float, "holds NaN or infinite samples"),
        "inf": (endless, as_float, "holds NaN or infinite samples"),
        "silent": (np.zeros(800), {}, "is silent"),
        "hiss": (tone(peak=5e-5), {}, "is silent"),
        "clipped": (tone(peak=3.0).clip(-1, 1), {}, "is clipped"),
        "low": (-burst, {}, "is clipped"),
        "right": (np.stack([tone(), burst], 1), {}, "is clipped"),
    }


@pytest.mark.parametrize("name", bad_samples())
def test_samples_tell_what_is_wrong(tmp_path, name):
    wave, options, reason = bad_samples()[name]
    assert check_samples(write(tmp_path / "x.wav", wave, **options)) == reason


@pytest.mark.parametrize(
    "wave, options",
    [
        (tone(), {}),
        (tone(peak=1.0, hertz=90.0), {}),
        (tone(peak=2.5), {"subtype": "FLOAT"}),  # DnR's stems go beyond one
        (np.stack([tone(), np.zeros(800)], 1), {}),
    ],
)
def test_loud_is_not_clipped_and_one_silent_channel_not_silent(
    tmp_path, wave, options
):
    assert check_samples(write(tmp_path / "x.wav", wave, **options)) == ""


def test_samples_tell_a_damaged_file(tmp_path):
    noise = 0.1 * np.random.default_rng(0).standard_normal(40000)
    path = write(tmp_path / "x.flac", noise)
    assert check_samples(path) == ""
    content = bytearray(path.read_bytes())
    content[20000:30000] = bytes(10000)
    path.write_bytes(content)
    assert list_audio(tmp_path)[0].frames == 40000
    assert "is damaged at sample" in check_samples(path)


def test_what_only_samples_tell_is_used_when_asked_for(folder, caplog):
    write(folder / "c.wav", np.zeros(90))
    for _ in range(2):  # the second time from the cache
        assert len(list_audio(folder)) == 4
        assert len(list_audio(folder, check=True, bad_share=0.3)) == 3
    assert caplog.text.count("c.wav is silent") == 2


def test_a_checked_file_is_not_decoded_again(folder, monkeypatch):
    list_audio(folder)
    list_audio(folder, check=True)
    monkeypatch.setattr(index, "check_samples", None)
    assert len(list_audio(folder, check=True)) == 3
