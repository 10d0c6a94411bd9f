"""Separated sources wait on disk until all is known, then become files.

Only at the end is it known how loud the sources peak, who speaks and whether
the recording was whole. Until then they lie in one temporary file without a
name, which the system removes whatever happens. Then all files are written
under temporary names, read back, and renamed.
"""

import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import soundfile

from speechbrain_spmamba.files.names import native, shown
from speechbrain_spmamba.files.writing import replacing_all
from speechbrain_spmamba.recordings.activity import ActivityMeter

BLOCK = 1 << 16  # samples copied at a time
# Formats of files, and what they can hold.
SUBTYPES = {
    "wav": ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"),
    "flac": ("PCM_16", "PCM_24"),
}
UNSCALED = ("FLOAT", "DOUBLE")
WAV_LIMIT = 0xFFFF0000  # bytes; longer ones need the header of RF64
FLAC_FASTEST, FLAC_CHANNELS = 655_350, 8  # Hz; channels


class Spool:
    """Sources on their way to files.

    Arguments
    ---------
    rate : int
        Rate in Hz.
    folder : str or Path, optional
        Where the temporary file lies; it takes 4 bytes a sample and source.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> with Spool(8000, folder) as spool:
    ...     spool.push(np.full((4000, 2), 1.5, "float32"))
    ...     gain = spool.write([folder / "a.wav", folder / "b.wav"], "PCM_16")
    >>> round(gain, 3), soundfile.info(folder / "b.wav").frames
    (0.667, 4000)
    """

    def __init__(self, rate, folder=None):
        self.rate, self.frames, self.peak = rate, 0, 0.0
        self.sources = 0
        self.meter = ActivityMeter(rate)
        if folder is not None:
            Path(folder).mkdir(parents=True, exist_ok=True)
        self.file = tempfile.TemporaryFile(dir=folder)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        try:
            self.file.close()
        except OSError:
            pass  # a full disk has been reported, and closing writes again

    def push(self, block):
        """Takes samples, float32, shape ``[n, S]``."""
        self.sources = block.shape[1]
        self.frames += len(block)
        if block.size:
            self.peak = max(self.peak, float(block.max()), -float(block.min()))
        self.meter.push(block)
        self.file.write(np.ascontiguousarray(block, "float32").tobytes())

    def blocks(self):
        """Reads all back, in blocks ``[n, S]``."""
        self.file.seek(0)
        size = BLOCK * self.sources * 4
        while data := self.file.read(size):
            yield np.frombuffer(data, "float32").reshape(-1, self.sources)

    def write(self, paths, subtype, chosen=None, comment="", together=False):
        """Writes the files, all or none.

        Arguments
        ---------
        paths : list of Path
            One a source; their suffixes give the format. What exists is
            replaced.
        subtype : str
            libsndfile's name of the sample format. In an integer format,
            sources that would clip are scaled down together.
        chosen : list of int, optional
            Sources that are written, in this order; by default all.
        comment : str
            Kept in the files.
        together : bool
            Write one file with a channel a source, the only one of ``paths``.

        Returns
        -------
        float
            Factor on all sources, 1 unless they would have clipped.

        Raises
        ------
        ValueError
            A file came out incomplete.
        """
        gain = 1.0
        if subtype not in UNSCALED and self.peak > 1.0:
            gain = 1.0 / self.peak
        chosen = list(range(self.sources)) if chosen is None else chosen
        channels = [chosen] if together else [[index] for index in chosen]
        try:
            with replacing_all(paths) as temporary:
                self._copy(temporary, paths, channels, subtype, gain, comment)
                for name, path in zip(temporary, paths, strict=True):
                    check_written(name, path, self.frames)
        except soundfile.SoundFileError as error:
            raise ValueError(
                f"{shown(paths[0])} could not be written ({error}); is the "
                "disk full, or the rate beyond the format?"
            ) from None
        return gain

    def _copy(self, temporary, paths, channels, subtype, gain, comment):
        """Writes what has been spooled under temporary names."""
        with ExitStack() as stack:
            files = []
            for name, path, columns in zip(
                temporary, paths, channels, strict=True
            ):
                file = soundfile.SoundFile(
                    native(name),
                    "w",
                    self.rate,
                    len(columns),
                    subtype,
                    format=self._format(path, len(columns), subtype),
                )
                if comment:
                    file.comment = comment
                files.append(stack.enter_context(file))
            for block in self.blocks():
                for file, columns in zip(files, channels, strict=True):
                    file.write(block[:, columns] * gain)

    def _format(self, path, channels, subtype):
        """libsndfile's name of the format; WAV itself ends at 4 GB."""
        width = 8 if subtype == "DOUBLE" else 4
        if path.suffix == ".wav" and (
            self.frames * channels * width > WAV_LIMIT
        ):
            return "RF64"
        return path.suffix[1:].upper()


def check_written(name, path, frames):
    """Reads the end of a file back.

    Arguments
    ---------
    name : Path
        Where it lies by now.
    path : Path
        Its final name, for the message.
    frames : int
        Samples that it must hold.

    Raises
    ------
    ValueError
        It holds fewer.
    """
    with soundfile.SoundFile(native(name)) as file:
        whole = file.frames == frames
        if whole and frames:
            file.seek(frames - 1)
            whole = len(file.read(1)) == 1
    if not whole:
        raise ValueError(
            f"{shown(path)} came out incomplete; is the disk full?"
        )


def check_format(kind, subtype, rate, channels):
    """Says early what a format cannot hold.

    Arguments
    ---------
    kind : str
        wav or flac.
    subtype : str
        libsndfile's name of the sample format.
    rate : int
        Rate in Hz.
    channels : int
        Channels of one file.

    Raises
    ------
    ValueError
        The format does not have the subtype, rate or channels.

    Example
    -------
    >>> check_format("flac", "PCM_24", 48000, 1)
    """
    if subtype not in SUBTYPES[kind]:
        raise ValueError(
            f"{kind} holds no {subtype}; choose {', '.join(SUBTYPES[kind])}"
        )
    if kind == "flac" and (rate > FLAC_FASTEST or channels > FLAC_CHANNELS):
        raise ValueError(
            f"flac holds up to {FLAC_CHANNELS} channels at {FLAC_FASTEST} Hz, "
            f"not {channels} at {rate}; choose --format wav"
        )


def subtype_like(own, kind):
    """The sample format of outputs of which none was asked for.

    Arguments
    ---------
    own : str
        That of the input.
    kind : str
        wav or flac.

    Returns
    -------
    str
        That of the input; where the format lacks it, the next richer one.
        PCM_16 for inputs that are compressed with loss.

    Example
    -------
    >>> subtype_like("FLOAT", "flac"), subtype_like("VORBIS", "wav")
    ('PCM_24', 'PCM_16')
    """
    if own in SUBTYPES[kind]:
        return own
    return "PCM_24" if own in SUBTYPES["wav"] else "PCM_16"
