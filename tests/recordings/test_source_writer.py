"""Files appear together, whole and unclipped, or not at all."""

import errno
import resource

import numpy as np
import pytest
import soundfile

from speechbrain_spmamba.audio import read_audio
from speechbrain_spmamba.recordings import source_writer
from speechbrain_spmamba.recordings.source_writer import SourceWriter
from tests.separating import noise


def _paths(folder, kind="wav"):
    return [folder / f"a_s{number}.{kind}" for number in (1, 2)]


def _writer(folder, wave, pieces=3):
    found = SourceWriter(8000, folder)
    for piece in np.array_split(wave, pieces):
        found.push(piece)
    return found


@pytest.mark.parametrize(
    "kind, subtype", [("wav", "FLOAT"), ("flac", "PCM_24")]
)
def test_what_is_pushed_is_written(tmp_path, kind, subtype):
    wave = noise(5000, 2)
    with _writer(tmp_path, wave) as found:
        gain = found.write(_paths(tmp_path, kind), subtype, comment="hello")
    assert gain == 1
    for path, source in zip(_paths(tmp_path, kind), wave.T, strict=True):
        np.testing.assert_allclose(soundfile.read(path)[0], source, atol=1e-6)
        with soundfile.SoundFile(path) as file:
            assert file.comment == "hello"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    "kind, subtype", [("mp3", "MPEG_LAYER_III"), ("opus", "OPUS")]
)
@pytest.mark.parametrize("frames", [1, 100, 576, 5000, 70001])
def test_what_is_compressed_is_as_long_and_not_late(
    tmp_path, capfd, kind, subtype, frames
):
    wave = noise(frames + 7, 2)
    wave = sum(wave[k : frames + k] for k in range(8)) / 4  # soft above 1 kHz
    with _writer(tmp_path, wave, pieces=1) as found:
        found.write(_paths(tmp_path, kind), subtype, comment="spmamba " * 20)
    assert capfd.readouterr().err == ""  # of the decoder, while it was checked
    for path, source in zip(_paths(tmp_path, kind), wave.T, strict=True):
        # By the reader of this package, which counts for itself, too.
        written = read_audio(path, 8000)[:, 0]
        assert len(written) == frames
        with soundfile.SoundFile(path) as file:
            assert file.subtype == subtype
            assert file.comment == "spmamba " * 20
        if frames > 2000:
            inner = source[50:-50]
            lags = np.correlate(written, inner, "valid")
            assert lags.argmax() == 50  # of 0 to 100: neither early nor late
            assert np.corrcoef(source, written)[0, 1] > 0.95
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    "kind, subtype", [("mp3", "MPEG_LAYER_III"), ("opus", "OPUS")]
)
def test_what_is_compressed_does_not_clip_either(tmp_path, kind, subtype):
    wave = noise(8000, 2)
    wave[4000, 1] = 2.0
    with _writer(tmp_path, wave) as found:
        assert found.write(_paths(tmp_path, kind), subtype) == 0.5


def test_integer_files_share_one_gain(tmp_path):
    wave = noise(5000, 2, level=0.2)
    wave[4000, 1] = -2.5
    with _writer(tmp_path, wave) as found:
        gain = found.write(_paths(tmp_path), "PCM_24")
    assert gain == pytest.approx(0.4)
    for path, source in zip(_paths(tmp_path), wave.T, strict=True):
        written = soundfile.read(path)[0]
        np.testing.assert_allclose(written, 0.4 * source, atol=1e-6)


def test_float_files_keep_their_level(tmp_path):
    with _writer(tmp_path, noise(100, 2, level=9)) as found:
        assert found.write(_paths(tmp_path), "FLOAT") == 1


def test_sources_can_be_chosen_or_share_a_file(tmp_path):
    wave = noise(100, 3)
    with _writer(tmp_path, wave) as found:
        found.write(_paths(tmp_path), "FLOAT", chosen=[2, 0])
        found.write([tmp_path / "all.wav"], "FLOAT")
    written = [soundfile.read(p)[0] for p in _paths(tmp_path)]
    np.testing.assert_allclose(np.stack(written, 1), wave[:, [2, 0]])
    np.testing.assert_allclose(soundfile.read(tmp_path / "all.wav")[0], wave)


def test_texts_appear_with_the_sound(tmp_path):
    texts = {tmp_path / "a.txt": "ä\n", tmp_path / "deep" / "a.json": "{}"}
    with _writer(tmp_path, noise(100, 2)) as found:
        found.write(_paths(tmp_path), "FLOAT", texts=texts)
        assert [path.read_text("utf-8") for path in texts] == ["ä\n", "{}"]
        assert all(path.is_file() for path in _paths(tmp_path))
        # Without any sound as well.
        found.write([], "FLOAT", [], texts={tmp_path / "b.txt": "nobody"})
    assert (tmp_path / "b.txt").read_text() == "nobody"


def test_files_beyond_4_gb_get_the_header_for_them(tmp_path, monkeypatch):
    monkeypatch.setattr(source_writer, "WAV_LIMIT", 1000)
    with _writer(tmp_path, noise(500, 2)) as found:
        found.write(_paths(tmp_path), "FLOAT")
    info = soundfile.info(_paths(tmp_path)[0])
    assert (info.format, info.frames) == ("RF64", 500)


def test_nothing_is_left_if_one_file_cannot_be_named(tmp_path):
    first, second = _paths(tmp_path)
    second.mkdir()  # in the way
    with _writer(tmp_path, noise(500, 2)) as found:
        with pytest.raises(OSError):
            found.write([first, second], "FLOAT")
    assert list(tmp_path.iterdir()) == [second]


def test_no_sound_is_left_if_a_text_cannot_be_named(tmp_path):
    text = tmp_path / "a.txt"
    text.mkdir()  # in the way
    with _writer(tmp_path, noise(500, 2)) as found:
        with pytest.raises(OSError):
            found.write(_paths(tmp_path), "FLOAT", texts={text: "text"})
    assert list(tmp_path.iterdir()) == [text]


@pytest.fixture
def small_disk():
    """Files can grow to 20 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_a_disk_that_fills_while_writing_leaves_nothing(
    tmp_path, kind, request
):
    with _writer(tmp_path, noise(30000, 2), 1) as found:
        found.file.flush()
        request.getfixturevalue("small_disk")
        with pytest.raises(ValueError, match="a_s1.*could not be written"):
            found.write(_paths(tmp_path, kind), "PCM_16")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_before_leaves_nothing(tmp_path, small_disk):
    with pytest.raises(OSError) as error, SourceWriter(8000, tmp_path) as found:
        for _ in range(10):
            found.push(noise(3000, 2))
        found.write(_paths(tmp_path), "FLOAT")
    assert error.value.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_came_out_short_is_noticed(tmp_path):
    soundfile.write(tmp_path / "a.wav", noise(10), 8000)
    with pytest.raises(ValueError, match="b.wav came out incomplete"):
        source_writer.check_written(tmp_path / "a.wav", tmp_path / "b.wav", 11)


def test_a_compressed_file_that_was_cut_is_incomplete(tmp_path):
    for kind, subtype in (("mp3", "MPEG_LAYER_III"), ("opus", "OPUS")):
        path = tmp_path / f"a.{kind}"
        with _writer(tmp_path, noise(20000, 1)) as found:
            found.write([path], subtype)
        whole = path.read_bytes()
        path.write_bytes(whole[: len(whole) - 900])
        with pytest.raises(ValueError, match="came out incomplete"):
            source_writer.check_written(path, path, 20000)
