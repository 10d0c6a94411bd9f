"""The whole length comes out, whatever a header says, or the file is named."""

import io
import re
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

import speechbrain_spmamba
from speechbrain_spmamba.audio import open_audio, read_audio
from speechbrain_spmamba.audio_formats import find_layout
from speechbrain_spmamba.audio_formats import sound as sounds
from speechbrain_spmamba.audio_formats.layout import AS_IT_IS
from speechbrain_spmamba.audio_formats.mpeg import frame_bytes
from tests import SHARED

LENGTH, RATE = 24000, 8000
CASES = SHARED / "cases"
# Format -> what stands before the size of the samples, how far behind that
# begins, how it is written, and how many bytes it counts besides.
SIZES = {
    "WAV": (b"data", 4, "<I", 0),
    "WAVEX": (b"data", 4, "<I", 0),
    "RF64": (b"ds64", 16, "<Q", 0),
    "W64": (b"data", 16, "<Q", 24),
    "AIFF": (b"SSND", 4, ">I", 8),
    "SVX": (b"BODY", 4, ">I", 0),
    "CAF": (b"data", 4, ">Q", 4),
    "AU": (b".snd", 8, ">I", 0),
}
PCM = {"subtype": "PCM_16"}


def wave(length=LENGTH):
    """A soft tone: its bytes are no names of chunks."""
    return 0.1 * np.sin(np.arange(length) * 0.3)


def encoded(kind, length=LENGTH, **options):
    """The bytes of a file, without a name."""
    file = io.BytesIO()
    soundfile.write(file, wave(length), RATE, format=kind, **options)
    return bytearray(file.getvalue())


def write(folder, content, suffix="bin"):
    path = folder / f"a.{suffix}"
    path.write_bytes(content)
    return path


