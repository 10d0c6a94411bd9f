"""Whether an audio file is sound: its defect in a few words, or nothing.

By its header: no audio at all, no samples, shorter than it says.
By its samples: damaged, silent, NaN or infinite, clipped.
"""

from pathlib import Path

import numpy as np
import soundfile

from speechbrain_spmamba.audio_formats.reasons import damaged_at
from speechbrain_spmamba.audio_formats.sound import open_sound
from speechbrain_spmamba.files.names import native

BLOCK = 1 << 20  # samples decoded at a time
SILENT = 1e-4  # a file that never exceeds this holds nothing
FULL_SCALE = 0.999
FLAT = 1e-4  # loud samples move by more than this, clipped ones do not
CLIPPED = 1e-3  # seconds at full scale without moving: clipped


def read_header(path: str | Path) -> tuple[int, int, str]:
    """Opens a file and reads its header.

    Arguments
    ---------
    path : str or Path
        A file.

    Returns
    -------
    frames : int
        Samples; 0 if it cannot be read.
    sample_rate : int
        Rate in Hz; 0 if it cannot be read.
    defect : str
        What is wrong, or nothing.

    Example
    -------
    >>> path = getfixture("tmp_path") / "a.wav"
    >>> path.write_bytes(b"not audio")
    9
    >>> read_header(path)[2]
    'cannot be read as audio (Format not recognised)'
    """
    try:
        with open_sound(native(path)) as file:
            defect = "" if file.frames else "holds no samples"
            return file.frames, file.samplerate, defect
    except ValueError as error:
        return 0, 0, str(error)


def check_samples(path: str | Path) -> str:
    """Decodes a file and says what is wrong with its samples.

    Arguments
    ---------
    path : str or Path
        An audio file.

    Returns
    -------
    str
        The reason, or nothing.

    Example
    -------
    >>> from speechbrain_spmamba.audio import write_audio
    >>> path = getfixture("tmp_path") / "quiet.wav"
    >>> write_audio(path, np.zeros(100), 8000)
    >>> check_samples(path)
    'is silent'
    """
    peak, done = 0.0, 0
    try:
        with open_sound(native(path)) as file:
            plateau = max(8, round(CLIPPED * file.samplerate))
            while done < file.frames:
                wave = file.read(BLOCK, dtype="float32", always_2d=True)
                if not len(wave):
                    return f"is truncated: {done} of {file.frames} samples"
                if not np.isfinite(wave).all():
                    return "holds NaN or infinite samples"
                # A plateau across two blocks may be missed: they are long.
                loud = np.abs(wave[1:]) >= FULL_SCALE
                flat = loud & (np.abs(np.diff(wave, axis=0)) < FLAT)
                # n equal samples in a row are n - 1 that do not move
                if any(_longest_run(one) + 1 >= plateau for one in flat.T):
                    return "is clipped"
                peak = max(peak, float(np.abs(wave).max()))
                done += len(wave)
    except ValueError as error:
        return str(error)
    except (soundfile.SoundFileError, OSError) as error:
        return damaged_at(done, error)
    return "" if peak > SILENT else "is silent"


def _longest_run(flags):
    """Length of the longest row of True."""
    edges = np.flatnonzero(np.diff(np.pad(flags.astype(np.int8), 1)))
    return int((edges[1::2] - edges[::2]).max(initial=0))
