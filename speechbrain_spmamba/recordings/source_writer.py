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

from speechbrain_spmamba.audio_formats.layout import AS_IT_IS, count_samples
from speechbrain_spmamba.audio_formats.reasons import reason_of
from speechbrain_spmamba.files.names import native, shown
from speechbrain_spmamba.files.writing import replacing_all, write_text
from speechbrain_spmamba.recordings.activity import ActivityMeter
from speechbrain_spmamba.recordings.file_formats import container

BLOCK = 1 << 16  # samples copied at a time
UNSCALED = ("FLOAT", "DOUBLE")
WAV_LIMIT = 0xFFFF0000  # bytes; longer ones need the header of RF64


class SourceWriter:
    """Sources on their way to files.

    Arguments
    ---------
    sample_rate : int
        Of sources and files in Hz.
    folder : str or Path, optional
        Where the temporary file lies; it takes 4 bytes a sample and source.

    Example
    -------
    >>> folder = getfixture("tmp_path")
    >>> with SourceWriter(8000, folder) as writer:
    ...     writer.push(np.full((4000, 2), 1.5, "float32"))
    ...     gain = writer.write([folder / "a.wav", folder / "b.wav"], "PCM_16")
    >>> round(gain, 3), soundfile.info(folder / "b.wav").frames
    (0.667, 4000)
    """

    def __init__(
        self, sample_rate: int, folder: str | Path | None = None
    ) -> None:
        self.sample_rate, self.sources = sample_rate, 0
        self.frames, self.peak = 0, 0.0
        self.meter = ActivityMeter(sample_rate, keep=True)
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

    def gain(self, subtype):
        """Factor on all sources, 1 unless this format would clip one."""
        if subtype in UNSCALED or self.peak <= 1.0:
            return 1.0
        return 1.0 / self.peak

    def write(
        self,
        paths: list[Path],
        subtype: str,
        chosen: list[int] | None = None,
        comment: str = "",
        texts: dict | None = None,
    ) -> float:
        """Writes the files, all or none.

        Arguments
        ---------
        paths : list of Path
            One a source, or one file with a channel a source; their
            suffixes give the format. What exists is replaced.
        subtype : str
            libsndfile's name of the sample format. Integer ones have sources
            scaled down together if one would clip.
        chosen : list of int, optional
            Sources that are written, in this order; by default all.
        comment : str
            Kept in the files.
        texts : dict, optional
            Path -> what else is written, and appears with them.

        Returns
        -------
        float
            Factor on all sources, 1 unless they would have clipped.

        Raises
        ------
        ValueError
            A file came out incomplete.
        """
        gain, texts = self.gain(subtype), texts or {}
        chosen = list(range(self.sources)) if chosen is None else chosen
        channels = [chosen] if len(paths) == 1 else [[one] for one in chosen]
        try:
            with replacing_all([*paths, *texts]) as names:
                voices, rest = names[: len(paths)], names[len(paths) :]
                if paths:
                    self._copy(voices, paths, channels, subtype, gain, comment)
                for name, path in zip(voices, paths, strict=True):
                    check_written(name, path, self.frames)
                for name, text in zip(rest, texts.values(), strict=True):
                    write_text(name, text)
        except soundfile.SoundFileError as error:
            raise unwritten(paths[0], error) from None
        return gain

    def _copy(self, temporary, paths, channels, subtype, gain, comment):
        """Writes all that was pushed under temporary names."""
        with ExitStack() as stack:
            files = []
            for name, path, columns in zip(
                temporary, paths, channels, strict=True
            ):
                file = soundfile.SoundFile(
                    native(name),
                    "w",
                    self.sample_rate,
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
        return container(path)


def unwritten(path, error):
    """The ValueError for a file that libsndfile could not write."""
    return ValueError(
        f"{shown(path)} could not be written ({reason_of(error)}); is the disk "
        "full, or the rate beyond the format?"
    )


def check_written(name, path, frames):
    """Raises ValueError if a file, to become ``path``, lacks samples."""
    with soundfile.SoundFile(native(name)) as file:
        whole, kind = file.frames == frames, file.format
        if whole and frames and kind != "MP3":
            file.seek(frames - 1)
            whole = len(file.read(1)) == 1
    if whole and kind == "MP3":
        # A frame borrows from those before: a decoder that is sent to the last
        # one complains on standard error of what it has not seen.
        try:
            with open(name, "rb") as file:
                whole = count_samples(file, AS_IT_IS) == frames
        except ValueError:
            whole = False
    if not whole:
        raise ValueError(
            f"{shown(path)} came out incomplete; is the disk full?"
        )
