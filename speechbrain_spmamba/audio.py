"""Audio files in and out, with errors that name the file; rates and levels.

One place decides what an unreadable, truncated or mis-sampled file means.

Rates are converted by soxr, whole or in blocks. Its HQ passes what lies below
0.91 of the lower of the two Nyquist frequencies unchanged to 0.01 dB and
nothing from 1.09 of it on (less than -120 dB), without delay.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
import soxr

from speechbrain_spmamba.audio_formats.reasons import damaged_at
from speechbrain_spmamba.audio_formats.sound import open_sound
from speechbrain_spmamba.files.names import native, shown
from speechbrain_spmamba.files.writing import replacing

if TYPE_CHECKING:
    from speechbrain_spmamba.audio_formats.sound import Chain, Sound


QUALITY = "HQ"
BLOCK = 65536  # samples that are looked at for a sound, one block after another


def open_audio(path: str | Path) -> Sound | Chain:
    """Opens an audio file for reading.

    Arguments
    ---------
    path : str or Path
        The file.

    Returns
    -------
    Sound or Chain
        Of ``audio_formats.sound``. Use it in a ``with`` statement. Its
        ``frames`` can all be read, whatever its header says.

    Raises
    ------
    ValueError
        There is no such file, it is no audio that libsndfile reads, or it
        ends early.
    """
    path = Path(path)
    if not path.is_file():
        found = "is a folder" if path.is_dir() else "does not exist"
        if path.exists() and not path.is_dir():
            found = "is no regular file"
        raise ValueError(f"{shown(path)} {found}; an audio file was expected")
    try:
        return open_sound(native(path))
    except ValueError as error:
        raise ValueError(
            f"{shown(path)} {shown(error)}; replace or remove it"
        ) from None


def read_audio(
    path: str | Path,
    sample_rate: int | None = None,
    start: int = 0,
    frames: int = -1,
) -> np.ndarray:
    """Reads a file, or a part of it, and decodes only that part.

    Arguments
    ---------
    path : str or Path
        The file.
    sample_rate : int, optional
        Rate in Hz that the file must have.
    start : int
        First sample.
    frames : int
        Number of samples; -1 reads to the end.

    Returns
    -------
    numpy.ndarray
        float32, shape ``[T, channels]``.

    Raises
    ------
    ValueError
        Not readable, not at ``sample_rate``, or shorter than its header or
        the wanted part says.

    Example
    -------
    >>> path = getfixture("tmp_path") / "tone.wav"
    >>> write_audio(path, np.zeros((100, 1), "float32"), 8000)
    >>> read_audio(path, 8000, start=20, frames=30).shape
    (30, 1)
    """
    with open_audio(path) as file:
        check_rate(file, path, sample_rate)
        wanted = file.frames - start if frames < 0 else frames
        try:
            # GSM and its like can only be read from the beginning.
            skip = 0 if file.seekable() else start
            if start > skip:
                file.seek(start)
            wave = file.read(skip + wanted, dtype="float32", always_2d=True)
            wave = wave[skip:]
        except (soundfile.SoundFileError, OSError) as error:
            raise ValueError(
                f"{path} {damaged_at(start, error)}; replace or remove it"
            ) from None
        if len(wave) != wanted:
            raise ValueError(
                f"{path} is truncated: {start + wanted} samples expected, "
                f"{start + len(wave)} found; replace or remove it"
            )
    return wave


def is_silent(path: str | Path) -> bool:
    """Whether the first channel of a file is all zeros; sound ends the search.

    Arguments
    ---------
    path : str or Path
        The file.

    Returns
    -------
    bool
        True also for a file without samples.

    Raises
    ------
    ValueError
        It cannot be read.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> write_audio(path, np.zeros(40000), 8000)
    >>> is_silent(path)
    True
    """
    with open_audio(path) as file:
        total = file.frames
    for start in range(0, total, BLOCK):
        count = min(BLOCK, total - start)
        if read_audio(path, start=start, frames=count)[:, 0].any():
            return False
    return True


def check_rate(file, path, sample_rate):
    """Raises ValueError where an open file has another rate than wanted."""
    if sample_rate is not None and file.samplerate != sample_rate:
        raise ValueError(
            f"{path} is sampled at {file.samplerate} Hz, expected "
            f"{sample_rate} Hz; resample it or set sample_rate"
        )


def write_audio(
    path: str | Path, wave: np.ndarray, sample_rate: int, subtype: str = "FLOAT"
) -> None:
    """Writes a file as a whole or not at all.

    Arguments
    ---------
    path : str or Path
        The file; its suffix gives the format. Folders are made.
    wave : numpy.ndarray
        Shape ``[T]`` or ``[T, channels]``.
    sample_rate : int
        Rate in Hz.
    subtype : str
        libsndfile's name of the sample format. Integer formats hold [-1, 1):
        scaling is left to the caller, who knows what belongs together.

    Raises
    ------
    ValueError
        Samples beyond what an integer format can hold.
    """
    if subtype != "FLOAT" and np.abs(wave).max(initial=0.0) > 1.0:
        raise ValueError(
            f"{path}: samples reach {np.abs(wave).max():.2f}, more than "
            f"{subtype} holds; scale the signals or write FLOAT"
        )
    with replacing(path) as temporary:
        soundfile.write(
            temporary,
            wave,
            sample_rate,
            subtype=subtype,
            format=Path(path).suffix[1:].upper(),
        )


def decibels(power):
    """Power in dB, an array of any shape; nothing is softer than -120 dB."""
    return 10 * np.log10(power + 1e-12)


def rms_level(signal):
    """Root mean square in dB full scale; minus infinity of silence.

    Example
    -------
    >>> rms_level(np.full(9, 0.1)), rms_level(np.zeros(9))
    (-20.0, -inf)
    """
    power = np.mean(np.square(signal)) if len(signal) else 0.0
    return 10 * math.log10(power) if power > 0 else -math.inf


def at_level(signal, wanted):
    """Scales a signal to a level in dB; silence stays silence."""
    found = rms_level(signal)
    return (
        signal if found == -math.inf else signal * 10 ** ((wanted - found) / 20)
    )


def resample(wave: np.ndarray, old_rate: int, new_rate: int) -> np.ndarray:
    """Resamples a whole signal.

    Arguments
    ---------
    wave : numpy.ndarray
        float32 or float64, shape ``[T]`` or ``[T, C]``.
    old_rate : int
        Its rate in Hz.
    new_rate : int
        Wanted rate in Hz.

    Returns
    -------
    numpy.ndarray
        The same type, ``ceil(T * new_rate / old_rate)`` samples.

    Example
    -------
    >>> resample(np.zeros(101, "float32"), 16000, 8000).shape
    (51,)
    """
    columns = wave[:, None] if wave.ndim == 1 else wave
    blocks = [columns[:0], *resample_blocks([columns], old_rate, new_rate)]
    return np.concatenate(blocks).reshape(-1, *wave.shape[1:])


def resample_blocks(
    blocks: Iterable[np.ndarray], old_rate: int, new_rate: int
) -> Iterator[np.ndarray]:
    """Resamples a stream: together what ``resample`` gives, to rounding.

    Arguments
    ---------
    blocks : iterable of numpy.ndarray
        float32 or float64, each ``[n, C]``; n may be 0.
    old_rate : int
        Their rate in Hz.
    new_rate : int
        Wanted rate in Hz.

    Yields
    ------
    numpy.ndarray
        The same type, ``[m, C]``, none of them empty.

    Example
    -------
    >>> blocks = [np.zeros((100, 2), "float32")] * 3
    >>> sum(len(block) for block in resample_blocks(blocks, 16000, 48000))
    900
    """
    if old_rate == new_rate:
        yield from blocks
        return
    stream, read, written = None, 0, 0
    for block in blocks:
        if stream is None:
            stream = soxr.ResampleStream(
                old_rate, new_rate, block.shape[1], block.dtype, QUALITY
            )
        read += len(block)
        found = stream.resample_chunk(block)
        written += len(found)
        if len(found):
            yield found
    # soxr rounds the length to the nearest: silence makes it long enough.
    missing = -(-read * new_rate // old_rate) - written
    if missing > 0 and stream is not None:
        enough = 2 * -(-old_rate // new_rate)
        silence = np.zeros_like(block, shape=(enough, block.shape[1]))
        yield stream.resample_chunk(silence, last=True)[:missing]
