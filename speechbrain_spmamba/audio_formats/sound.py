"""Open audio files that give all their samples, and tell how many."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import IO, BinaryIO

import numpy as np
import soundfile

from speechbrain_spmamba.audio_formats import find_layout
from speechbrain_spmamba.audio_formats.layout import AS_IT_IS, Layout, View
from speechbrain_spmamba.audio_formats.reasons import reason_of


def open_sound(source: bytes | str | BinaryIO) -> Sound | Chain:
    """Opens what libsndfile reads, whatever length its header tells.

    Arguments
    ---------
    source : bytes, str or binary file object
        A path, or what can be searched.

    Returns
    -------
    Sound or Chain
        Use it in a ``with`` statement.

    Raises
    ------
    ValueError
        What is wrong with the file, as the rest of a sentence.
    """
    try:
        if not isinstance(source, (bytes, str)):
            place = source.tell()
            layout = find_layout(source)
            source.seek(place)
            return _open(source, layout)
        status = os.stat(source)
        layout = _layout_of(source, status.st_size, status.st_mtime_ns)
        if layout == AS_IT_IS:
            return Sound(source)
        file = open(source, "rb")
        try:
            return _open(file, layout, file)
        except BaseException:
            file.close()
            raise
    except (soundfile.SoundFileError, OSError, TypeError) as error:
        reason = reason_of(error)
        if reason.startswith("File does not exist"):  # so the MP3 decoder
            reason = "Format not recognised"
        raise ValueError(f"cannot be read as audio ({reason})") from None


@lru_cache(maxsize=1024)
def _layout_of(path, size, mtime_ns):
    """The layout of a file, found once while the file stays the same."""
    with open(path, "rb") as file:
        return find_layout(file)


def _open(file, layout, own=None):
    """Opens a file object as its layout says; ``own`` is closed with it."""
    if layout.links:
        views = [
            View(file, Layout(stop=stop), start) for start, stop in layout.links
        ]
        return Chain([open_sound(view) for view in views], own)
    source = file if layout == AS_IT_IS else View(file, layout)
    return Sound(source, layout.frames, own)


class Sound(soundfile.SoundFile):
    """An open file whose ``frames`` are those that can be read.

    Arguments
    ---------
    source : bytes, str or binary file object
        What soundfile takes.
    frames : int, optional
        Samples, where libsndfile does not know.
    own : file object, optional
        To be closed together with it.
    """

    def __init__(
        self,
        source: bytes | str | BinaryIO,
        frames: int | None = None,
        own: IO | None = None,
    ) -> None:
        self._counted, self._own = frames, own
        super().__init__(source)

    @property
    def frames(self):
        """Samples of a channel."""
        return super().frames if self._counted is None else self._counted

    def close(self) -> None:
        """Closes the file."""
        super().close()
        if self._own is not None:
            self._own.close()


class Chain:
    """Recordings one behind the other in one file, read as one.

    Arguments
    ---------
    sounds : list of Sound
        Of one rate and number of channels.
    own : file object, optional
        To be closed together with them.
    """

    def __init__(self, sounds: list[Sound], own: IO | None = None) -> None:
        self.sounds, self.place, self._own = sounds, 0, own
        first = sounds[0]
        self.samplerate, self.channels = first.samplerate, first.channels
        self.format, self.subtype = first.format, first.subtype
        self.frames = sum(sound.frames for sound in sounds)
        for sound in sounds:
            if (sound.samplerate, sound.channels) != (
                self.samplerate,
                self.channels,
            ):
                self.close()
                raise ValueError(
                    "is a chain of recordings at several rates or of several "
                    "numbers of channels"
                )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self) -> None:
        """Closes all of them."""
        for sound in self.sounds:
            sound.close()
        if self._own is not None:
            self._own.close()

    def seekable(self):
        """Whether it can be read from anywhere."""
        return all(sound.seekable() for sound in self.sounds)

    def seek(self, place):
        """Goes to a sample."""
        self.place = place

    def read(self, frames, dtype="float32", always_2d=True):
        """Reads at most ``frames`` samples, always ``[n, channels]``."""
        assert always_2d
        waves, start = [np.zeros((0, self.channels), dtype)], 0
        for sound in self.sounds:
            skip = self.place - start
            start += sound.frames
            if 0 <= skip < sound.frames and frames:
                sound.seek(skip)
                count = min(frames, sound.frames - skip)
                waves.append(sound.read(count, dtype, always_2d=True))
                self.place += len(waves[-1])
                frames -= len(waves[-1])
        return np.concatenate(waves)
