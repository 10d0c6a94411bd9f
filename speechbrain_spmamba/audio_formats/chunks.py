"""Formats that tell how many bytes of samples follow: WAV, AIFF, AU, CAF...

All but AU are rows of chunks: a name, a size, and so many bytes. What the size
of the samples says and what lies behind it tell three cases apart:

too few bytes follow     the file was cut off, unless the size is one of those
                         that stand for an unknown length
bytes follow that are    the length is of the past, or 0: they are samples
no chunk
else                     the size is right
"""

import struct
from dataclasses import dataclass
from typing import BinaryIO

from speechbrain_spmamba.audio_formats.layout import AS_IT_IS, Layout

# The largest numbers of a signed and an unsigned field, less what headers take.
UNKNOWN = (range(0x7FFF0000, 0x80010000), range(0xFFFF0000, 0x100000000))
UNKNOWN_64 = 1 << 62
# Chunks that often stand behind the samples, and may be cut off; there may
# also be the TAG of an MP3 file.
BEHIND = frozenset(
    b"LIST ID3 BEXT IXML AXML _PMX CUE SMPL INST JUNK PAD FACT PEAK "
    b"ANNO COMT NAME AUTH MARK APPL INFO FREE STRG UUID PAKT".split()
)
LEAST = 1024  # bytes: fewer behind the samples are a tag of no chunk


@dataclass(frozen=True)
class Container:
    """A row of chunks.

    Arguments
    ---------
    first : int
        Where the first chunk begins.
    code : str
        How ``struct`` reads a size.
    names : tuple of bytes
        What the chunk of samples is called.
    name : int
        Bytes of a name.
    step : int
        Chunks begin at a multiple of this.
    own : int
        Bytes of the name and the size that the size counts.
    """

    first: int
    code: str
    names: tuple
    name: int = 4
    step: int = 2
    own: int = 0


CONTAINERS = {
    b"RIFF": Container(12, "<I", (b"data",)),
    b"RIFX": Container(12, ">I", (b"data",)),
    b"RF64": Container(12, "<I", (b"data",)),
    b"BW64": Container(12, "<I", (b"data",)),
    b"FORM": Container(12, ">I", (b"SSND", b"BODY")),
    b"caff": Container(8, ">q", (b"data",), step=1),
    b"riff": Container(40, "<Q", (b"data",), name=16, step=8, own=24),
    b".snd": Container(4, ">I", ()),
    b"dns.": Container(4, "<I", ()),
}


def find_layout(file: BinaryIO, size: int) -> Layout:
    """Compares the size of the samples with what follows.

    Arguments
    ---------
    file : binary file object
        Begins with one of ``CONTAINERS``.
    size : int
        Its bytes.

    Returns
    -------
    Layout
        With the right size.

    Raises
    ------
    ValueError
        It is truncated.
    """
    file.seek(0)
    container = CONTAINERS[file.read(4)]
    find = _find_samples if container.names else _find_au
    field, code, start = find(file, container, size)
    if field is None:
        return AS_IT_IS
    file.seek(field)
    told = (
        struct.unpack(code, file.read(struct.calcsize(code)))[0] - container.own
    )
    there = max(0, size - start)
    if told > there and not is_unknown(told):
        raise ValueError(
            f"is truncated: {there} of {told} bytes of samples found"
        )
    if 0 <= told <= there and not _are_samples(
        file, container, start, told, size
    ):
        return AS_IT_IS
    largest = (1 << 8 * struct.calcsize(code) - code.endswith("q")) - 1
    right = struct.pack(code, min(there + container.own, largest))
    return Layout(patches=((field, right),))


def _find_samples(file, container, size):
    """Where the size of the samples stands, its code, and where they begin."""
    place, long_size = container.first, None
    width = struct.calcsize(container.code)
    while place + container.name + width <= size:
        file.seek(place)
        name = file.read(container.name)
        told = struct.unpack(container.code, file.read(width))[0]
        start = place + container.name + width
        if name[:4] in container.names:
            if long_size and told == 0xFFFFFFFF:
                return long_size, "<Q", start
            return place + container.name, container.code, start
        if not _is_name(name[:4]) or told < container.own:
            break
        if name == b"ds64":
            long_size = start + 8
        place = start + told - container.own
        place += -place % container.step
    return None, None, None


def _find_au(file, container, size):
    """The same of an AU file, whose samples begin where it says."""
    file.seek(4)
    start = file.read(4)
    if len(start) < 4 or size < 12:
        return None, None, None
    return 8, container.code, struct.unpack(container.code, start)[0]


def is_unknown(told: int) -> bool:
    """Whether a size of samples is one that stands for an unknown length.

    Arguments
    ---------
    told : int
        Bytes, as a header says.

    Returns
    -------
    bool
        As programs put it that write into a pipe.

    Example
    -------
    >>> is_unknown(0xFFFFFFFF), is_unknown(0x90000000)
    (True, False)
    """
    return told >= UNKNOWN_64 or any(told in numbers for numbers in UNKNOWN)


def _are_samples(file, container, start, told, size):
    """Whether what lies behind the samples are samples as well."""
    least = LEAST if told else 1
    if size - start - told < least:
        return False
    place = start + told
    place += -place % container.step
    file.seek(place)
    width = struct.calcsize(container.code)
    head = file.read(container.name + width)
    name = head[:4]
    if name.upper().rstrip() in BEHIND or name.startswith(b"TAG"):
        return False
    if len(head) < container.name + width or not _is_name(name):
        return True
    # Samples may look like a name, but then hardly like a size as well.
    length = (
        struct.unpack(container.code, head[container.name :])[0] - container.own
    )
    return not 0 <= length <= size - place - len(head) + container.step


def _is_name(name):
    """Whether four bytes can be the name of a chunk."""
    return len(name) == 4 and all(0x20 <= byte < 0x7F for byte in name)
