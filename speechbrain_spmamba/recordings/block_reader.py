"""Recordings as blocks: files, file objects and pipes, mono and checked.

A block is decoded at a time. What is no audio, ends early or holds NaN raises a
ValueError which names the recording, before or while it is read.
"""

import io
import os
import select
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from speechbrain_spmamba.audio import open_audio
from speechbrain_spmamba.audio_formats.reasons import damaged_at
from speechbrain_spmamba.audio_formats.sound import open_sound
from speechbrain_spmamba.files.names import shown
from speechbrain_spmamba.recordings.channels import Downmix

BLOCK = 1 << 20  # values decoded at a time, over all channels
SLOWEST, FASTEST = 1000, 768_000  # Hz; other rates come of broken headers
PIPE_WAIT = 10.0  # seconds in which a pipe must begin to send


class BlockReader:
    """An open recording; made by ``open_recording``.

    Attributes
    ----------
    name : str
        For messages.
    sample_rate : int
        In Hz.
    frames : int
        Its samples.
    seconds : float
        Its length; None where that is not known.
    subtype : str
        libsndfile's name of its sample format.
    downmix : Downmix
        Knows at the end whether the channels cancelled.
    """

    def __init__(self, file, name, channel=None):
        self.file, self.name = file, name
        self.downmix = Downmix(channel)
        self.sample_rate, self.subtype = file.samplerate, file.subtype
        self.frames = file.frames
        self.seconds = self.frames / self.sample_rate or None

    def blocks(self) -> Iterator[np.ndarray]:
        """Decodes the recording.

        Yields
        ------
        numpy.ndarray
            Mean of the channels or one of them, float32, ``[n]``; never
            empty.

        Raises
        ------
        ValueError
            Damaged, shorter than announced, not finite, or without the
            wanted channel.
        """
        size, done = max(1, BLOCK // self.file.channels), 0
        while True:
            try:
                wave = self.file.read(size, dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, OSError) as error:
                raise ValueError(
                    f"{self.name} {damaged_at(done, error)}; replace or "
                    "remove it"
                ) from None
            if not len(wave):
                break
            if not np.isfinite(wave).all():
                raise ValueError(
                    f"{self.name} has NaN or infinite samples; repair the "
                    "recording"
                )
            done += len(wave)
            try:
                mono = self.downmix(wave)
            except ValueError as error:
                raise ValueError(f"{self.name}: {error}") from None
            yield mono
        if not self.frames:
            raise ValueError(
                f"{self.name} holds no samples; nothing to separate"
            )
        if done < self.frames:
            raise ValueError(
                f"{self.name} is truncated: {self.frames} samples expected, "
                f"{done} found; replace or remove it"
            )


def in_blocks(wave):
    """A long array in blocks, ``[n]`` each."""
    for start in range(0, len(wave), BLOCK):
        yield wave[start : start + BLOCK]


@contextmanager
def open_recording(
    source: str | Path | BinaryIO, channel: int | None = None
) -> Iterator[BlockReader]:
    """Opens a recording of any kind.

    Arguments
    ---------
    source : str, Path or binary file object
        A file, a named pipe, or anything with ``read``. What cannot be
        searched is first copied to a temporary file.
    channel : int, optional
        The channel to read, counted from 1; by default the mean of all.

    Yields
    ------
    BlockReader
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
    >>> with open_recording(path) as reader:
    ...     reader.sample_rate, [block.shape for block in reader.blocks()]
    (8000, [(100,)])
    """
    if hasattr(source, "read"):
        name = shown(getattr(source, "name", "the stream"))
        if isinstance(source, io.TextIOBase):
            raise ValueError(f"{name} is open as text; open it with mode 'rb'")
        with _searchable(source) as file, _decoded(file, name) as decoded:
            yield _checked(decoded, name, channel)
        return
    path, name = Path(source), shown(source)
    if _is_pipe(path):
        with _received(path, name) as file, _decoded(file, name) as decoded:
            yield _checked(decoded, name, channel)
        return
    with open_audio(path) as decoded:
        yield _checked(decoded, name, channel)


def _checked(decoded, name, channel):
    """The reader, if the header can be believed."""
    sample_rate = decoded.samplerate
    if not SLOWEST <= sample_rate <= FASTEST:
        raise ValueError(
            f"{name} says that it is sampled at {sample_rate} Hz; expected "
            f"{SLOWEST} to {FASTEST}: repair its header"
        )
    return BlockReader(decoded, name, channel)


def _decoded(file, name):
    """Opens a file object as audio."""
    try:
        return open_sound(file)
    except ValueError as error:
        raise ValueError(f"{name} {error}; replace or remove it") from None


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
