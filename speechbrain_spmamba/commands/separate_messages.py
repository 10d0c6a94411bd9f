"""All that ``spmamba separate`` prints.

Lines and a bar go to standard error, paths of what was written to standard
output. What Python users are told as well is logged where it is found out:
channels that cancel in `recordings/channels.py`, sources that were scaled in
`recordings/separation.py`.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from speechbrain_spmamba.builtin.models import DEFAULT, builtin_models
from speechbrain_spmamba.files.names import shown
from speechbrain_spmamba.recordings.segments import talkers_text

if TYPE_CHECKING:
    from speechbrain_spmamba.recordings.live_files import LiveFiles
    from speechbrain_spmamba.recordings.pcm import PcmWriter
    from speechbrain_spmamba.recordings.separation import Separated


def default_model_line(name=DEFAULT):
    """The line that says what separates where no model was named."""
    return (
        f"model: {name}, {builtin_models()[name].score}; `spmamba "
        "models` tells where better ones are"
    )


def separated_line(
    source: str,
    found: Separated,
    taken: float,
    written: list[Path],
    removed: Sequence[Path] = (),
    left: Sequence[Path] = (),
) -> str:
    """The line of report for a recording.

    Arguments
    ---------
    source : str
        The recording.
    found : speechbrain_spmamba.recordings.separation.Separated
        What came out.
    taken : float
        For how many seconds it was separated.
    written : list of Path
        All files of it.
    removed, left : list of Path
        Voices of earlier runs: which are gone, which lie beside the new ones.

    Returns
    -------
    str
        The line.
    """
    parts = [
        f"{shown(source)}: {found.seconds:.1f} s in {taken:.1f} s "
        f"({taken / max(found.seconds, 1e-9):.2g} of real time)",
        talkers_text(found.talkers) + ("" if written else ": nothing written"),
    ]
    voices = zip(found.names, found.activity, strict=True)
    if found.activity:
        parts.append(", ".join(f"{name}: {one}" for name, one in voices))
    if found.cancelled:
        parts.append("the channels cancel, --channel 1 takes one of them")
    if found.gain < 1:
        parts.append(f"scaled by {20 * math.log10(found.gain):.1f} dB")
    if removed:
        parts.append(f"{_names(removed)} of an earlier run removed")
    if left:
        parts.append(f"{_names(left)} left, not of this recording")
    return "; ".join(parts)


def _names(paths):
    return ", ".join(shown(path) for path in paths)


def streamed_line(
    source: str, seconds: float, sink: PcmWriter | LiveFiles
) -> str:
    """The line of report for sound that was separated as it came.

    Arguments
    ---------
    source : str
        Where it came from.
    seconds : float
        How much came.
    sink : PcmWriter or LiveFiles
        Where the voices went to.

    Returns
    -------
    str
        The line.
    """
    clipped = sink.clipped
    told = f"; {clipped} samples beyond full scale clipped" if clipped else ""
    return f"{source}: {seconds:.1f} s{told}"


def skipped_line(source):
    """The line for a recording of which all outputs are up to date."""
    return f"{shown(source)}: done before"


def error_line(reason, source=""):
    """The line for what could not be separated; it names the recording."""
    text = shown(reason)
    if shown(source) not in text:
        text = f"{shown(source)}: {text}"
    return f"error: {text}"


@contextmanager
def progress_bar(visible):
    """Gives what ``separate_recording`` takes as ``progress``, or None."""
    with tqdm(
        unit="s",
        disable=not visible,
        leave=False,
        file=sys.stderr,
        bar_format="{l_bar}{bar}| {n:.0f}/{total} s [{elapsed}<{remaining}]",
    ) as bar:

        def progress(done, total):
            bar.total = total and math.ceil(total)
            bar.update(done - bar.n)

        yield progress if visible else None


def print_result(line, paths=()):
    """Prints a line, and paths as bytes: names need not be valid text."""
    print(line, file=sys.stderr)
    for path in paths:
        sys.stdout.buffer.write(os.fsencode(path) + os.linesep.encode())
    sys.stdout.buffer.flush()
