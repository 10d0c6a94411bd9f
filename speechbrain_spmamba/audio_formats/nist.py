"""NIST Sphere, the format of TIMIT and WSJ: a header in words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

from speechbrain_spmamba.audio_formats.layout import AS_IT_IS

if TYPE_CHECKING:
    from speechbrain_spmamba.audio_formats.layout import Layout


NUMBER = re.compile(rb"(\w+) -i (\d+)")
HEAD = 1024  # bytes of the usual header


def find_layout(file: BinaryIO, size: int) -> Layout:
    """Compares the number of samples with what follows.

    Arguments
    ---------
    file : binary file object
        The file.
    size : int
        Its bytes.

    Returns
    -------
    Layout
        Nothing to correct: libsndfile goes by the size.

    Raises
    ------
    ValueError
        It is truncated.
    """
    file.seek(0)
    facts = dict(NUMBER.findall(file.read(HEAD)))
    told = 1
    for name in (b"sample_count", b"channel_count", b"sample_n_bytes"):
        told *= int(facts.get(name, 0))
    if told > max(0, size - HEAD):
        raise ValueError(
            f"is truncated: {max(0, size - HEAD)} of {told} bytes of samples "
            "found"
        )
    return AS_IT_IS
