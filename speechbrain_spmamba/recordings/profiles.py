"""How a voice sounds on the average: spectral envelope and level.

A profile links a talker before a pause to the same one behind it. It is the
mean over frames of the spectrum in bands on the mel scale, in dB above the
frame's own level, with its spread; and the mean level. Only frames count in
which the output is loud and no other output is much louder: there a voice
stands for itself, not for what leaks from another.

The distance of two profiles is the root mean square over the bands of the
difference of means over the spread, plus ``|level difference| / 40 dB``, up to
1/4. On real and on made-up voices it is 0.2 within a talker and 0.4 to 0.7
between talkers.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.fft import rfft  # in float32, unlike numpy's

from speechbrain_spmamba.audio import decibels

FRAME = 0.032  # seconds
BANDS = 24
LOWEST = 50.0  # Hz
ACTIVE = 30.0  # dB below the loud frames: still speech
DOMINANT = 10.0  # dB below another output: no longer
SILENCE = -90.0  # dB to full scale; nothing below is looked at
MEMORY = 60.0  # seconds of speech after which a profile forgets
SHORT = 1.0  # seconds of speech at which a profile is half believed
LIKE_ANYONE = 0.45  # the distance to a voice of which nothing is known


class Profile:
    """The running profile of one stream, or that of one window.

    Example
    -------
    >>> waves = np.random.default_rng(0).standard_normal((16000, 2))
    >>> one, two = profiles(waves * [1.0, 0.3], 16000)
    >>> one.frames, bool(one.distance(two) < 0.5)
    (31.0, True)
    """

    def __init__(self) -> None:
        self.frames = 0.0
        self.total = np.zeros(BANDS)
        self.squares = np.zeros(BANDS)
        self.levels = 0.0  # sum of dB

    def add(self, bands, levels):
        """Adds frames: bands ``[F, BANDS]`` in dB, levels ``[F]`` in dB."""
        self.frames += len(bands)
        self.total += bands.sum(0)
        self.squares += np.square(bands).sum(0)
        self.levels += levels.sum()
        return self

    def merge(self, other):
        """Takes in another profile; old frames count less after a while."""
        keep = max(0.0, MEMORY / FRAME - other.frames)
        keep = min(1.0, keep / self.frames) if self.frames else 1.0
        for name in ("frames", "total", "squares", "levels"):
            setattr(
                self, name, keep * getattr(self, name) + getattr(other, name)
            )

    def distance(self, other: Profile) -> float:
        """How differently two voices sound; few frames say little.

        Arguments
        ---------
        other : Profile
            The other voice.

        Returns
        -------
        float
            0 for the same; ``LIKE_ANYONE`` where nothing is known.
        """
        if not self.frames or not other.frames:
            return LIKE_ANYONE
        difference = self.total / self.frames - other.total / other.frames
        spread = np.sqrt((self._variance() + other._variance()) / 2 + 1.0)
        envelope = np.sqrt(np.mean(np.square(difference / spread)))
        level = abs(self.levels / self.frames - other.levels / other.frames)
        known = min(self.frames, other.frames)
        trust = known / (known + SHORT / FRAME)
        found = envelope + min(level / 40, 0.25)
        return LIKE_ANYONE + trust * (found - LIKE_ANYONE)

    def _variance(self):
        mean = self.total / self.frames
        return np.maximum(self.squares / self.frames - np.square(mean), 0.0)


def profiles(waves: np.ndarray, sample_rate: int) -> list[Profile]:
    """Profiles of the outputs of one window.

    Arguments
    ---------
    waves : numpy.ndarray
        Shape ``[T, S]``.
    sample_rate : int
        Their rate in Hz.

    Returns
    -------
    list of Profile
        One an output.
    """
    size = max(16, round(FRAME * sample_rate))
    count, outputs = len(waves) // size, waves.shape[1]
    found = [Profile() for _ in range(outputs)]
    if not count:
        return found
    frames = waves[: count * size].reshape(count, size, outputs)
    window = np.hanning(size).astype("float32")
    frames = frames.transpose(2, 0, 1) * window  # [S, F, size]
    # Squares of absurdly loud samples would overflow in float32.
    loudest = max(waves.max(), -waves.min())
    spectrum = rfft(frames.astype("float32" if loudest < 1e6 else "float64"))
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    power *= 2 / (size * np.square(window).sum())
    level = decibels(power.sum(-1))  # [S, F]
    loud = max(SILENCE, np.percentile(level.max(0), 95) - ACTIVE)
    counts = (level > loud) & (level > level.max(0) - DOMINANT)
    for profile, rows, levels, use in zip(
        found, power, level, counts, strict=True
    ):
        bands = rows[use] @ _mel_bands(size, sample_rate)
        # 50 dB below the frame's level is noise, whatever it is.
        floor = rows[use].sum(-1, keepdims=True) * 1e-5
        bands = decibels(bands + floor) - levels[use, None]
        profile.add(bands - bands.mean(1, keepdims=True), levels[use])
    return found


@lru_cache(maxsize=8)
def _mel_bands(size, sample_rate):
    """Triangular bands of a frame, float32 ``[size // 2 + 1, BANDS]``.

    Their sides are straight on the mel scale. Those of torchaudio, straight in
    Hz, differ by up to 0.012: enough to join close calls otherwise.
    """
    mel = _mel(np.linspace(0, sample_rate / 2, size // 2 + 1))[:, None]
    lowest = _mel(min(LOWEST, sample_rate / 8))
    edges = np.linspace(lowest, mel[-1, 0], BANDS + 2)
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    rising = (mel - low) / (middle - low)
    falling = (high - mel) / (high - middle)
    return np.maximum(0, np.minimum(rising, falling)).astype("float32")


def _mel(frequency):
    return 2595 * np.log10(1 + frequency / 700)
