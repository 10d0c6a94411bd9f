"""Ogg: whether its last page is there, and whether recordings follow others.

Radio stations chain recordings in one stream; libsndfile reads the first.
"""

import io
from typing import BinaryIO

from speechbrain_spmamba.audio_formats.layout import AS_IT_IS, Layout

HEAD = 27  # bytes of a page before its table of segments
LARGEST = 65_307  # bytes of a page
FIRST, LAST = 2, 4  # flags of pages


def find_layout(file: BinaryIO, size: int) -> Layout:
    """Looks at the pages of a file.

    Arguments
    ---------
    file : binary file object
        The file.
    size : int
        Its bytes.

    Returns
    -------
    Layout
        With its recordings, if there are several.

    Raises
    ------
    ValueError
        It is truncated.
    """
    if not _is_whole(file, size):
        raise ValueError("is truncated: its last page is missing")
    starts, heads = [], False
    for place, flags in _pages(file, size):
        if flags & FIRST and not heads:
            starts.append(place)
        heads = bool(flags & FIRST)
    if len(starts) < 2:
        return AS_IT_IS
    return Layout(links=tuple(zip(starts, [*starts[1:], size], strict=True)))


def _pages(file, size):
    """Place and flags of the pages, as far as they follow each other."""
    place = 0
    while place + HEAD <= size:
        file.seek(place)
        head = file.read(HEAD)
        if not head.startswith(b"OggS"):
            return
        yield place, head[5]
        place += HEAD + head[26] + sum(file.read(head[26]))


def _is_whole(file, size):
    """Whether the last page says that it is the last, and is complete."""
    file.seek(max(0, size - LARGEST), io.SEEK_SET)
    end = file.read()
    page = end[max(0, end.rfind(b"OggS")) :]
    if len(page) < HEAD or not page.startswith(b"OggS"):
        return False
    segments = page[26]
    body = sum(page[HEAD : HEAD + segments])
    return bool(page[5] & LAST) and len(page) >= HEAD + segments + body
