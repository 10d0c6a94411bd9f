"""MP3: a row of frames, with or without a table of contents in the first.

Without it decoders estimate a length from the first frames, which is wrong at
a variable bit rate. The frames' own headers tell where the last one ends, and
a pretended size makes the estimate so large that decoding ends there.
"""

from typing import BinaryIO

from speechbrain_spmamba.audio_formats.layout import (
    AS_IT_IS,
    Layout,
    count_samples,
)

JUNK = 1 << 16  # bytes in which the next frame is looked for
TABLE = 256  # bytes of the first frame in which its table begins
PRETENDED = 1 << 40  # bytes
# Bits of a header that are the same in all frames: version, layer, rate.
SAME = 0xFFFE0C00
HERTZ = {
    3: (44100, 48000, 32000),  # MPEG 1
    2: (22050, 24000, 16000),  # MPEG 2
    0: (11025, 12000, 8000),  # MPEG 2.5
}
# Bit rates in kbit/s: of MPEG 1 by layer, and of the others.
KBITS = {
    1: [32 * code for code in range(1, 15)],
    2: [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
    3: [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
}
KBITS_2 = {
    1: [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
    2: [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
}
KBITS_2[3] = KBITS_2[2]


def find_layout(file: BinaryIO, start: int, size: int) -> Layout:
    """Compares the table of contents with the frames.

    Arguments
    ---------
    file : binary file object
        The file.
    start : int
        Where its tag ends.
    size : int
        Its bytes.

    Returns
    -------
    Layout
        With the right number of frames, or of samples.

    Raises
    ------
    ValueError
        It is truncated.
    """
    first = _next_frame(file, start, None)
    if first is None:
        return AS_IT_IS
    field, told = _contents(file, first)
    found, stop, is_cut = _walk(file, first, size)
    found -= told is not None  # the frame of the table itself
    if is_cut or (told or 0) > found:
        raise ValueError(
            f"is truncated: {found} whole frames found, "
            f"{max(told or 0, found + 1)} expected"
        )
    if told == found:
        return AS_IT_IS
    if told is not None:
        return Layout(patches=((field, found.to_bytes(4, "big")),))
    pretended = Layout(stop=stop, size=PRETENDED)
    samples = count_samples(file, pretended)
    return Layout(stop=stop, size=PRETENDED, frames=samples)


def id3_size(head):
    """Bytes of the tag that begins with these ten."""
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    footer = 10 if head[5] & 0x10 else 0
    return 10 + size + footer


def _contents(file, first):
    """Where the table tells the number of frames, and that number."""
    file.seek(first)
    head = file.read(TABLE)
    place = max(head.find(b"Xing"), head.find(b"Info"))
    if place < 0 or not head[place + 7] & 1:  # a flag: the number is there
        return None, None
    number = head[place + 8 : place + 12]
    return first + place + 8, int.from_bytes(number, "big")


def _walk(file, place, size):
    """Number of whole frames, where they end, and whether one is cut off."""
    other = _read_head(file, place)
    found, stop = 0, place
    while place is not None:
        length = frame_bytes(_read_head(file, place), other)
        if not length:
            place = _next_frame(file, place, other)
        elif place + length > size:
            return found, stop, True
        else:
            found, place = found + 1, place + length
            stop = place
    return found, stop, False


def _next_frame(file, place, other):
    """The next place where two frames follow each other; None without."""
    file.seek(place)
    data = file.read(JUNK)
    if data.startswith(b"ID3") and len(data) >= 10:
        return place + id3_size(data)
    at = -1
    while (at := data.find(b"\xff", at + 1)) >= 0:
        head = int.from_bytes(data[at : at + 4], "big")
        length = frame_bytes(head, other)
        if length and frame_bytes(_read_head(file, place + at + length), head):
            return place + at
    return None


def _read_head(file, place):
    file.seek(place)
    return int.from_bytes(file.read(4), "big")


def frame_bytes(head: int, other: int | None = None) -> int:
    """Length of a frame by its header.

    Arguments
    ---------
    head : int
        The 32 bits of the header.
    other : int, optional
        That of another frame of the file.

    Returns
    -------
    int
        Bytes; 0 if it is no header, or not of the same stream.

    Example
    -------
    >>> frame_bytes(0xFFFB9064)  # 128 kbit/s at 44.1 kHz
    417
    """
    version, layer = head >> 19 & 3, 4 - (head >> 17 & 3)
    kbits, hertz = head >> 12 & 15, head >> 10 & 3
    if head >> 21 != 0x7FF or version == 1 or layer == 4:
        return 0
    if kbits in (0, 15) or hertz == 3:
        return 0
    if other is not None and (head ^ other) & SAME:
        return 0
    bits = 1000 * (KBITS if version == 3 else KBITS_2)[layer][kbits - 1]
    sample_rate, padding = HERTZ[version][hertz], head >> 9 & 1
    if layer == 1:
        return (12 * bits // sample_rate + padding) * 4
    slots = 72 if layer == 3 and version != 3 else 144
    return slots * bits // sample_rate + padding
