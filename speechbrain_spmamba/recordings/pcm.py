"""Sound that comes and goes as bytes: WAV of unknown length, or samples alone.

    bytes -> PcmReader -> blocks [n] -> a model -> blocks [n, S] -> PcmWriter

Nothing is searched in and nothing waits for the end, so that both sides may be
pipes. A program that writes WAV into one cannot know its length: its header
then says nothing, or the most that it can, and the sound ends where the bytes
do.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from speechbrain_spmamba.audio_formats.chunks import is_unknown
from speechbrain_spmamba.recordings.block_reader import FASTEST, SLOWEST
from speechbrain_spmamba.recordings.channels import MOST_CHANNELS, Downmix

WIDTHS = (2, 3, 4)  # bytes of a sample
FULL = 1 << 15  # of 16 bits; what is read and written again stays the same
PCM, FLOATS, EXTENSIBLE = 1, 3, 0xFFFE
HEADER = "<4sI4s4sIHHIIHH4sI"
ADVICE = (
    "send WAV of 16-bit PCM, `ffmpeg -i FILE -f wav -`, or give --raw RATE for "
    "samples without a header"
)


@dataclass(frozen=True)
class PcmFormat:
    """What the bytes of a stream are.

    Arguments
    ---------
    sample_rate : int
        In Hz.
    channels : int
        How many, interleaved.
    width : int
        Bytes of a sample: signed, the lowest first.
    frames : int, optional
        How many are to come; by default, until there are no more.
    """

    sample_rate: int
    channels: int = 1
    width: int = 2
    frames: int | None = None


class PcmReader:
    """Sound from a pipe.

    Arguments
    ---------
    file : binary file object
        Where from. Of one with ``read1`` no block waits for more than what is
        there.
    name : str
        For messages.
    sample_rate : int, optional
        In Hz, of 16-bit samples of one channel without a header; by default
        there is a header of WAV.
    channel : int, optional
        The channel to read, counted from 1; by default the mean of all.

    Attributes
    ----------
    format : PcmFormat
        What comes.
    downmix : Downmix
        Knows at the end whether the channels cancelled.
    frames : int
        How many have come.
    fault : str
        What was wrong with the end of it, if anything; known at the end.

    Raises
    ------
    ValueError
        Nothing comes, or something else than PCM of 16 to 32 bits.

    Example
    -------
    >>> import io
    >>> samples = np.array([0, 16384, -32768], "<i2").tobytes()
    >>> reader = PcmReader(io.BytesIO(samples), "the pipe", 8000)
    >>> [block.tolist() for block in reader.blocks(2)]
    [[0.0, 0.5], [-1.0]]
    """

    def __init__(
        self,
        file: BinaryIO,
        name: str,
        sample_rate: int | None = None,
        channel: int | None = None,
    ) -> None:
        self.file, self.name = file, name
        if sample_rate is None:
            self.format = read_header(file, name)
        else:
            self.format = PcmFormat(sample_rate)
        if not SLOWEST <= self.format.sample_rate <= FASTEST:
            raise ValueError(
                f"{name} is at {self.format.sample_rate} Hz; expected "
                f"{SLOWEST} to {FASTEST}"
            )
        self.downmix, self.frames, self.fault = Downmix(channel), 0, ""

    def blocks(self, most: int) -> Iterator[np.ndarray]:
        """Reads to the end.

        Arguments
        ---------
        most : int
            Samples of a channel that are read at once.

        Yields
        ------
        numpy.ndarray
            Mean of the channels or one of them, float32, ``[n]``; never
            empty.

        Raises
        ------
        ValueError
            There were no samples, or the wanted channel is not there.
        """
        read = getattr(self.file, "read1", self.file.read)
        size = self.format.channels * self.format.width
        left, rest = self.format.frames, b""
        while left is None or left > 0:
            wanted = most if left is None else min(most, left)
            found = read(wanted * size - len(rest))
            if not found:
                break
            data = rest + found
            whole = len(data) // size
            data, rest = data[: whole * size], data[whole * size :]
            left = None if left is None else left - whole
            if whole:
                self.frames += whole
                yield self._mono(data)
        if not self.frames:
            raise ValueError(
                f"{self.name} holds no samples; nothing to separate"
            )
        if left:
            self.fault = (
                f"{self.name} is truncated: {self.format.frames} samples "
                f"expected, {self.frames} found; what came was separated"
            )
        elif rest:
            self.fault = (
                f"{self.name} ends within a sample: {len(rest)} of {size} "
                "bytes found; is it what its header, or --raw, says? What came "
                "before was separated"
            )

    def _mono(self, data):
        wave = from_pcm(data, self.format.width)
        try:
            return self.downmix(wave.reshape(-1, self.format.channels))
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None


class PcmWriter:
    """Sound into a pipe: 16 bits, a channel a source, each block at once.

    Arguments
    ---------
    file : binary file object
        Where to.
    sample_rate : int
        In Hz.
    header : bool
        WAV, of a length that is not known; else samples alone.

    Attributes
    ----------
    frames : int
        How many were written.
    clipped : int
        Samples of all sources beyond full scale.

    Example
    -------
    >>> import io
    >>> file = io.BytesIO()
    >>> writer = PcmWriter(file, 8000, header=False)
    >>> writer.push(np.array([[0.5, 1.5]], "float32"))
    >>> np.frombuffer(file.getvalue(), "<i2").tolist(), writer.clipped
    ([16384, 32767], 1)
    """

    def __init__(
        self, file: BinaryIO, sample_rate: int, header: bool = True
    ) -> None:
        self.file, self.sample_rate, self.header = file, sample_rate, header
        self.frames = self.clipped = 0

    def push(self, block):
        """Takes samples, float32, shape ``[n, S]``."""
        if self.header and not self.frames:
            self.file.write(wav_header(self.sample_rate, block.shape[1]))
        self.frames += len(block)
        self.clipped += count_clipped(block)
        whole = np.clip(np.rint(block * FULL), -FULL, FULL - 1)
        self.file.write(whole.astype("<i2").tobytes())
        self.file.flush()


def count_clipped(block):
    """How many samples lie beyond full scale."""
    return int(np.count_nonzero(np.abs(block) > 1.0))


def from_pcm(data: bytes, width: int) -> np.ndarray:
    """Samples of bytes.

    Arguments
    ---------
    data : bytes
        Whole samples: signed, the lowest byte first.
    width : int
        Bytes of a sample, 2 to 4.

    Returns
    -------
    numpy.ndarray
        float32 within [-1, 1), shape ``[n]``.

    Example
    -------
    >>> from_pcm(bytes([0, 0, 0x40, 0, 0, 0x80]), 3).tolist()
    [0.5, -1.0]
    """
    if width == 2:
        return np.frombuffer(data, "<i2").astype("float32") / FULL
    # 24 bits are the upper ones of 32
    padded = np.zeros((len(data) // width, 4), "uint8")
    padded[:, 4 - width :] = np.frombuffer(data, "uint8").reshape(-1, width)
    return (padded.view("<i4")[:, 0] / 2.0**31).astype("float32")


def wav_header(sample_rate, channels):
    """The header of 16-bit WAV that ends where it ends: 44 bytes."""
    return struct.pack(
        HEADER,
        *(b"RIFF", 0xFFFFFFFF, b"WAVE", b"fmt ", 16, PCM, channels),
        *(sample_rate, 2 * channels * sample_rate, 2 * channels, 16),
        *(b"data", 0xFFFFFFFF),
    )


def read_header(file: BinaryIO, name: str) -> PcmFormat:
    """Reads up to the first sample of WAV.

    Arguments
    ---------
    file, name
        See ``PcmReader``.

    Returns
    -------
    PcmFormat
        What follows.

    Raises
    ------
    ValueError
        It is empty, no WAV, or none of 16, 24 or 32-bit PCM.
    """
    begin = file.read(12)
    if not begin:
        raise ValueError(f"{name} is empty; {ADVICE}")
    if begin[:4] not in (b"RIFF", b"RF64") or begin[8:] != b"WAVE":
        raise ValueError(f"{name} is no WAV; {ADVICE}")
    found = long = None
    while len(head := file.read(8)) == 8:
        kind, size = struct.unpack("<4sI", head)
        if kind == b"data":
            break
        body = _chunk(file, size + size % 2)
        if kind == b"fmt " and len(body) >= 16:
            found = body
        elif kind == b"ds64" and len(body) >= 16:
            long = struct.unpack("<Q", body[8:16])[0]
    else:
        raise ValueError(f"{name} ends within its header; {ADVICE}")
    if found is None:
        raise ValueError(f"{name} does not say what it holds; {ADVICE}")
    tag, channels, rate, _, step, bits = struct.unpack("<HHIIHH", found[:16])
    if tag == EXTENSIBLE and len(found) >= 26:
        tag = struct.unpack("<H", found[24:26])[0]
    width = bits // 8
    if tag != PCM or bits % 8 or width not in WIDTHS:
        kinds = {PCM: f"{bits}-bit PCM", FLOATS: f"{bits}-bit floats"}
        kind = kinds.get(tag, f"WAV of format {tag:#x}")
        raise ValueError(
            f"{name} is {kind}; expected PCM of 16, 24 or 32 bits: {ADVICE}"
        )
    if not 1 <= channels <= MOST_CHANNELS or step != channels * width:
        raise ValueError(
            f"{name} says that it has {channels} channels in {step} bytes; "
            f"its header is damaged: {ADVICE}"
        )
    if is_unknown(size) and long is not None:
        size = long
    frames = None if is_unknown(size) else size // step or None
    return PcmFormat(rate, channels, width, frames)


def _chunk(file, size):
    """A chunk of a header; of a long one, which is a picture, its beginning."""
    body = file.read(min(size, 1 << 12))
    while size > 1 << 12:
        size -= 1 << 12
        if not file.read(min(size, 1 << 12)):
            break
    return body
