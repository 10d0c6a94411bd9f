"""Audio files in and out, with errors that name the file.

One place decides what an unreadable, truncated or mis-sampled file means, and
that a file under its final name is always a whole one.
"""

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from speechbrain_spmamba.lengths.sound import open_sound


def open_audio(path):
    """Opens an audio file for reading.

    Arguments
    ---------
    path : str or Path
        The file.

    Returns
    -------
    speechbrain_spmamba.lengths.sound.Sound
        Use it in a ``with`` statement. Its ``frames`` can all be read,
        whatever its header says.

    Raises
    ------
    ValueError
        There is no such file, it is no audio that libsndfile reads, or it
        ends early.
    """
    path = Path(path)
    if not path.is_file():
        kind = "is a folder" if path.is_dir() else "does not exist"
        if path.exists() and not path.is_dir():
            kind = "is no regular file"
        raise ValueError(f"{shown(path)} {kind}; an audio file was expected")
    try:
        return open_sound(native(path))
    except ValueError as error:
        raise ValueError(
            f"{shown(path)} {shown(error)}; replace or remove it"
        ) from None


def read_audio(path, sample_rate=None, start=0, frames=-1):
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
                f"{path} is damaged at sample {start} or behind ({error}); "
                "replace or remove it"
            ) from None
        if len(wave) != wanted:
            raise ValueError(
                f"{path} is truncated: {start + wanted} samples expected, "
                f"{start + len(wave)} found; replace or remove it"
            )
    return wave


def check_rate(file, path, sample_rate):
    """Raises ValueError where an open file has another rate than wanted."""
    if sample_rate is not None and file.samplerate != sample_rate:
        raise ValueError(
            f"{path} is sampled at {file.samplerate} Hz, expected "
            f"{sample_rate} Hz; resample it or set sample_rate"
        )


def write_audio(path, wave, sample_rate, subtype="FLOAT"):
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


@contextmanager
def replacing(path):
    """Gives a temporary name that becomes ``path`` if all goes well.

    Arguments
    ---------
    path : str or Path
        The final name. Its folder is made.

    Yields
    ------
    Path
        A name in the same folder, so that the renaming is atomic.

    Example
    -------
    >>> path = getfixture("tmp_path") / "note.txt"
    >>> with replacing(path) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> path.read_text()
    'whole'
    """
    with replacing_all([path]) as (temporary,):
        yield temporary


@contextmanager
def replacing_all(paths):
    """Gives temporary names that become ``paths`` together or not at all.

    Arguments
    ---------
    paths : list of (str or Path)
        The final names. Their folders are made.

    Yields
    ------
    list of Path
        A name each, in the same folder as the final one.

    Example
    -------
    >>> paths = [getfixture("tmp_path") / name for name in ("a", "b")]
    >>> with replacing_all(paths) as temporary:
    ...     _ = [name.write_text("whole") for name in temporary]
    >>> [path.read_text() for path in paths]
    ['whole', 'whole']
    """
    paths, temporary, renamed = [Path(path) for path in paths], [], []
    try:
        for path in paths:
            temporary.append(_temporary(path))
        yield list(temporary)
        for name, path in zip(temporary, paths, strict=True):
            name.replace(path)
            renamed.append(path)
    except BaseException as error:
        for path in renamed:
            path.unlink(missing_ok=True)
        # A write to a full disk fails without saying where.
        if isinstance(error, OSError) and not error.filename:
            error.filename = str(paths[0])
        raise
    finally:
        for name in temporary:
            name.unlink(missing_ok=True)


def _temporary(path):
    """An empty file beside ``path``, with a name that nobody looks for."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Part of the name: the longest legal one has no room for more.
    handle, name = tempfile.mkstemp(
        prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent
    )
    os.close(handle)
    temporary = Path(name)
    # mkstemp makes private files; the final one follows the user's umask.
    umask = os.umask(0)
    os.umask(umask)
    temporary.chmod(0o666 & ~umask)
    return temporary


def native(path):
    """A path as soundfile takes it, also if its name is no valid text.

    Arguments
    ---------
    path : str or Path
        The path.

    Returns
    -------
    bytes or str
        Bytes where file names are bytes.
    """
    return os.fsencode(path) if os.name == "posix" else str(path)


def shown(path):
    """A path as it can be printed in one line.

    Arguments
    ---------
    path : object
        The path, or what has one in its message.

    Returns
    -------
    str
        Control characters and what is no valid text are escaped.

    Example
    -------
    >>> print(shown("two\\nlines.wav"))
    two\\nlines.wav
    """
    text = str(path).encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode()
        for c in text
    )
