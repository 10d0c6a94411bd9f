"""What stands behind the page of ``spmamba demo``, without the page.

    recording -> a file a voice, who speaks when -> texts, figure -> archive

The page itself is `page.py`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speechbrain_spmamba.audio import open_audio
from speechbrain_spmamba.files.names import shown
from speechbrain_spmamba.files.writing import replacing, write_text
from speechbrain_spmamba.recordings.block_reader import open_recording
from speechbrain_spmamba.recordings.segments import (
    SUFFIXES,
    segment_text,
    talkers_text,
    text_path,
)
from speechbrain_spmamba.scoring.spectrograms import draw_powers, power_columns

if TYPE_CHECKING:
    import numpy as np

    from speechbrain_spmamba.inference import WaveformSeparation
    from speechbrain_spmamba.recordings.activity import Activity
    from speechbrain_spmamba.recordings.separation import Separated


SUBTYPE = "PCM_16"  # which every browser plays
BLOCK = 1 << 18  # samples read at a time


@dataclass
class Voices:
    """What the page shows of a recording.

    Arguments
    ---------
    talkers : str
        How many talk.
    paths : list of Path
        A WAV file a voice.
    lines : list of str
        What is said about each of them.
    texts : list of Path
        Who speaks when: RTTM, labels, JSON, see ``recordings.segments``.
    figure : Path
        PNG file: spectrograms, and when each of them speaks.
    archive : Path
        ZIP file with all of this.
    cancelled : bool
        See ``Separated``.
    """

    talkers: str
    paths: list
    lines: list
    texts: list
    figure: Path
    archive: Path
    cancelled: bool


def separate_upload(
    model: WaveformSeparation,
    path: str | Path,
    folder: str | Path,
    progress: Callable | None = None,
    **options: Any,
) -> Voices:
    """Separates a recording and prepares all that the page shows.

    Arguments
    ---------
    model : speechbrain_spmamba.inference.WaveformSeparation
        The model.
    path : str or Path
        The recording, of any length.
    folder : str or Path
        Where to.
    progress, **options : callable, dict
        See ``WaveformSeparation.separate_file``.

    Returns
    -------
    Voices
        What came out.

    Raises
    ------
    ValueError
        A bad recording. The message calls it by its name, without folder.

    Example
    -------
    >>> import numpy as np
    >>> from speechbrain_spmamba.audio import write_audio
    >>> from speechbrain_spmamba.inference import WaveformSeparation
    >>> from speechbrain_spmamba.models import build_model
    >>> separator = build_model(
    ...     "spmamba", n_fft=64, hop_length=32, num_blocks=1, emb_dim=4
    ... )
    >>> model = WaveformSeparation(
    ...     modules={"separator": separator},
    ...     hparams={"sample_rate": 16000, "num_spks": 2},
    ...     run_opts={"device": "cpu"},
    ... )
    >>> folder = getfixture("tmp_path")
    >>> write_audio(folder / "a.wav", np.zeros(400, "float32"), 8000)
    >>> found = separate_upload(model, folder / "a.wav", folder)
    >>> found.talkers, found.paths
    ('nobody talks', [])
    """
    path, folder = Path(path), Path(folder)
    try:
        found = model.separate_to_files(
            path, folder, subtype=SUBTYPE, progress=progress, **options
        )
    except ValueError as error:
        # Uploads lie in folders that mean nothing to those who sent them.
        message = str(error).replace(shown(path), shown(path.name))
        raise ValueError(message) from None
    lines = [activity_line(activity) for activity in found.activity]
    texts = [text_path(folder / path.stem, form) for form in SUFFIXES]
    for form, text in zip(SUFFIXES, texts, strict=True):
        write_text(text, segment_text(form, found, path.stem))
    figure = folder / f"{path.stem}_voices.png"
    band = min(found.sample_rate, model.hparams.sample_rate) / 2
    with open_recording(path, options.get("channel")) as reader:
        draw_voices(figure, reader.blocks(), found, lines, band)
    archive = folder / f"{path.stem}_voices.zip"
    pack(archive, [*found.paths, *texts, figure])
    return Voices(
        talkers_text(found.talkers),
        found.paths,
        lines,
        texts,
        figure,
        archive,
        found.cancelled,
    )


def activity_line(activity: Activity) -> str:
    """What is said about a voice.

    Arguments
    ---------
    activity : speechbrain_spmamba.recordings.activity.Activity
        What was found in it.

    Returns
    -------
    str
        Half a sentence.

    Example
    -------
    >>> from speechbrain_spmamba.recordings.activity import Activity
    >>> activity_line(Activity(True, 6.2, 0.62, -20.0))
    'speaks 62 % of the time'
    """
    if not activity.speaks:
        return "no one speaks"
    percent = round(100 * activity.share)
    return f"speaks {percent or 'less than 1'} % of the time"


def draw_voices(
    path: Path,
    mixture: Iterable[np.ndarray],
    found: Separated,
    lines: list[str],
    band: float,
) -> None:
    """Draws the mixture and its voices.

    Arguments
    ---------
    path : Path
        PNG file.
    mixture : iterable of numpy.ndarray
        The recording in blocks.
    found : speechbrain_spmamba.recordings.separation.Separated
        Its voices.
    lines : list of str
        What is said about each.
    band : float
        Hz above which the model gives nothing.
    """
    sample_rate = found.sample_rate
    frames = round(found.seconds * sample_rate)
    powers, bars = {}, {}
    powers["recording"] = power_columns(mixture, sample_rate, frames)
    for index, line in enumerate(lines):
        title = f"voice {index + 1}: {line}"
        blocks = _blocks(found.paths[index])
        powers[title] = (
            power_columns(blocks, sample_rate, frames) / found.gain**2
        )
        bars[title] = found.speaking[:, index]
    draw_powers(path, powers, frames / sample_rate, sample_rate, band, bars)


def pack(archive: Path, paths: list[Path]) -> None:
    """Puts files into one archive.

    Arguments
    ---------
    archive : Path
        ZIP file.
    paths : list of Path
        Files; their folders stay behind.
    """
    with (
        replacing(archive) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, True, 1) as file,
    ):
        for path in paths:
            file.write(path, path.name)


def _blocks(path):
    """Samples of a file with one channel, ``[n]`` each."""
    with open_audio(path) as file:
        yield from file.blocks(BLOCK, dtype="float32")
