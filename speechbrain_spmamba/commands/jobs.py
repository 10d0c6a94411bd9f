"""One recording of many: separated, skipped, or reported as bad.

What runs in each process of `spmamba separate`. Nothing that is wrong with a
recording or with the place for its outputs ends the process.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count, takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from speechbrain_spmamba.audio import open_audio
from speechbrain_spmamba.builtin.models import find_model
from speechbrain_spmamba.commands.inputs import STANDARD
from speechbrain_spmamba.commands.model import load_model
from speechbrain_spmamba.commands.output_tags import (
    Earlier,
    digest_of_model,
    make_tag,
    whole_tag,
)
from speechbrain_spmamba.commands.separate_messages import (
    error_line,
    progress_bar,
    separated_line,
    skipped_line,
)
from speechbrain_spmamba.errors import explain
from speechbrain_spmamba.files.names import shown
from speechbrain_spmamba.recordings.file_formats import FORMATS
from speechbrain_spmamba.recordings.options import SeparationOptions
from speechbrain_spmamba.recordings.segments import SUFFIXES, segment_text
from speechbrain_spmamba.recordings.separation import separate_recording
from speechbrain_spmamba.weights.model_folder import HPARAMS_FILE

if TYPE_CHECKING:
    from speechbrain_spmamba.commands.inputs import Input


@dataclass(frozen=True)
class Job:
    """What is the same for all recordings of a command.

    Arguments
    ---------
    model, device, trust : str, str or None, bool
        See ``commands.model.load_model``.
    options : SeparationOptions
        How they are separated.
    overwrite : bool
        Replace what is there.
    to_stdout : bool
        Write to standard output.
    bar : bool
        Draw a progress bar.
    forms : tuple of str
        Texts that say who speaks when, see ``recordings.segments.SUFFIXES``.
    """

    model: str
    device: str | None
    trust: bool
    options: SeparationOptions
    overwrite: bool = False
    to_stdout: bool = False
    bar: bool = False
    forms: tuple = ()


def separate_one(recording: Input, job: Job) -> tuple[bool, str, list[Path]]:
    """Separates one recording, whatever is wrong with it.

    Arguments
    ---------
    recording : speechbrain_spmamba.commands.inputs.Input
        Which, and where to.
    job : Job
        How.

    Returns
    -------
    done : bool
        Whether the outputs are there.
    line : str
        What to report.
    paths : list of Path
        The outputs.
    """
    try:
        model, digest = loaded(job.model, job.device, job.trust)
        if job.to_stdout:
            return True, _to_stdout(recording, job, model), []
        return True, *_to_files(recording, job, model, digest)
    except Exception as error:
        reason = explain(error)
        if reason is None:
            raise
        return False, error_line(reason, recording.source), []


def _to_files(recording, job, model, digest):
    """Separates into files, unless that is done."""
    options, source, tag = job.options, recording.source, ""
    most = options.speakers or model.hparams.num_spks
    paths = recording.paths(most, options.format)
    texts = recording.texts(job.forms)
    outputs = [*paths, *texts]
    if Path(source).is_file() and source != STANDARD:
        if any(path.exists() and path.samefile(source) for path in outputs):
            raise ValueError(
                f"{shown(source)} is also an output; give another output folder"
            )
        open_audio(source).close()  # what is no audio is said first
        tag = make_tag(source, digest, options)
    earlier = _find_earlier(recording, paths, options.format, tag)
    if not job.overwrite:
        earlier.check_free(paths, texts)
        if done := earlier.done(paths, texts):
            return skipped_line(source), done

    def describe(found):
        told = {
            path: segment_text(form, found, recording.stem.name)
            for path, form in texts.items()
        }
        return whole_tag(tag, len(found.paths), told.values()), told

    found, taken = _separate(model, source, paths, job, describe)
    written = [*found.paths, *texts]
    removed, left = earlier.clear(written)
    return separated_line(source, found, taken, written, removed, left), written


def _find_earlier(recording, paths, format, tag):
    """What is there, also of runs that wrote more voices or other texts."""
    more = (recording.paths(n, format)[-1] for n in count(len(paths) + 1))
    return Earlier(
        [*paths, *takewhile(Path.exists, more)],
        tag,
        recording.texts(SUFFIXES),
        [recording.paths(1, one)[0] for one in FORMATS],
    )


def _to_stdout(recording, job, model):
    """Separates into one file with a channel a speaker, and sends it."""
    # Who reads it counts on the number of channels.
    options = replace(job.options, all_outputs=job.options.speakers is None)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"sources.{options.format}"
        job = replace(job, options=options)
        found, taken = _separate(model, recording.source, [path], job)
        with open(path, "rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    return separated_line(recording.source, found, taken, [path])


def _separate(model, source, paths, job, describe=None):
    """Separates under a progress bar: what came out, and seconds it took."""
    begin = time.perf_counter()
    stream = sys.stdin.buffer if source == STANDARD else source
    with progress_bar(job.bar) as progress:
        found = separate_recording(
            model, stream, paths, job.options, describe, progress
        )
    return found, time.perf_counter() - begin


@lru_cache(maxsize=1)
def loaded(source, device, trust=False):
    """A model and its digest; each process loads it once."""
    model = load_model(source, device, trust)
    settings = Path(find_model(source)) / HPARAMS_FILE
    text = settings.read_bytes() if settings.is_file() else b""
    return model, digest_of_model(model, text)
