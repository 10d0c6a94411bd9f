"""One recording to its sources: whole in memory, or to files window by window.

    recording -> blocks -> streams.separate_blocks -> SourceWriter -> files

A causal model takes `live.separate_live` for the second of these steps.

`inference.WaveformSeparation` offers this as methods, `spmamba separate` as a
command.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import torch

from speechbrain_spmamba.audio import resample, resample_blocks
from speechbrain_spmamba.recordings.activity import activity, most_active
from speechbrain_spmamba.recordings.block_reader import (
    FASTEST,
    SLOWEST,
    open_recording,
)
from speechbrain_spmamba.recordings.live import is_causal, separate_live
from speechbrain_spmamba.recordings.profiles import profiles
from speechbrain_spmamba.recordings.segments import find_segments
from speechbrain_spmamba.recordings.source_writer import SourceWriter
from speechbrain_spmamba.recordings.streams import separate_blocks
from speechbrain_spmamba.recordings.voice_embedding import VoiceEmbedding

if TYPE_CHECKING:
    from speechbrain_spmamba.inference import WaveformSeparation
    from speechbrain_spmamba.recordings.activity import Activity
    from speechbrain_spmamba.recordings.options import SeparationOptions


logger = logging.getLogger(__name__)


@dataclass
class Separated:
    """What came out of a recording.

    Arguments
    ---------
    paths : list of Path
        The files.
    activity : list of Activity
        Whether someone speaks in each of the voices in them.
    speaking : numpy.ndarray
        When: bool, shape ``[frames, voices]``.
    frame_seconds : float
        From one frame to the next.
    talkers : int
        How many talk in the recording: outputs of the model in which someone
        speaks, written or not.
    seconds : float
        Length of the recording.
    sample_rate : int
        Of the files in Hz.
    gain : float
        Factor on all sources, 1 unless an integer format would have clipped.
    cancelled : bool
        The channels of the recording cancel in their mean.
    """

    paths: list[Path]
    activity: list[Activity]
    speaking: np.ndarray
    frame_seconds: float
    talkers: int
    seconds: float
    sample_rate: int
    gain: float
    cancelled: bool

    @property
    def names(self):
        """Of the voices, as their files have them: s1, s2, ..."""
        return [f"s{number + 1}" for number in range(len(self.activity))]

    @property
    def segments(self):
        """Who speaks when: a list of ``segments.Segment``."""
        return find_segments(
            self.speaking, self.names, self.frame_seconds, self.seconds
        )


def separate_mono(
    model: WaveformSeparation,
    blocks: Iterable,
    sample_rate: int,
    options: SeparationOptions,
    progress: Callable | None = None,
    seconds: float | None = None,
) -> Iterator[np.ndarray]:
    """Separates one channel as it comes, in constant memory.

    Arguments
    ---------
    model : speechbrain_spmamba.inference.WaveformSeparation
        Its ``separate_batch`` is called, and its ``speaker_encoder``.
    blocks, sample_rate, options : iterable, int, SeparationOptions
        See ``streams.separate_blocks``, which this yields from.
    progress, seconds : callable, float
        See ``WaveformSeparation.separate_stream``.

    Yields
    ------
    numpy.ndarray
        The next block, ``[n, num_spks]``.
    """
    options = options.for_model(model.hparams)
    if options.batch is None and torch.device(model.device).type != "cpu":
        options = replace(options, batch=4)

    def separate(mixes):
        return model.separate_batch(torch.from_numpy(mixes)).cpu().numpy()

    model_rate, done = model.hparams.sample_rate, 0
    output_rate = options.output_rate(sample_rate, model_rate)
    if is_causal(model.mods.separator):
        found = separate_live(
            model.mods.separator, blocks, sample_rate, options
        )
    else:
        found = separate_blocks(
            separate,
            blocks,
            sample_rate,
            model_rate,
            options,
            _voices(model, options),
        )
    for block in found:
        done += len(block)
        if progress is not None:
            progress(done / output_rate, seconds)
        yield block


def _voices(model, options):
    """What tells the voices of one recording apart."""
    if options.embedding is None:
        return profiles
    encoder = model.speaker_encoder(options.embedding)
    return VoiceEmbedding(encoder).voices


def separate_in_memory(model, blocks, sample_rate, options, progress, seconds):
    """What ``separate_mono`` gives as one array, and its rate in Hz."""
    found = separate_mono(
        model, blocks, sample_rate, options, progress, seconds
    )
    est = np.concatenate(list(found))
    output_rate = options.output_rate(sample_rate, model.hparams.sample_rate)
    if options.speakers is not None:
        est = est[:, choose_outputs(activity(est, output_rate), options)]
    return est, output_rate


def separate_recording(
    model: WaveformSeparation,
    source: str | Path | BinaryIO,
    paths: list[Path],
    options: SeparationOptions,
    describe: Callable | None = None,
    progress: Callable | None = None,
) -> Separated:
    """Separates a recording of any length into files.

    Arguments
    ---------
    source : str, Path or binary file object
        The recording.
    paths : list of Path
        One an output of the model, of which the first are written if there
        is less to write; or one file with a channel an output. Of the format
        of the options.
    describe : callable, optional
        ``describe(found)``, called before the files are written, gives the
        comment and the texts that ``SourceWriter.write`` takes.
    model, options, progress
        See ``separate_mono``.

    Returns
    -------
    Separated
        What came out.

    Raises
    ------
    ValueError
        A bad recording, setting or disk.
    """
    paths = [Path(path) for path in paths]
    count = options.speakers or model.hparams.num_spks
    with ExitStack() as stack:
        reader = stack.enter_context(open_recording(source, options.channel))
        own_rate = reader.sample_rate
        rate = options.output_rate(own_rate, model.hparams.sample_rate)
        output_rate = options.file_rate(rate)
        subtype = options.subtype_like(reader.subtype)
        options.check_file(output_rate, count // len(paths))
        writer = stack.enter_context(SourceWriter(output_rate, paths[0].parent))
        mono = _heard(reader.blocks(), writer.meter)
        blocks = separate_mono(
            model, mono, own_rate, options, progress, reader.seconds
        )
        for block in resample_blocks(blocks, rate, output_rate):
            writer.push(block)
        activities = writer.meter.result()
        chosen = choose_outputs(activities, options)
        found = Separated(
            paths[: len(chosen)],
            [activities[index] for index in chosen],
            writer.meter.speaking()[:, chosen],
            writer.meter.size / output_rate,
            sum(one.speaks for one in activities),
            writer.frames / output_rate,
            output_rate,
            writer.gain(subtype),
            reader.downmix.cancels,
        )
        comment, texts = describe(found) if describe else ("", {})
        writer.write(found.paths, subtype, chosen, comment, texts)
        if found.paths:
            warn_if_scaled(reader.name, found.gain, subtype)
            warn_if_resampled(reader.name, options, rate)
        reader.downmix.warn(reader.name)
        return found


def _heard(blocks, meter):
    """The blocks of a recording, as the meter has heard them, too."""
    for block in blocks:
        meter.hear(block)
        yield block


def choose_outputs(
    activities: list[Activity], options: SeparationOptions
) -> list[int]:
    """The outputs that are written, in their own order.

    Arguments
    ---------
    activities : list of Activity
        What was found in each.
    options : speechbrain_spmamba.recordings.options.SeparationOptions
        Which are wanted; by default those in which someone speaks.

    Returns
    -------
    list of int
        Their indices.
    """
    if options.speakers is not None:
        return sorted(most_active(activities)[: options.speakers])
    return [
        index
        for index, found in enumerate(activities)
        if found.speaks or options.all_outputs
    ]


def warn_if_scaled(name, gain, subtype):
    """Says so where sources had to be made softer together."""
    if gain < 1:
        logger.warning(
            "%s: sources peak at %.2f and were scaled down together to fit "
            "%s; --format wav --subtype FLOAT keeps their level",
            name, 1 / gain, subtype,
        )  # fmt: skip


def warn_if_resampled(name, options, sample_rate):
    """Says so where a format does not have the rate of the outputs."""
    rate = options.file_rate(sample_rate)
    if rate != sample_rate:
        logger.warning(
            "%s: %s has no %d Hz, its files are at %d Hz",
            name, options.format, sample_rate, rate,
        )  # fmt: skip


def whole_rate(sample_rate):
    """A sample rate as an int; ValueError for none, or kHz by mistake."""
    number = isinstance(sample_rate, Real) and not isinstance(sample_rate, bool)
    if not number or not SLOWEST <= sample_rate <= FASTEST or sample_rate % 1:
        raise ValueError(
            f"the sample rate is {sample_rate!r} Hz; give it in Hz, as a whole "
            f"number from {SLOWEST} to {FASTEST}: 16000, not 16"
        )
    return int(sample_rate)


def output_stem(path, output_folder):
    """Output path of a mixture, a path or file object, without ``_s1.wav``."""
    if hasattr(path, "read"):
        name = getattr(path, "name", None)
        path = name if isinstance(name, str) else "recording"
    return Path(output_folder) / Path(path).stem


def source_paths(
    stem: str | Path, count: int, format: str = "wav"
) -> list[Path]:
    """Names of the separated files: ``<stem>_s1.wav``, ``<stem>_s2.wav``...

    Arguments
    ---------
    stem : str or Path
        What they begin with.
    count : int
        How many.
    format : str
        Their suffix.

    Returns
    -------
    list of Path
        One path a source.

    Example
    -------
    >>> [str(p) for p in source_paths("out/talk", 2)]
    ['out/talk_s1.wav', 'out/talk_s2.wav']
    """
    return [Path(f"{stem}_s{number + 1}.{format}") for number in range(count)]


def write_sources(est, sample_rate, paths, subtype, options):
    """Writes sources ``[T, S]`` that are in memory as the options want it."""
    rate = options.file_rate(sample_rate)
    with SourceWriter(rate, paths[0].parent) as writer:
        writer.push(resample(est, sample_rate, rate))
        chosen = choose_outputs(writer.meter.result(), options)
        gain = writer.write(paths[: len(chosen)], subtype, chosen)
    if chosen:
        warn_if_scaled(paths[0], gain, subtype)
        warn_if_resampled(paths[0], options, sample_rate)
