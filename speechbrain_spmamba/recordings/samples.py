"""Separates samples instead of files: those in memory, and those that come.

From and to `inference.WaveformSeparation`, whose methods say more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch

from speechbrain_spmamba.recordings.activity import activity, most_active
from speechbrain_spmamba.recordings.block_reader import in_blocks
from speechbrain_spmamba.recordings.channels import Downmix, as_mono
from speechbrain_spmamba.recordings.separation import (
    separate_in_memory,
    separate_mono,
    whole_rate,
)

if TYPE_CHECKING:
    from speechbrain_spmamba.inference import WaveformSeparation
    from speechbrain_spmamba.recordings.options import SeparationOptions


def separate_samples(
    model: WaveformSeparation,
    wave: np.ndarray | torch.Tensor,
    sample_rate: int,
    options: SeparationOptions,
    order: str = "model",
    progress: Callable | None = None,
) -> np.ndarray | torch.Tensor:
    """Separates samples that are in memory.

    Arguments
    ---------
    model, options : WaveformSeparation, SeparationOptions
        Which model, and how.
    wave, sample_rate, order, progress
        See ``WaveformSeparation.separate_array``.

    Returns
    -------
    numpy.ndarray or torch.Tensor
        What was given: float32, shape ``[T, num_spks]``.

    Raises
    ------
    ValueError
        A wrong shape, type or order, no samples, or not finite.
    """
    if order not in ("model", "activity"):
        raise ValueError(f"order is '{order}'; expected model or activity")
    sample_rate, downmix = whole_rate(sample_rate), Downmix(options.channel)
    mono = as_mono(wave, downmix)
    downmix.warn("the samples")
    if not len(mono):
        raise ValueError("there are no samples; nothing to separate")
    seconds = len(mono) / sample_rate
    est, sample_rate = separate_in_memory(
        model, in_blocks(mono), sample_rate, options, progress, seconds
    )
    if order == "activity":
        est = est[:, most_active(activity(est, sample_rate))]
    return torch.from_numpy(est) if torch.is_tensor(wave) else est


def separate_blocks_as_mono(
    model: WaveformSeparation,
    blocks: Iterable[np.ndarray | torch.Tensor],
    sample_rate: int,
    options: SeparationOptions,
    progress: Callable | None = None,
    seconds: float | None = None,
) -> Iterator[np.ndarray]:
    """Separates blocks as they come, in constant memory.

    Arguments
    ---------
    model, options : WaveformSeparation, SeparationOptions
        Which model, and how.
    blocks, sample_rate, progress, seconds
        See ``WaveformSeparation.separate_stream``.

    Yields
    ------
    numpy.ndarray
        float32, ``[n, num_spks]``.

    Raises
    ------
    ValueError
        A wrong setting, or samples that are not finite.
    """
    if options.speakers is not None:
        raise ValueError(
            "who speaks most is known when a stream has ended; leave out "
            "speakers, or take separate_to_files"
        )
    sample_rate, downmix = whole_rate(sample_rate), Downmix(options.channel)
    mono = (as_mono(block, downmix) for block in blocks)
    yield from separate_mono(
        model, mono, sample_rate, options, progress, seconds
    )
    downmix.warn("the stream")
