"""How a file is to be read, and the file object that reads it so."""

import io
from dataclasses import dataclass
from typing import BinaryIO

import soundfile

from speechbrain_spmamba.audio_formats.reasons import damaged_at

BLOCK = 1 << 13  # samples decoded at a time
TAIL = 4096  # bytes at a pretended end in which decoders look for tags


@dataclass(frozen=True)
class Layout:
    """What to correct in a file; by default nothing.

    Arguments
    ---------
    patches : tuple
        (offset, bytes) that replace what the file holds there.
    stop : int, optional
        Where its bytes end.
    size : int, optional
        Size that is pretended, for decoders that estimate a length by it.
    frames : int, optional
        Samples, where decoders must not be asked.
    links : tuple
        (start, stop) of recordings that follow each other in the file.
    """

    patches: tuple = ()
    stop: int | None = None
    size: int | None = None
    frames: int | None = None
    links: tuple = ()


AS_IT_IS = Layout()


class View:
    """Part of a file, corrected; what soundfile needs of a file object.

    Arguments
    ---------
    file : binary file object
        Searchable.
    layout : Layout
        What to correct.
    start : int
        Where the part begins.

    Example
    -------
    >>> layout = Layout(patches=((1, b"XY"),), stop=4)
    >>> View(io.BytesIO(b"abcdef"), layout).read(10)
    b'aXYd'
    """

    def __init__(self, file: BinaryIO, layout: Layout, start: int = 0) -> None:
        self.file, self.layout, self.start = file, layout, start
        self.stop = file_size(file) if layout.stop is None else layout.stop
        self.size = layout.size or self.stop - start
        self.place = 0

    def seek(self, offset, whence=io.SEEK_SET):
        """Goes to a place, counted from the start of the part."""
        self.place = offset + (0, self.place, self.size)[whence]
        return self.place

    def tell(self):
        """The place."""
        return self.place

    def read(self, count=-1):
        """Reads at most ``count`` bytes; all that follow by default."""
        place = self.start + self.place
        rest = max(0, self.stop - place)
        self.file.seek(place)
        data = bytearray(
            self.file.read(rest if count < 0 else min(count, rest))
        )
        if self.layout.size and self.place >= self.size - TAIL:
            data = bytearray(count)
        for offset, patch in self.layout.patches:
            first = max(place, offset)
            last = min(place + len(data), offset + len(patch))
            if first < last:
                new = patch[first - offset : last - offset]
                data[first - place : last - place] = new
        self.place += len(data)
        return bytes(data)


class _Forwards(soundfile.SoundFile):
    """Read from the beginning to the end, whatever the length it tells."""

    def seekable(self):
        """No: soundfile would search after each block, and stop early."""
        return False


def count_samples(file: BinaryIO, layout: Layout) -> int:
    """Counts the samples of a file by decoding it.

    Arguments
    ---------
    file : binary file object
        Searchable.
    layout : Layout
        What to correct in it.

    Returns
    -------
    int
        Samples of a channel.

    Raises
    ------
    ValueError
        It is damaged.
    """
    count = 0
    try:
        with _Forwards(View(file, layout)) as sound:
            while size := len(sound.read(BLOCK, "float32", always_2d=True)):
                count += size
    except soundfile.SoundFileError as error:
        raise ValueError(damaged_at(count, error)) from None
    return count


def file_size(file):
    """Bytes of an open file."""
    return file.seek(0, io.SEEK_END)
