"""Spectrograms above each other, on one time axis and one scale of level.

Frames are averaged into so few columns that a figure shows them: memory and
picture do not grow with the recording.
"""

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from speechbrain_spmamba.audio import decibels
from speechbrain_spmamba.files.figures import new_figure, write_figure

FRAME = 0.05  # seconds, about; the next power of two in samples
COLUMNS = 1200  # at most
RANGE = 70  # dB below the loudest point
BAR = 0.1  # height of the bar of activity, of that of the spectrogram


def draw_spectrograms(
    path: str | Path, signals: dict, sample_rate: int
) -> None:
    """Draws signals that are in memory.

    Arguments
    ---------
    path, sample_rate
        As for ``draw_powers``.
    signals : dict
        Title -> numpy array ``[T]``, all of one length.
    """
    powers = {
        title: power_columns([signal], sample_rate, len(signal))
        for title, signal in signals.items()
    }
    length = max(len(signal) for signal in signals.values())
    draw_powers(path, powers, length / sample_rate, sample_rate)


def power_columns(
    blocks: Iterable[np.ndarray], sample_rate: int, frames: int
) -> np.ndarray:
    """A spectrogram of any length in a bounded number of columns.

    Arguments
    ---------
    blocks : iterable of numpy.ndarray
        The signal in pieces, ``[n]`` each.
    sample_rate, frames : int
        Its rate in Hz, and its samples.

    Returns
    -------
    numpy.ndarray
        Mean power, shape ``[bins, columns]``, from 0 Hz to half the rate.

    Example
    -------
    >>> tone = np.sin(np.pi / 4 * np.arange(80000))  # 1 kHz at 8 kHz
    >>> power = power_columns([tone], 8000, 80000)
    >>> power.shape, int(power[:, 300].argmax())
    ((257, 626), 64)
    """
    size = 2 ** max(2, round(math.log2(FRAME * sample_rate)))
    hop = size // 4
    number = frames // hop + 1
    group = math.ceil(number / COLUMNS)
    power = np.zeros((math.ceil(number / group), size // 2 + 1))
    counts = np.zeros((len(power), 1))
    window = np.hanning(size)
    # A frame is centred where it stands, so both ends are padded.
    rest, done = np.zeros(size // 2), 0
    for block in _with_end(blocks, np.zeros(size // 2)):
        rest = np.concatenate([rest, block])
        if len(rest) < size:
            continue
        segments = np.lib.stride_tricks.sliding_window_view(rest, size)[::hop]
        spectra = np.abs(np.fft.rfft(segments * window)) ** 2
        columns = (done + np.arange(len(segments))) // group
        np.add.at(power, columns, spectra)
        np.add.at(counts, columns, 1)
        done += len(segments)
        rest = rest[len(segments) * hop :]
    return (power / np.maximum(counts, 1)).T


def _with_end(blocks, end):
    """The blocks, then one more."""
    yield from blocks
    yield end


def draw_powers(
    path: str | Path,
    powers: dict,
    seconds: float,
    sample_rate: int,
    band: float | None = None,
    speaking: dict | None = None,
) -> None:
    """Draws spectrograms that have been computed.

    Arguments
    ---------
    path : str or Path
        PNG file.
    powers : dict
        Title -> power, shape ``[bins, columns]``.
    seconds : float
        Length of the signals.
    sample_rate : int
        Rate in Hz.
    band : float, optional
        Highest frequency shown in Hz; by default half the rate.
    speaking : dict, optional
        Title -> bool array ``[n]``, evenly over the length: a bar under the
        spectrogram is dark where it is true.
    """
    from matplotlib.ticker import MaxNLocator

    figure = new_figure((9, 1.7 * len(powers)))
    axes = figure.subplots(len(powers), 1, sharex=True, squeeze=False)[:, 0]
    top = max(float(power.max()) for power in powers.values()) or 1.0
    band = (band or sample_rate / 2) / 1000
    ticks = MaxNLocator(4).tick_values(0, band)
    for axis, (title, power) in zip(axes, powers.items(), strict=True):
        axis.imshow(
            decibels(power / top),
            origin="lower",
            aspect="auto",
            extent=(0, seconds, 0, sample_rate / 2000),
            vmin=-RANGE,
            vmax=0,
            cmap="magma",
        )
        bar = BAR * band if speaking and title in speaking else 0
        if bar and speaking:
            _draw_bar(axis, speaking[title], (0, seconds, -bar, -bar / 3))
        axis.set(xlim=(0, seconds), ylim=(-4 / 3 * bar, band), ylabel="kHz")
        axis.set_yticks([tick for tick in ticks if tick <= band])
        axis.set_title(title, loc="left", fontsize=9)
    axes[-1].set_xlabel("seconds")
    write_figure(path, figure, dpi=110)


def _draw_bar(axis, speaking, extent):
    """A bar that is dark where somebody speaks."""
    shares = [
        part.mean() for part in np.array_split(speaking, COLUMNS) if len(part)
    ]
    axis.imshow(
        [shares or [0.0]],
        aspect="auto",
        extent=extent,
        vmin=0,
        vmax=1,
        cmap="Blues",
        interpolation="nearest",
    )
