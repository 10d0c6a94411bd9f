"""One recording of many: separated, skipped, or reported as bad.

What runs in each process of `spmamba separate`. Nothing that is wrong with a
recording or with the place for its outputs ends the process.
"""

import math
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tqdm import tqdm

from speechbrain_spmamba.audio import open_audio
from speechbrain_spmamba.commands.device import load_model
from speechbrain_spmamba.commands.output_tags import (
    digest_of_model,
    is_done,
    make_mark,
)
from speechbrain_spmamba.commands.targets import STANDARD
from speechbrain_spmamba.errors import explain
from speechbrain_spmamba.files.names import shown
from speechbrain_spmamba.recordings.separation import separate_recording
from speechbrain_spmamba.weights.model_folder import HPARAMS_FILE


@dataclass(frozen=True)
class Settings:
    """What is the same for all recordings.

    Arguments
    ---------
    model, device : str
        See ``commands.device.load_model``.
    kind, subtype : str
        Format and sample format of the outputs.
    keep_rate : bool
        At the rate of the input.
    speakers : int or None
        How many outputs.
    overwrite : bool
        Replace what is there.
    batch : int or None
        Windows separated together; changes no result.
    bar : bool
        Draw a progress bar.
    to_stdout : bool
        Write to standard output.
    options : tuple
        Name and value of the options of ``streams.separate_blocks``.
    trust : bool
        See ``commands.device.load_model``.
    """

    model: str
    device: str
    kind: str
    subtype: str
    keep_rate: bool
    speakers: int
    overwrite: bool
    batch: int
    bar: bool
    to_stdout: bool
    options: tuple
    trust: bool = False


def separate_one(target, settings):
    """Separates one recording, whatever is wrong with it.

    Arguments
    ---------
    target : speechbrain_spmamba.commands.targets.Target
        Which, and where to.
    settings : Settings
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
        model, digest = loaded(settings.model, settings.device, settings.trust)
        if settings.to_stdout:
            return True, _to_stdout(target, settings, model), []
        return _to_files(target, settings, model, digest)
    except Exception as error:
        reason = explain(error)
        if reason is None:
            raise
        text = shown(reason)
        if shown(target.source) not in text:
            text = f"{shown(target.source)}: {text}"
        return False, f"error: {text}", []


def _to_files(target, settings, model, digest):
    """Separates into files, unless that is done."""
    count = settings.speakers or model.hparams.num_spks
    paths = target.paths(count, settings.kind)
    source, mark = target.source, None
    if source == STANDARD:
        source = sys.stdin.buffer
    elif Path(source).is_file():
        if any(path.exists() and path.samefile(source) for path in paths):
            raise ValueError(
                f"{shown(source)} is also an output; give another output folder"
            )
        open_audio(source).close()  # what is no audio is said first
        mark = make_mark(
            source, digest, settings.kind, settings.subtype,
            settings.keep_rate, settings.speakers, settings.options,
        )  # fmt: skip
    if not settings.overwrite and is_done(paths, mark):
        return True, f"{shown(target.source)}: done before", paths
    found = _separate(model, source, paths, settings, comment=mark or "")
    return True, f"{shown(target.source)}: {found}", paths


def _to_stdout(target, settings, model):
    """Separates into one file with a channel a speaker, and sends it."""
    source = sys.stdin.buffer if target.source == STANDARD else target.source
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"sources.{settings.kind}"
        line = _separate(model, source, [path], settings, together=True)
        with open(path, "rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    return f"{shown(target.source)}: {line}"


def _separate(model, source, paths, settings, **more):
    """Separates under a progress bar and describes what came out."""
    begin = time.perf_counter()
    with tqdm(
        unit="s",
        disable=not settings.bar,
        leave=False,
        file=sys.stderr,
        bar_format="{l_bar}{bar}| {n:.0f}/{total} s [{elapsed}<{remaining}]",
    ) as bar:

        def progress(done, total):
            bar.total = total and math.ceil(total)
            bar.update(done - bar.n)

        found = separate_recording(
            model,
            source,
            paths,
            subtype=settings.subtype,
            keep_rate=settings.keep_rate,
            speakers=settings.speakers,
            batch=settings.batch,
            progress=progress if settings.bar else None,
            **more,
            **dict(settings.options),
        )
    taken = time.perf_counter() - begin
    parts = [
        f"{found.seconds:.1f} s in {taken:.1f} s "
        f"({taken / max(found.seconds, 1e-9):.2g} of real time)",
        ", ".join(f"s{n + 1}: {a}" for n, a in enumerate(found.activity)),
    ]
    if found.cancelled:
        parts.append("the channels cancel, --channel 1 takes one of them")
    if found.gain < 1:
        parts.append(f"scaled by {20 * math.log10(found.gain):.1f} dB")
    return "; ".join(parts)


@lru_cache(maxsize=1)
def loaded(source, device, trust=False):
    """A model and its digest; each process loads it once."""
    model = load_model(source, device, trust)
    settings = Path(source) / HPARAMS_FILE
    text = settings.read_bytes() if settings.is_file() else b""
    return model, digest_of_model(model, text)
