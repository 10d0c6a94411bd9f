"""How a voice sounds to a speaker encoder: what tells talkers apart for hours.

A profile (`recordings/profiles.py`) is coarse, and forgets. An encoder that was
trained to tell speakers apart gives an embedding: of one voice they point in
one direction, of two in different ones, whatever is said and how loud. Here an
output is embedded where it speaks for itself, that is where it is loud for
this recording and the loudest of all outputs, if that is a second in all. The
embedding of a stream is the mean over its windows, weighted by seconds, and
forgets nothing.

The distance of two voices is in the unit of profiles,

    LIKE_ANYONE + STRENGTH * trust * (SAME - cosine)
    trust = seconds / (seconds + SHORT)    of the voice that was heard less

so that what has no embedding is compared by its profile. STRENGTH lets an
embedding outvote the overlap of two windows (`recordings/stitch.py`), if it is
sure: a model may change outputs within a window, above all where one talks
alone, and what is the same in the overlap is then on the wrong stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from speechbrain_spmamba.audio import at_level, decibels, resample
from speechbrain_spmamba.recordings.profiles import (
    ACTIVE,
    LIKE_ANYONE,
    SILENCE,
    profiles,
)
from speechbrain_spmamba.speech_frames import (
    FRAME,
    PAUSE,
    fill_pauses,
    frame_power,
    frame_size,
)

if TYPE_CHECKING:
    from speechbrain.inference.speaker import EncoderClassifier

    from speechbrain_spmamba.recordings.profiles import Profile


LEAST = 1.0  # seconds that are worth an embedding
LEVEL = -25.0  # dB to full scale, of what an encoder gets
SAME = 0.25  # cosine from which on the toolkit says: the same speaker
STRENGTH = 24.0
SHORT = 4.0  # seconds of speech at which an embedding is half believed


class Voice:
    """A stream or an output of one window: its profile, and its embedding.

    Arguments
    ---------
    profile : speechbrain_spmamba.recordings.profiles.Profile
        How it sounds without an encoder.
    embedding : numpy.ndarray, optional
        Shape ``[D]``, of any length; without it, none is known.
    seconds : float
        What it was made of.

    Example
    -------
    >>> from speechbrain_spmamba.recordings.profiles import Profile
    >>> one, other = np.eye(2)
    >>> stream = Voice(Profile(), one, 60.0)
    >>> near, far = Voice(Profile(), 3 * one, 8.0), Voice(Profile(), other, 8.0)
    >>> bool(stream.distance(near) < LIKE_ANYONE < stream.distance(far))
    True
    """

    def __init__(
        self,
        profile: Profile,
        embedding: np.ndarray | None = None,
        seconds: float = 0.0,
    ) -> None:
        self.profile, self.seconds = profile, seconds
        self.total: Any = 0.0
        if embedding is not None:
            length: Any = max(np.linalg.norm(embedding), 1e-20)
            self.total = seconds * embedding / length

    def merge(self, other):
        """Takes in another voice."""
        self.profile.merge(other.profile)
        self.seconds += other.seconds
        self.total = self.total + other.total

    def distance(self, other: Voice) -> float:
        """How differently two voices sound.

        Arguments
        ---------
        other : Voice
            The other voice.

        Returns
        -------
        float
            Below ``LIKE_ANYONE`` for the same one.
        """
        known = min(self.seconds, other.seconds)
        if not known:
            return self.profile.distance(other.profile)
        lengths: Any = np.linalg.norm(self.total) * np.linalg.norm(other.total)
        cosine = self.total @ other.total / max(lengths, 1e-20)
        trust = known / (known + SHORT)
        return LIKE_ANYONE + STRENGTH * trust * (SAME - cosine)


class VoiceEmbedding:
    """The voices of one recording, window by window.

    Arguments
    ---------
    encoder : speechbrain.inference.speaker.EncoderClassifier
        See ``WaveformSeparation.speaker_encoder``. Its ``audio_normalizer``
        says at which rate it listens.
    """

    def __init__(self, encoder: EncoderClassifier) -> None:
        self.encoder = encoder
        self.loudest = SILENCE  # dB to full scale, in this recording so far

    def voices(self, waves: np.ndarray, sample_rate: int) -> list[Voice]:
        """Voices of the outputs of one window, in the place of ``profiles``.

        Arguments
        ---------
        waves : numpy.ndarray
            Shape ``[T, S]``.
        sample_rate : int
            Their rate in Hz.

        Returns
        -------
        list of Voice
            One an output.

        Raises
        ------
        ValueError
            The encoder gives what is not finite.
        """
        level = decibels(frame_power(waves, sample_rate))  # [F, S]
        loudest = level.max(1, keepdims=True)
        # Noise in a long pause is no voice: what is loud says the recording.
        self.loudest = max(self.loudest, np.percentile(loudest, 95))
        loud = level > max(SILENCE, self.loudest - ACTIVE)
        speaks = fill_pauses(loud & (level == loudest), PAUSE / FRAME)
        size = min(frame_size(sample_rate), len(waves))
        found = []
        for index, profile in enumerate(profiles(waves, sample_rate)):
            own = np.repeat(speaks[:, index], size)
            wave = waves[: len(own), index][own]
            found.append(self._voice(profile, wave, sample_rate))
        return found

    def _voice(self, profile, wave, sample_rate):
        """What is known of samples ``[T]`` of a voice."""
        seconds = len(wave) / sample_rate
        if seconds < LEAST:
            return Voice(profile)
        rate = self.encoder.audio_normalizer.sample_rate
        wave = at_level(resample(wave, sample_rate, rate), LEVEL)
        wave = torch.from_numpy(wave.astype("float32"))
        with torch.no_grad():
            found = self.encoder.encode_batch(wave[None])
        found = found.flatten().double().cpu().numpy()
        if not np.isfinite(found).all():
            raise ValueError(
                "the speaker encoder gave NaN or infinite values; check its "
                "weights, or leave --embedding out"
            )
        return Voice(profile, found, seconds)
