"""FLAC: the header's number of samples against that of the last frame.

Each frame carries its number. If the last one does not end where the header
says, the file is decoded once: its header may be of a stream (0), or be wrong.
"""

from typing import BinaryIO

from speechbrain_spmamba.audio_formats.layout import (
    AS_IT_IS,
    Layout,
    count_samples,
)

FRAME = 1 << 16  # bytes of a frame, where the header does not tell the largest
TAGS = 1024  # bytes of tags that may follow the last frame
ID3V1 = 128  # bytes of a tag that begins with TAG, at the end of a file
TOTAL = (1 << 36) - 1  # the bits of the number of samples


def find_layout(file: BinaryIO, start: int, size: int) -> Layout:
    """Compares the header with the last frame.

    Arguments
    ---------
    file : binary file object
        The file.
    start : int
        Where FLAC begins.
    size : int
        Bytes of the file.

    Returns
    -------
    Layout
        With the right number of samples.

    Raises
    ------
    ValueError
        It is truncated or damaged.
    """
    file.seek(start)
    head = file.read(42)
    if len(head) < 42 or head[4] & 0x7F:
        return AS_IT_IS  # no header of FLAC begins otherwise
    block = int.from_bytes(head[10:12], "big")
    largest = int.from_bytes(head[15:18], "big") or FRAME
    word = int.from_bytes(head[18:26], "big")
    total, others = word & TOTAL, word & ~TOTAL
    file.seek(max(start + 42, size - largest - TAGS))
    end = file.read()
    if total and total in _ends(end, block):
        return AS_IT_IS
    place = start + 18
    # The decoder takes a tag behind the last frame for a damaged one.
    stop = size - ID3V1 if end[-ID3V1:].startswith(b"TAG") else None

    def with_total(samples):
        patch = (others | samples).to_bytes(8, "big")
        return Layout(patches=((place, patch),), stop=stop, frames=samples)

    found = count_samples(file, with_total(0))
    if found < total:
        raise ValueError(
            f"is truncated: {total} samples expected, {found} found"
        )
    return with_total(found)


def _ends(data, block):
    """Where frames end that may begin in ``data``, in samples, last first."""
    data, place = data + bytes(16), len(data)
    while (place := data.rfind(b"\xff", 0, place)) >= 0:
        if data[place + 1] in (0xF8, 0xF9):
            end = _end(data[place : place + 16], block)
            if end:
                yield end


def _end(head, block):
    """Where a frame ends; None if this is no head of one."""
    number, length = head[4], 1
    if number >= 0x80:  # written as in UTF-8, with up to seven bytes
        length = f"{number:08b}".index("0") if number < 0xFF else 0
        if not 2 <= length <= 7:
            return None
        number &= 0x7F >> length
        for byte in head[5 : 4 + length]:
            number = number << 6 | byte & 0x3F
    after, code = 4 + length, head[2] >> 4
    if code == 6:
        samples = head[after] + 1
    elif code == 7:
        samples = int.from_bytes(head[after : after + 2], "big") + 1
    elif code >= 8:
        samples = 256 << code - 8
    else:
        samples = 192 if code == 1 else 576 << code - 2 if code else 0
    # Blocks of one size are numbered, of several sizes their first samples.
    return (number * block if head[1] == 0xF8 else number) + samples
