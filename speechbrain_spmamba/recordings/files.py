"""Recordings as blocks: files, file objects and pipes, mono and checked.

A block is decoded at a time. What is no audio, ends early or holds NaN raises a
ValueError which names the recording, before or while it is read.
"""

import io
import os
import re
import select
import shutil
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from speechbrain_spmamba.audio import open_audio, shown
from speechbrain_spmamba.prepare.faults import UNKNOWN_LENGTH

BLOCK = 1 << 20  # values decoded at a time, over all channels
SLOWEST, FASTEST = 1000, 768_000  # Hz; other rates come of broken headers
PIPE_WAIT = 10.0  # seconds in which a pipe must begin to send
# libsndfile's notes on the samples of a WAV or AIFF file that ends early.
SHORT = re.compile(r"^ ?(?:data|SSND) : (\d+) \(should be (\d+)\)", re.M)
UNKNOWN_FRAMES = 1 << 62
OGG_PAGE = 27  # bytes of a page's header before its table of segments
OGG_LARGEST = 65_307  # bytes of a page


class Recording:
    """An open recording; made by ``open_recording``.

    Attributes
    ----------
    name : str
        For messages.
    rate : int
        In Hz.
    frames : int or None
        Samples that its header announces, if it does.
    subtype : str
        libsndfile's name of its sample format.
    """

    def __init__(self, file, name):
        self.file, self.name = file, name
        self.rate, self.subtype = file.samplerate, file.subtype
        # FLAC that was written to a pipe does not know its length.
        self.frames = file.frames if file.frames < UNKNOWN_FRAMES else None

    def blocks(self):
        """Decodes the recording.

        Yields
        ------
        numpy.ndarray
            Mean of the channels, float32, ``[n]``; never empty.

        Raises
        ------
        ValueError
            Damaged, shorter than announced, or not finite.
        """
        size, done = max(1, BLOCK // self.file.channels), 0
        while True:
            try:
                wave = self.file.read(size, dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, OSError) as error:
                raise ValueError(
                    f"{self.name} is damaged at sample {done} or behind "
                    f"({error}); replace or remove it"
                ) from None
            if not len(wave):
                break
            if not np.isfinite(wave).all():
                raise ValueError(
                    f"{self.name} has NaN or infinite samples; repair the "
                    "recording"
                )
            done += len(wave)
            yield wave[:, 0] if wave.shape[1] == 1 else wave.mean(1)
        if not done and not self.frames:
            raise ValueError(
                f"{self.name} holds no samples; nothing to separate"
            )
        if self.frames and done < self.frames:
            raise ValueError(
                f"{self.name} is truncated: {self.frames} samples expected, "
                f"{done} found; replace or remove it"
            )


@contextmanager
def open_recording(source):
    """Opens a recording of any kind.

    Arguments
    ---------
    source : str, Path or binary file object
        A file, a named pipe, or anything with ``read``. What cannot be
        searched is first copied to a temporary file.

    Yields
    ------
    Recording
        To be read once.

    Raises
    ------
    ValueError
        No audio, no samples, shorter than its header says, or a sample rate
        that no recording has.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> soundfile.write(path, np.zeros((100, 2)), 8000)
    >>> with open_recording(path) as recording:
    ...     recording.rate, [block.shape for block in recording.blocks()]
    (8000, [(100,)])
    """
    if hasattr(source, "read"):
        name = shown(getattr(source, "name", "the stream"))
        if isinstance(source, io.TextIOBase):
            raise ValueError(f"{name} is open as text; open it with mode 'rb'")
        with _searchable(source) as file, _decoded(file, name) as decoded:
            yield _checked(decoded, file, name)
        return
    path, name = Path(source), shown(source)
    if _is_pipe(path):
        with _received(path, name) as file, _decoded(file, name) as decoded:
            yield _checked(decoded, file, name)
        return
    with open_audio(path) as decoded, open(path, "rb") as file:
        yield _checked(decoded, file, name)


def _checked(decoded, file, name):
    """The recording, if its header can be believed."""
    rate = decoded.samplerate
    if not SLOWEST <= rate <= FASTEST:
        raise ValueError(
            f"{name} says that it is sampled at {rate} Hz; expected {SLOWEST} "
            f"to {FASTEST}: repair its header"
        )
    short = SHORT.search(decoded.extra_info)
    told, found = map(int, short.groups()) if short else (0, 0)
    # Who writes to a pipe does not know the length and puts a huge one.
    if found < told < UNKNOWN_LENGTH:
        raise ValueError(
            f"{name} is truncated: {found} of {told} bytes of samples found; "
            "replace or remove it"
        )
    if decoded.format == "OGG" and not _ogg_is_whole(file):
        raise ValueError(
            f"{name} is truncated: its last page is missing; replace or "
            "remove it"
        )
    return Recording(decoded, name)


def _decoded(file, name):
    """Opens a file object as audio."""
    try:
        return soundfile.SoundFile(file)
    except (soundfile.SoundFileError, OSError, TypeError) as error:
        raise ValueError(
            f"{name} cannot be read as audio ({error}); expected WAV, FLAC, "
            "OGG or MP3"
        ) from None


def _ogg_is_whole(file):
    """Whether the last page of an Ogg file says so, and is complete."""
    place = file.tell()
    size = file.seek(0, io.SEEK_END)
    file.seek(max(0, size - OGG_LARGEST))
    end = file.read()
    file.seek(place)
    page = end[end.rfind(b"OggS") :]
    if len(page) < OGG_PAGE or not page.startswith(b"OggS"):
        return False
    segments = page[26]
    body = sum(page[OGG_PAGE : OGG_PAGE + segments])
    last = page[5] & 4
    return bool(last) and len(page) >= OGG_PAGE + segments + body


def _is_pipe(path):
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


@contextmanager
def _searchable(source):
    """The file object itself, or a copy of what it sends."""
    if getattr(source, "seekable", lambda: False)():
        yield source
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(source, copy)
        copy.seek(0)
        yield copy


@contextmanager
def _received(path, name):
    """A copy of what comes through a named pipe.

    Opened without waiting, because opening a pipe to which nobody writes
    waits for ever.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open(handle, "rb", buffering=0) as pipe:
        poll = select.poll()
        poll.register(pipe, select.POLLIN)
        if not poll.poll(1000 * PIPE_WAIT):
            raise ValueError(
                f"{name} is a pipe into which nobody has written for "
                f"{PIPE_WAIT:.0f} s; start its writer first"
            )
        os.set_blocking(handle, True)
        with _searchable(pipe) as copy:
            yield copy