def length_of(path):
    """Its length, the same by header, as a whole, in parts and as a stream."""
    with open_audio(path) as file:
        told = file.frames
    whole = read_audio(path)
    assert len(whole) == told
    part = read_audio(path, start=told // 2 - 5, frames=100)
    np.testing.assert_allclose(part, whole[told // 2 - 5 :][:100], atol=1e-6)
    with sounds.open_sound(io.BytesIO(path.read_bytes())) as file:
        assert file.frames == told
    return told


@pytest.mark.parametrize("kind", SIZES)
def test_a_size_of_samples_that_nobody_filled_in(tmp_path, kind):
    """0 or the largest number: the samples reach to the end of the file."""
    name, behind, code, besides = SIZES[kind]
    content = encoded(kind, **PCM)
    largest = (1 << 8 * struct.calcsize(code)) - 1
    told = 2 * LENGTH + besides
    for number in (0, largest, 0x7FFFF000, told // 2):
        place = content.index(name) + behind
        struct.pack_into(code, content, place, number)
        assert length_of(write(tmp_path, content)) == LENGTH


@pytest.mark.parametrize("kind", SIZES)
def test_a_size_of_more_than_there_is_is_of_a_file_that_was_cut(tmp_path, kind):
    path = write(tmp_path, encoded(kind, **PCM)[:-1000])
    with pytest.raises(ValueError, match="a.bin is truncated: .* of samples"):
        open_audio(path)


@pytest.mark.parametrize("told", [0x90000000, 0x7F000000])
def test_a_large_size_that_programs_do_not_put_for_unknown_is_one(
    tmp_path, told
):
    content = encoded("WAV", **PCM)
    struct.pack_into("<I", content, content.index(b"data") + 4, told)
    with pytest.raises(ValueError, match="is truncated"):
        open_audio(write(tmp_path, content))


@pytest.mark.parametrize("length", [0, 1, 501, LENGTH])
def test_chunks_and_tags_behind_the_samples_are_no_samples(tmp_path, length):
    for subtype in ("PCM_U8", "PCM_16"):
        content = encoded("WAV", length, subtype=subtype)
        for more in (
            b"LIST" + struct.pack("<I", 3000) + bytes(2000),  # cut off
            b"some" + struct.pack("<I", 2000) + bytes(2000),
            b"TAGTitle" + bytes(120),
        ):
            with open_audio(write(tmp_path, content + more)) as file:
                assert file.frames == length


def test_samples_that_look_like_a_name_are_samples(tmp_path):
    content = encoded("WAV", **PCM)
    place = content.index(b"data") + 8
    struct.pack_into("<I", content, place - 4, LENGTH)
    content[place + LENGTH : place + LENGTH + 4] = b"text"
    assert length_of(write(tmp_path, content)) == LENGTH


def test_what_follows_a_wav_file_is_samples_though_its_header_ends(tmp_path):
    content = encoded("WAV", **PCM)
    struct.pack_into("<I", content, 4, len(content) // 2)
    struct.pack_into("<I", content, content.index(b"data") + 4, LENGTH)
    assert length_of(write(tmp_path, content)) == LENGTH


def with_total(content, total):
    """FLAC whose header tells another number of samples."""
    word = int.from_bytes(content[18:26], "big") >> 36 << 36
    return content[:18] + (word | total).to_bytes(8, "big") + content[26:]


@pytest.mark.parametrize("total", [0, 1, LENGTH // 2, LENGTH - 1])
@pytest.mark.parametrize("tag", [b"", b"ID3\3\0\0\0\0\0\2\0\0"])
def test_flac_that_tells_too_little(tmp_path, total, tag):
    content = tag + with_total(encoded("FLAC"), total)
    assert length_of(write(tmp_path, content)) == LENGTH


def test_flac_of_unknown_length_may_have_a_tag_behind_it(tmp_path):
    content = with_total(encoded("FLAC"), 0) + b"TAG" + bytes(125)
    assert length_of(write(tmp_path, content)) == LENGTH


def test_flac_that_tells_too_much_was_cut(tmp_path):
    path = write(tmp_path, with_total(encoded("FLAC"), LENGTH + 1))
    with pytest.raises(ValueError, match="24001 samples expected, 24000 found"):
        open_audio(path)


def test_flac_of_unknown_length_that_was_cut(tmp_path):
    path = write(tmp_path, with_total(encoded("FLAC"), 0)[:-500])
    with pytest.raises(ValueError, match="damaged at sample 16384 or behind"):
        open_audio(path)


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "AIFF", "MP3", "OGG", "RF64"])
@pytest.mark.parametrize("length", [1000, 70000])
def test_a_right_header_is_believed_without_decoding(kind, length):
    assert find_layout(io.BytesIO(encoded(kind, length))) == AS_IT_IS


def without_table(content):
    """MP3 from its second frame on."""
    first = frame_bytes(int.from_bytes(content[:4], "big"))
    return content[first:]


def variable_mp3():
    """Loud at first, then silent: the first frames tell little."""
    signal = np.concatenate([np.random.default_rng(0).normal(size=8000) / 5,
                             np.zeros(16000)])  # fmt: skip
    file = io.BytesIO()
    options = {"bitrate_mode": "VARIABLE", "compression_level": 0.5}
    soundfile.write(file, signal, RATE, format="MP3", **options)
    return bytearray(file.getvalue())


@pytest.mark.parametrize("tag", [b"", b"TAG" + bytes(125),
                                 b"APETAGEX" + bytes(3000)])  # fmt: skip
def test_mp3_without_a_length(tmp_path, tag):
    content = without_table(variable_mp3())
    with soundfile.SoundFile(io.BytesIO(content)) as file:
        estimated = file.frames
    found = length_of(write(tmp_path, content + tag))
    assert found == 44 * 576 and estimated != found


@pytest.mark.parametrize("frames", [0, 20])
def test_mp3_whose_table_tells_half_or_nothing(tmp_path, frames):
    content = variable_mp3()
    place = content.index(b"Xing") + 8
    content[place : place + 4] = frames.to_bytes(4, "big")
    assert length_of(write(tmp_path, content)) == LENGTH


@pytest.mark.parametrize("start", [0, 1])
def test_mp3_that_ends_within_a_frame_was_cut(tmp_path, start):
    content = variable_mp3()
    content = without_table(content) if start else content
    path = write(tmp_path, content[:-10])
    with pytest.raises(ValueError, match="is truncated: .* whole frames"):
        open_audio(path)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_that_follows_ogg_is_read_as_well(tmp_path, subtype):
    one = encoded("OGG", 9000, subtype=subtype)
    two = encoded("OGG", 15000, subtype=subtype)
    path = write(tmp_path, one + two)
    assert length_of(path) == LENGTH
    parts = [soundfile.read(io.BytesIO(part), always_2d=True)[0]
             for part in (one, two)]  # fmt: skip
    np.testing.assert_allclose(
        read_audio(path), np.concatenate(parts), atol=1e-6
    )
    with open_audio(path) as file:
        blocks = list(iter(lambda: len(file.read(7000)), 0))
    assert blocks == [7000, 7000, 7000, 3000]


def test_ogg_of_several_rates_is_named(tmp_path):
    other = io.BytesIO()
    soundfile.write(other, wave(), 16000, format="OGG")
    path = write(tmp_path, encoded("OGG") + other.getvalue())
    with pytest.raises(ValueError, match="a.bin is a chain of recordings"):
        open_audio(path)


def test_ogg_without_its_last_page_was_cut(tmp_path):
    path = write(tmp_path, encoded("OGG", 90000)[:-1000])
    with pytest.raises(ValueError, match="truncated: its last page is missing"):
        open_audio(path)


def test_a_cut_nist_file_is_named(tmp_path):
    content = encoded("NIST", **PCM)
    assert length_of(write(tmp_path, content)) == LENGTH
    with pytest.raises(ValueError, match="is truncated"):
        open_audio(write(tmp_path, content[:-2]))


def test_a_file_is_looked_at_again_when_it_has_changed(tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr(
        sounds,
        "find_layout",
        lambda file: looked.append(file.name) or find_layout(file),
    )
    path = write(tmp_path, with_total(encoded("FLAC"), 0))
    for _ in range(2):
        assert len(read_audio(path)) == LENGTH
    assert len(looked) == 1
    path.write_bytes(encoded("FLAC", 100))
    assert len(read_audio(path)) == 100 and len(looked) == 2


@pytest.mark.parametrize("start", [b"RIFF", b"RF64", b"FORM", b"caff", b"riff",
                                   b".snd", b"fLaC", b"ID3", b"\xff\xfb",
                                   b"OggS", b"NIST"])  # fmt: skip
@pytest.mark.parametrize("length", [0, 3, 8, 41, 2000])
def test_nothing_but_a_beginning_is_named(tmp_path, start, length):
    for filling in (b"\0", b"\xff", b"a"):
        path = write(tmp_path, start + filling * length)
        with pytest.raises(ValueError, match="a.bin (is|cannot)") as error:
            open_audio(path)
        assert "\n" not in str(error.value)


def test_no_other_place_of_the_package_believes_a_header():
    """What opens audio does so by open_audio or open_sound."""
    package = Path(speechbrain_spmamba.__file__).parent
    opening = re.compile(r"soundfile\.(SoundFile\(|info\(|read\()")
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if opening.search(path.read_text(encoding="utf-8"))
    }
    # Files just written and read back, their comments, and bytes in memory.
    own = {
        "recordings/source_writer.py",
        "recordings/live_files.py",
        "commands/output_tags.py",
        "prepare/scenes/plans.py",
    }
    assert found == own


def test_a_page_in_place_of_an_mp3_is_there_and_no_audio(tmp_path):
    path = write(tmp_path, b"<html>404</html>", "mp3")
    with pytest.raises(ValueError, match="as audio \\(Format not recognised"):
        open_audio(path)


@pytest.mark.skipif(not CASES.is_dir(), reason="no shared cases")
@pytest.mark.parametrize(
    "name, length",
    [("vbr_quietlast.mp3", 289152), ("flac_total0.flac", LENGTH),
     ("size_0.wav", LENGTH)],
)  # fmt: skip
def test_files_that_other_programs_wrote(name, length):
    assert length_of(CASES / name) == length
