"""``spmamba separate --stream -``: voices from a pipe, as the sound comes.

    ffmpeg ... -f wav - | spmamba separate --stream - | ffmpeg -i - ...

Exit status: 0; 1 if the sound ended where it should not have; 2 if nothing
could begin; 141 if who read the voices has stopped.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from speechbrain_spmamba.audio import resample_blocks
from speechbrain_spmamba.commands.distributed import rank_and_world_size
from speechbrain_spmamba.commands.inputs import STANDARD, find_inputs
from speechbrain_spmamba.commands.live import hop_of, load_live_model
from speechbrain_spmamba.commands.output_tags import Earlier
from speechbrain_spmamba.commands.separate_messages import (
    default_model_line,
    error_line,
    print_result,
    streamed_line,
)
from speechbrain_spmamba.recordings.live import separate_live
from speechbrain_spmamba.recordings.live_files import live_files
from speechbrain_spmamba.recordings.pcm import PcmReader, PcmWriter
from speechbrain_spmamba.recordings.separation import warn_if_resampled

if TYPE_CHECKING:
    from speechbrain_spmamba.commands.jobs import Job
    from speechbrain_spmamba.recordings.options import SeparationOptions


NAME = "standard input"
CLOSED = 141  # as of a program that SIGPIPE ends
# Hops that are read at once if they are there: sixteen take little longer than
# one, so that what has fallen behind catches up.
HOPS = 16


def check_stream(
    files: list[str], jobs: int, options: SeparationOptions, to_stdout: bool
) -> None:
    """Raises ValueError where a separation makes no sense as a stream.

    Arguments
    ---------
    files : list of str
        What was named on the command line.
    jobs : int
        How many were to run side by side.
    options : speechbrain_spmamba.recordings.options.SeparationOptions
        How it is to be separated. What is said of windows is ignored, as of
        any causal model.
    to_stdout : bool
        Whether the voices go to standard output.

    Example
    -------
    >>> from speechbrain_spmamba.recordings.options import SeparationOptions
    >>> check_stream(["a.wav"], 1, SeparationOptions(), True)
    Traceback (most recent call last):
        ...
    ValueError: --stream separates standard input; give - and nothing else
    """
    if files != [STANDARD]:
        raise ValueError(
            "--stream separates standard input; give - and nothing else"
        )
    if jobs != 1 or rank_and_world_size()[1] > 1:
        raise ValueError("--stream separates one stream, in one process")
    if options.speakers is not None:
        raise ValueError(
            "who speaks most is known at the end; leave --speakers or --stream "
            "out"
        )
    plain = (options.format, options.subtype or "PCM_16") == ("wav", "PCM_16")
    if to_stdout and not plain:
        raise ValueError(
            "a stream to standard output has 16 bits and is WAV, or raw; leave "
            "--format and --subtype out, or give --output FOLDER"
        )
    if sys.stdin.isatty():
        raise ValueError(
            "standard input is a terminal; pipe sound into it, `ffmpeg -i FILE "
            "-f wav - | spmamba separate --stream -`"
        )
    if to_stdout and sys.stdout.isatty():
        raise ValueError(
            "standard output is a terminal; send it to a program or a file, or "
            "give --output FOLDER"
        )


def separate_stream(
    job: Job, output: str | None, raw: int | None, introduce: bool = False
) -> int:
    """Separates standard input.

    Arguments
    ---------
    job : speechbrain_spmamba.commands.jobs.Job
        How; ``bar`` is not looked at.
    output : str or None
        Folder of the files, unless the job writes to standard output.
    raw : int or None
        Rate in Hz of samples without a header, in and out; None for WAV.
    introduce : bool
        Say which model it is, one of the package.

    Returns
    -------
    int
        Exit status.
    """
    model = load_live_model(job.model, job.device, job.trust)
    if introduce:
        print_result(default_model_line(job.model))
    options, paths = job.options, []
    if not job.to_stdout:
        ((recording,), _) = find_inputs([STANDARD], output or ".")
        paths = recording.paths(model.hparams.num_spks, options.format)
        if not job.overwrite:
            Earlier(paths, "").check_free(paths)
    reader = PcmReader(sys.stdin.buffer, NAME, raw, options.channel)
    own_rate = reader.format.sample_rate
    own = options.output_rate(own_rate, model.hparams.sample_rate)
    rate = options.file_rate(own) if paths else own
    blocks = reader.blocks(HOPS * hop_of(model, own_rate))
    try:
        with _sink(paths, rate, options, reader.format, raw) as sink:
            voices = separate_live(
                model.mods.separator, blocks, own_rate, options
            )
            for block in resample_blocks(voices, own, rate):
                sink.push(block)
    except BrokenPipeError:
        _give_up_output()
        return CLOSED
    reader.downmix.warn(NAME)
    if paths:
        warn_if_resampled(NAME, options, own)
    print_result(streamed_line(NAME, reader.frames / own_rate, sink), paths)
    if reader.fault:
        print_result(error_line(reader.fault, NAME))
    return int(bool(reader.fault))


@contextmanager
def _sink(paths, rate, options, form, raw):
    """Where the voices go: files, or standard output if there are no paths."""
    if paths:
        options.check_file(rate, 1)
        subtype = options.subtype_like(f"PCM_{8 * form.width}")
        with live_files(paths, rate, subtype) as files:
            yield files
    else:
        yield PcmWriter(sys.stdout.buffer, rate, header=raw is None)


def _give_up_output():
    """Sends what waits for a closed pipe nowhere, or the end would complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
