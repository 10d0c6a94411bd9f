"""One recording to one file a source, in the memory of a few windows.

    recording -> blocks -> streams.separate_blocks -> spool -> files

`inference.WaveformSeparation` offers this as methods, `spmamba separate` as a
command.
"""

import logging
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from speechbrain_spmamba.recordings.activity import most_active
from speechbrain_spmamba.recordings.channels import Mixdown
from speechbrain_spmamba.recordings.files import BLOCK, open_recording
from speechbrain_spmamba.recordings.pending import (
    Spool,
    check_format,
    subtype_like,
)

logger = logging.getLogger(__name__)

MOST_CHANNELS = 64  # more are a transposed array


@dataclass
class Separated:
    """What came out of a recording.

    Arguments
    ---------
    paths : list of Path
        The files.
    activity : list of Activity
        Whether someone speaks in each of them.
    seconds : float
        Length of the recording.
    rate : int
        Of the files in Hz.
    gain : float
        Factor on all sources, 1 unless an integer format would have clipped.
    cancelled : bool
        The channels of the recording cancel in their mean.
    """

    paths: list
    activity: list
    seconds: float
    rate: int
    gain: float
    cancelled: bool


def choose(activity, speakers):
    """The most active outputs, in their own order.

    Arguments
    ---------
    activity : list of Activity
        One an output.
    speakers : int, optional
        How many; all by default.

    Returns
    -------
    list of int
        Indices of outputs.

    Raises
    ------
    ValueError
        The model has fewer.
    """
    check_speakers(len(activity), speakers)
    return sorted(most_active(activity)[:speakers])


def check_speakers(outputs, speakers):
    """Raises ValueError where a model has fewer outputs than wanted."""
    if speakers is not None and not 1 <= speakers <= outputs:
        raise ValueError(
            f"{speakers} speakers were asked for and the model separates "
            f"{outputs}; give 1 to {outputs}"
        )


def as_mono(wave, mixdown=None):
    """Samples of any kind as the mean of their channels, or one of them.

    Arguments
    ---------
    wave : numpy.ndarray or torch.Tensor
        Shape ``[T]`` or ``[T, channels]``; floats, or integers of which the
        largest is full scale.
    mixdown : Mixdown, optional
        Which channel, and what has gone by of the same stream.

    Returns
    -------
    numpy.ndarray
        float32, shape ``[T]``.

    Raises
    ------
    ValueError
        Another shape, no such channel, or samples that are not finite.

    Example
    -------
    >>> as_mono(np.array([[16384, 0], [0, 0]], "int16"))
    array([0.25, 0.  ], dtype=float32)
    """
    if isinstance(wave, torch.Tensor):
        wave = wave.detach().cpu()
        wave = (wave.float() if wave.is_floating_point() else wave).numpy()
    wave = np.asarray(wave)
    if wave.ndim not in (1, 2) or (wave.ndim == 2 and not wave.shape[1]):
        raise ValueError(
            f"samples have shape {list(wave.shape)}; expected [T] or "
            "[T, channels]"
        )
    if wave.ndim == 2 and wave.shape[1] > MOST_CHANNELS:
        raise ValueError(
            f"samples have shape {list(wave.shape)}, more than "
            f"{MOST_CHANNELS} channels; expected [T, channels]: transpose them"
        )
    if wave.dtype.kind == "u":
        half = (int(np.iinfo(wave.dtype).max) + 1) // 2
        wave = (wave.astype(np.float64) - half) / half
    elif wave.dtype.kind == "i":
        wave = wave / -float(np.iinfo(wave.dtype).min)
    elif wave.dtype.kind != "f":
        raise ValueError(
            f"samples are of type {wave.dtype}; expected floats or integers"
        )
    columns = wave[:, None] if wave.ndim == 1 else wave
    wave = (mixdown or Mixdown())(columns)
    with np.errstate(over="ignore"):
        wave = wave.astype("float32")
    if not np.isfinite(wave).all():
        raise ValueError(
            "samples are NaN or infinite; repair or leave out the recording"
        )
    return wave


def in_blocks(wave):
    """A long array in blocks, ``[n]`` each."""
    for start in range(0, len(wave), BLOCK):
        yield wave[start : start + BLOCK]


