"""Who speaks when in a separated mixture, beside who does in truth.

What the outputs say is judged as it is for a user's recording
(``recordings.activity``), from the outputs alone; the truth comes from the
references (``speech_frames``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from speechbrain_spmamba.recordings.activity import ActivityMeter
from speechbrain_spmamba.speech_frames import frame_size, reference_activity

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Speech:
    """Activity of the outputs and of their references, frame by frame.

    Arguments
    ---------
    found : numpy.ndarray
        bool, ``[frames, S]``: this output speaks.
    true : numpy.ndarray
        bool, ``[frames, S]``: its reference does.
    talkers : int
        Outputs in which somebody speaks.
    size : int
        Samples of a frame.
    """

    found: np.ndarray
    true: np.ndarray
    talkers: int
    size: int

    @property
    def wrong(self):
        """Share of the pairs of a frame and a source that are not equal."""
        return float((self.found != self.true).mean())

    @property
    def at_once(self):
        """How many talk at the same time in truth, int, ``[frames]``."""
        return self.true.sum(1)

    def samples(self, frames):
        """The same frames, bool ``[frames]``, as samples."""
        return np.repeat(frames, self.size)


def who_speaks(
    est: torch.Tensor,
    src: torch.Tensor,
    sample_rate: int,
    mix: torch.Tensor | None = None,
) -> Speech:
    """Compares the activity of outputs with that of their references.

    Arguments
    ---------
    est : torch.Tensor
        Estimates in the order of the sources, shape ``[T, S]``.
    src : torch.Tensor
        Sources, shape ``[T, S]``.
    sample_rate : int
        Their rate in Hz.
    mix : torch.Tensor, optional
        The mixture, shape ``[T]``, which a user's recording is as well.

    Returns
    -------
    Speech
        Both.

    Example
    -------
    >>> import torch
    >>> src = torch.randn(8000, 2) * (torch.arange(8000) < 4000).unsqueeze(1)
    >>> speech = who_speaks(0 * src, src, 8000)
    >>> speech.talkers, speech.true.shape, round(speech.wrong, 2)
    (0, (31, 2), 0.52)
    """
    meter = ActivityMeter(sample_rate, keep=True)
    if mix is not None:
        meter.hear(mix.numpy())
    meter.push(est.numpy())
    talkers = sum(activity.speaks for activity in meter.result())
    found, true = meter.speaking(), reference_activity(src, sample_rate)
    size = min(frame_size(sample_rate), len(src))
    return Speech(found, true, talkers, size)
