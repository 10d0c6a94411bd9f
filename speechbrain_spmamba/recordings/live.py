"""Recordings and live sound through a causal model: no windows, no stitching.

    blocks -> at the model's rate -> Stream -> at the wanted rate -> blocks

What comes out of a block is there before the next one is asked for, so that
the same generator serves files, pipes and microphones. `nnet.streaming` says
how far it lags behind; resampling adds a little.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from speechbrain_spmamba.recordings.streams import at_rates, check_finite

if TYPE_CHECKING:
    import numpy as np

    from speechbrain_spmamba.recordings.options import SeparationOptions


def is_causal(separator: torch.nn.Module) -> bool:
    """Whether a network, of this package or not, has streams.

    Arguments
    ---------
    separator : torch.nn.Module
        Any.

    Returns
    -------
    bool
        False for those that hear all of a recording.

    Example
    -------
    >>> is_causal(torch.nn.Identity())
    False
    """
    return bool(getattr(separator, "causal", None))


def separate_live(
    separator: torch.nn.Module,
    blocks: Iterable[np.ndarray],
    sample_rate: int,
    options: SeparationOptions,
) -> Iterator[np.ndarray]:
    """Separates a stream as it comes.

    Arguments
    ---------
    separator : torch.nn.Module
        A causal model.
    blocks, sample_rate, options
        See ``streams.separate_blocks``.

    Yields
    ------
    numpy.ndarray
        Sources, float32, each ``[n, S]``; together as long as the mixture.

    Raises
    ------
    ValueError
        The model gives what is not finite.

    Example
    -------
    >>> import numpy as np
    >>> from speechbrain_spmamba.models import build_model
    >>> from speechbrain_spmamba.recordings.options import SeparationOptions
    >>> sizes = {"n_fft": 64, "hop_length": 32, "num_blocks": 1, "emb_dim": 4}
    >>> model = build_model("spmamba", causal=True, **sizes)
    >>> blocks = [np.ones(70, "float32")] * 3
    >>> found = separate_live(model, blocks, 16000, SeparationOptions())
    >>> [len(block) for block in found]
    [32, 64, 64, 50]
    """
    estimate = partial(_streamed, separator)
    rate: Any = separator.sample_rate
    yield from at_rates(estimate, blocks, sample_rate, rate, options)


def _streamed(separator, blocks):
    """Blocks ``[n, 1]`` through a stream."""
    stream = separator.stream()
    for block in blocks:
        est = stream.feed(torch.from_numpy(block[:, 0]))
        yield check_finite(est.cpu().numpy())
    if stream.fed:
        yield check_finite(stream.flush().cpu().numpy())
