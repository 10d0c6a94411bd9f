"""True lengths of audio files, whatever their headers say.

Programs that write to a pipe or are interrupted leave headers with a length of
0, a huge one, or one of the past; MP3 without a table of contents has none.
libsndfile believes what it reads. Here each header is compared with the bytes
behind it, and where they differ the file is read through a view that corrects
the header, or counted by decoding it once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from speechbrain_spmamba.audio_formats import chunks, flac, mpeg, nist, ogg
from speechbrain_spmamba.audio_formats.layout import AS_IT_IS, file_size

if TYPE_CHECKING:
    from speechbrain_spmamba.audio_formats.layout import Layout


def find_layout(file: BinaryIO) -> Layout:
    """Compares the header of a file with what is there.

    Arguments
    ---------
    file : binary file object
        Searchable.

    Returns
    -------
    Layout
        How to read the file so that its whole length comes out.

    Raises
    ------
    ValueError
        What is wrong with the file, as the rest of a sentence: it is
        truncated or damaged.
    """
    size, start = file_size(file), 0
    file.seek(0)
    head = file.read(10)
    if head.startswith(b"ID3") and len(head) == 10:
        start = mpeg.id3_size(head)
        file.seek(start)
        head = file.read(4) or b"\xff"
    if head.startswith(b"fLaC"):
        return flac.find_layout(file, start, size)
    if head.startswith(b"\xff") or start:
        return mpeg.find_layout(file, start, size)
    if head.startswith(b"OggS"):
        return ogg.find_layout(file, size)
    if head.startswith(b"NIST"):
        return nist.find_layout(file, size)
    if head[:4] in chunks.CONTAINERS:
        return chunks.find_layout(file, size)
    return AS_IT_IS
