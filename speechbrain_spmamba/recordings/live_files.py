"""Files that grow while the sound comes, and get their names when it ends.

`source_writer` keeps sources aside until it knows how loud they become, which
takes as much of the disk again; of live sound, what is too loud is clipped.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import soundfile

from speechbrain_spmamba.files.names import native
from speechbrain_spmamba.files.writing import replacing_all
from speechbrain_spmamba.recordings.file_formats import container
from speechbrain_spmamba.recordings.pcm import count_clipped
from speechbrain_spmamba.recordings.source_writer import (
    UNSCALED,
    check_written,
    unwritten,
)


class LiveFiles:
    """Open files, one a source; made by ``live_files``.

    Attributes
    ----------
    frames : int
        How many were written.
    clipped : int
        Samples of all sources beyond full scale.
    """

    def __init__(self, files):
        self.files, self.frames, self.clipped = files, 0, 0

    def push(self, block):
        """Takes samples, float32, shape ``[n, S]``."""
        self.frames += len(block)
        if self.files[0].subtype not in UNSCALED:
            self.clipped += count_clipped(block)
            block = np.clip(block, -1.0, 1.0)
        for number, file in enumerate(self.files):
            file.write(np.ascontiguousarray(block[:, number]))


@contextmanager
def live_files(
    paths: list[Path], sample_rate: int, subtype: str = "PCM_16"
) -> Iterator[LiveFiles]:
    """Opens files that are there as a whole at the end, or not at all.

    Arguments
    ---------
    paths : list of Path
        One a source; their suffixes give the format. What exists is replaced.
    sample_rate : int
        In Hz.
    subtype : str
        libsndfile's name of the sample format.

    Yields
    ------
    LiveFiles
        Takes the sound.

    Raises
    ------
    ValueError
        The disk is full, or a file came out incomplete.

    Example
    -------
    >>> paths = [getfixture("tmp_path") / name for name in ("a.wav", "b.wav")]
    >>> with live_files(paths, 8000) as files:
    ...     files.push(np.zeros((100, 2), "float32"))
    >>> [soundfile.info(path).frames for path in paths]
    [100, 100]
    """
    try:
        with replacing_all(paths) as names:
            with ExitStack() as stack:
                files = [
                    stack.enter_context(
                        soundfile.SoundFile(
                            native(name),
                            "w",
                            sample_rate,
                            1,
                            subtype,
                            format=container(path),
                        )
                    )
                    for name, path in zip(names, paths, strict=True)
                ]
                writer = LiveFiles(files)
                yield writer
            for name, path in zip(names, paths, strict=True):
                check_written(name, path, writer.frames)
    except soundfile.SoundFileError as error:
        raise unwritten(paths[0], error) from None
