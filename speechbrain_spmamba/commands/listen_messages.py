"""All that ``spmamba listen`` prints on standard error while it works."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from speechbrain_spmamba.audio import rms_level

if TYPE_CHECKING:
    from speechbrain_spmamba.recordings.live_files import LiveFiles
    from speechbrain_spmamba.recordings.sound_device import (
        Loudspeakers,
        Microphone,
    )


SOFTEST = -60.0  # dB to full scale, where a bar begins
WIDTH = 20  # characters of a bar
EVERY = 0.1  # seconds of sound that one drawing tells about
SLOW = 1.0  # seconds behind from which on that is said


def meter_text(levels: list[float]) -> str:
    """Levels of voices in one line.

    Arguments
    ---------
    levels : list of float
        In dB to full scale; minus infinity for silence.

    Returns
    -------
    str
        As long for any levels.

    Example
    -------
    >>> meter_text([-30.0, float("-inf")])
    's1 |##########          |  -30 dB   s2 |                    |  -99 dB'
    """
    parts = []
    for number, level in enumerate(levels):
        share = (max(level, SOFTEST) - SOFTEST) / -SOFTEST
        bar = "#" * min(WIDTH, round(share * WIDTH))
        level = max(-99.0, min(level, 99.0))
        parts.append(f"s{number + 1} |{bar:<{WIDTH}}| {level:4.0f} dB")
    return "   ".join(parts)


class LevelMeter:
    """A line that shows how loud each voice is, drawn again and again.

    Arguments
    ---------
    sample_rate : int
        Of the voices in Hz.
    visible : bool
        Whether to draw.
    """

    def __init__(self, sample_rate: int, visible: bool) -> None:
        self.size, self.visible = round(EVERY * sample_rate), visible
        self.blocks, self.width = [], 0

    def push(self, block):
        """Takes samples, float32, shape ``[n, S]``."""
        if not self.visible:
            return
        self.blocks.append(block)
        if sum(map(len, self.blocks)) >= self.size:
            voices = np.concatenate(self.blocks).T
            text = meter_text([rms_level(voice) for voice in voices])
            self.blocks, self.width = [], len(text)
            print(f"\r{text}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Gives the line back, for what is to be said."""
        if self.width:
            print(f"\r{'':{self.width}}\r", end="", file=sys.stderr, flush=True)
            self.width = 0


def listening_line(sample_rate, latency):
    """The line that says that it has begun: rate in Hz, latency in samples."""
    return (
        f"listening at {sample_rate} Hz; voices come "
        f"{1e3 * latency / sample_rate:.0f} ms later; Ctrl-C ends it"
    )


def slow_line(behind):
    """The line of warning where sound has to wait: for how many seconds."""
    return (
        f"warning: {behind:.1f} s of sound wait: this processor is too slow "
        "for the model, or busy; choose a smaller one"
    )


def heard_line(
    microphone: Microphone,
    files: LiveFiles,
    loudspeakers: Loudspeakers | None = None,
) -> str:
    """The line of report.

    Arguments
    ---------
    microphone : speechbrain_spmamba.recordings.sound_device.Microphone
        What was heard.
    files : speechbrain_spmamba.recordings.live_files.LiveFiles
        What was written.
    loudspeakers : Loudspeakers, optional
        Of the same module: what was played.

    Returns
    -------
    str
        The line.
    """
    rate = microphone.sample_rate
    parts = [
        f"{microphone.heard / rate:.1f} s heard",
        f"at most {1e3 * microphone.behind:.0f} ms behind",
        f"{microphone.lost} blocks lost",
    ]
    if files.clipped:
        parts.append(f"{files.clipped} samples beyond full scale clipped")
    if loudspeakers is not None and loudspeakers.skipped:
        parts.append(f"{loudspeakers.skipped / rate:.1f} s not played")
    if microphone.gone:
        parts.append("the microphone has ended; is it still connected?")
    return "; ".join(parts)