def report(blocks, progress, rate, total=None):
    """Tells a caller how far a stream has come.

    Arguments
    ---------
    blocks : iterable of numpy.ndarray
        Separated samples.
    progress : callable, optional
        ``progress(seconds_done, seconds_in_all)``.
    rate : int
        Rate in Hz.
    total : float, optional
        Seconds in all, where known.

    Yields
    ------
    numpy.ndarray
        The blocks.
    """
    done = 0
    for block in blocks:
        done += len(block)
        if progress is not None:
            progress(done / rate, total)
        yield block


def warn_if_scaled(name, gain, subtype):
    """Says so where sources had to be made softer together."""
    if gain < 1:
        logger.warning(
            "%s: sources peak at %.2f and were scaled down together to fit "
            "%s; --subtype FLOAT keeps their level", name, 1 / gain, subtype
        )  # fmt: skip


def separate_recording(
    model,
    source,
    paths,
    subtype=None,
    keep_rate=True,
    speakers=None,
    comment="",
    together=False,
    progress=None,
    channel=None,
    **options,
):
    """Separates a recording of any length into files.

    Arguments
    ---------
    model : speechbrain_spmamba.inference.WaveformSeparation
        The model.
    source : str, Path or binary file object
        The recording.
    paths : list of Path
        One a source, ``.wav`` or ``.flac``. They appear when all is done.
    subtype : str, optional
        Sample format; by default that of the recording.
    keep_rate : bool
        Write at the rate of the recording, not at that of the model.
    speakers : int, optional
        Write only that many outputs, the most active ones.
    comment : str
        Kept in the files.
    together : bool
        Write one file with a channel a source, the only one of ``paths``.
    progress : callable, optional
        ``progress(seconds_done, seconds_in_all)``; None where the length is
        not known.
    channel : int, optional
        The channel to separate, counted from 1; by default the mean of all.
    **options : dict
        See ``streams.separate_blocks``.

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
    outputs = model.hparams.num_spks
    check_speakers(outputs, speakers)
    with ExitStack() as stack:
        recording = stack.enter_context(open_recording(source, channel))
        rate = recording.rate if keep_rate else model.hparams.sample_rate
        kind = paths[0].suffix[1:]
        subtype = subtype or subtype_like(recording.subtype, kind)
        check_format(kind, subtype, rate, (speakers or outputs) * together)
        frames = recording.frames
        spool = stack.enter_context(Spool(rate, paths[0].parent))
        for block in model.separate_stream(
            recording.blocks(),
            recording.rate,
            keep_rate,
            progress=progress,
            seconds=frames / recording.rate if frames else None,
            **options,
        ):
            spool.push(block)
        activity = spool.meter.result()
        chosen = choose(activity, speakers)
        gain = spool.write(paths, subtype, chosen, comment, together)
        warn_if_scaled(recording.name, gain, subtype)
        recording.mixdown.warn(recording.name)
        return Separated(
            paths,
            [activity[index] for index in chosen],
            spool.frames / rate,
            rate,
            gain,
            recording.mixdown.cancels,
        )


def output_paths(path, output_folder, num_spks, kind="wav"):
    """Names of the separated files: ``<name>_s1.wav``, ``<name>_s2.wav``...

    Arguments
    ---------
    path : str, Path or file object
        The mixture.
    output_folder : str or Path
        Their folder.
    num_spks : int
        How many.
    kind : str
        Their suffix.

    Returns
    -------
    list of Path
        One path a source.

    Example
    -------
    >>> [str(p) for p in output_paths("in/talk.flac", "out", 2)]
    ['out/talk_s1.wav', 'out/talk_s2.wav']
    """
    if hasattr(path, "read"):
        name = getattr(path, "name", None)
        path = name if isinstance(name, str) else "recording"
    stem = Path(path).stem
    return [
        Path(output_folder) / f"{stem}_s{index + 1}.{kind}"
        for index in range(num_spks)
    ]


def write_sources(path, est, rate, output_folder, subtype):
    """Writes separated sources beside each other.

    Arguments
    ---------
    path : str, Path or file object
        The mixture, for the names.
    est : numpy.ndarray
        Shape ``[T, S]``.
    rate : int
        Rate in Hz.
    output_folder : str or Path
        Made if needed.
    subtype : str
        libsndfile's name of the sample format.

    Returns
    -------
    list of Path
        The files.
    """
    paths = output_paths(path, output_folder, est.shape[1])
    with Spool(rate, output_folder) as spool:
        spool.push(est)
        gain = spool.write(paths, subtype)
    warn_if_scaled(paths[0], gain, subtype)
    return paths
