"""Dynamic mixing: fresh mixtures in every epoch, from files that are there.

The loader asks for an item by ``draw(seed, epoch, item) -> (mix, sources)``.
Any picklable callable of that form will do: what it returns must depend on its
three arguments only, so that runs repeat whatever the number of workers, ranks
and restarts. ``mix`` has shape ``[T]`` (or ``[T, M]`` for M microphones),
``sources`` ``[T, S]``. ``prepare.scenes.dynamic_mixing`` has one that renders
scenes.

``DynamicMixing`` is such a callable over the rows of a manifest: it pairs
sources of different mixtures anew, changes their speed and level, and adds
noise of any mixture. Nothing is written to disk.
"""

import math

import numpy as np

from speechbrain_spmamba.audio import (
    at_level,
    check_rate,
    open_audio,
    read_audio,
    resample,
    rms_level,
)
from speechbrain_spmamba.loading.heard import heard_sources
from speechbrain_spmamba.loading.turns import draw_turns
from speechbrain_spmamba.manifest import source_keys
from speechbrain_spmamba.prepare.seeded import generator
from speechbrain_spmamba.prepare.talker_counts import TalkerCounts
from speechbrain_spmamba.talkers import find_talkers

NOBODY = -30.0  # dB full scale: from where noise is measured, if no one talks
ROUNDING = -80.0  # dB full scale: a residual below it is no noise
TRIES = 10  # stretches that are drawn in search of one that is not silent
PEAK = 0.9  # joint scaling keeps the mixture and its parts below this


class DynamicMixing:
    """Draws mixtures of the sources and the noise of a manifest.

    One of the talkers of a fresh mixture is one of the item's own, so that an
    epoch passes through all mixtures; the others are drawn anew: a talker,
    any with equal chance, then one of this talker's sources. Talkers differ,
    as far as they are known (``find_talkers``). Where fewer talk than there
    are sources, the others are silent. Sources that are silent in the manifest
    are no talkers (``heard.py``).

    Arguments
    ---------
    rows : dict
        ID -> row, see ``read_manifest``.
    sample_rate : int
        Rate in Hz that all files must have.
    segment : float, optional
        Seconds of a mixture; an item that is shorter gives a shorter one,
        and without it all have the lengths of their items.
    sir : tuple of float
        Range of the first talker's level over each other's, dB.
    snr : tuple of float
        Range of the first talker's level over the noise, dB.
    level : tuple of float, optional
        Range of the first talker's level, dB full scale; without it, the
        level is that of the file.
    speed : tuple of float
        Range of the change of speed (and pitch) of each talker, in steps of
        one percent; (1.0, 1.0) leaves it.
    noise : str
        ``file``: the ``noise_wav`` of any row; ``residual``: what any mixture
        holds beside its sources; ``none``; ``auto``: files if the manifest
        has them, else the residual. With dry or early references of
        reverberant mixtures the residual (and Echo2Mix's noise, which is all
        but the references) holds speech: choose ``none`` there.
    num_spks : int, list or dict, optional
        How many talk, see ``prepare.talker_counts``; without it, as many as
        in the item.
    active : tuple of float
        Range of the share of a mixture in which a talker is to be heard, at
        any place in it; (1.0, 1.0) for all of it, as far as files last.
    turn : tuple of float, optional
        Range of seconds for which a talker speaks before a pause; without
        it, the share is heard at once. Levels are then those of turns.
    silence : float
        Level in dB full scale under which a stretch counts as silent and
        another one of the same file is drawn.
    talker_pattern : str, optional
        Regular expression that finds the talkers in an ID, one match a
        source, the name in its first group.

    Raises
    ------
    ValueError
        Too few talkers, or an argument that is none of those above.

    Example
    -------
    >>> rows = {
    ...     f"{n}-1-1_{n + 1}-1-1": {
    ...         "s1_wav": f"{n}.wav",
    ...         "s2_wav": f"{n + 1}.wav",
    ...     }
    ...     for n in range(4)
    ... }
    >>> mixing = DynamicMixing(rows, 8000)
    >>> mixing.talkers
    ['0', '1', '2', '3', '4']
    """

    def __init__(
        self,
        rows: dict,
        sample_rate: int,
        segment: float | None = None,
        sir: tuple[float, ...] = (-6.0, 6.0),
        snr: tuple[float, ...] = (10.0, 20.0),
        level: tuple[float, ...] | None = None,
        speed: tuple[float, ...] = (0.95, 1.05),
        noise: str = "auto",
        num_spks: int | list | dict | None = None,
        active: tuple[float, ...] = (1.0, 1.0),
        turn: tuple[float, ...] | None = None,
        silence: float = -60.0,
        talker_pattern: str | None = None,
    ) -> None:
        self.rows = rows
        self.sample_rate = sample_rate
        self.frames = segment and round(segment * sample_rate)
        self.sir = _range("sir", sir)
        self.snr = _range("snr", snr)
        self.level = level and _range("level", level)
        self.percent = [round(100 * s) for s in _range("speed", speed)]
        if self.percent[0] < 50 or self.percent[1] > 200:
            raise ValueError(
                f"speed is {list(speed)}; expected a range within 0.5 to 2.0"
            )
        self.active = _range("active", active)
        if not 0 < self.active[0] <= self.active[1] <= 1:
            raise ValueError(
                f"active is {list(active)}; expected a range above 0 and up "
                "to 1"
            )
        self.turn = turn and _range("turn", turn)
        if self.turn and not self.turn[0] > 0:
            raise ValueError(
                f"turn is {list(turn or ())}; expected a range of seconds "
                "above 0"
            )
        self.silence = silence
        self.sources = source_keys(next(iter(rows.values())))
        self.counts = None if num_spks is None else TalkerCounts.of(num_spks)
        if noise not in ("auto", "file", "residual", "none"):
            raise ValueError(
                f"noise is {noise}; expected auto, file, residual or none"
            )
        self.noises = [
            r["noise_wav"] for r in rows.values() if r.get("noise_wav")
        ]
        if noise == "file" and not self.noises:
            raise ValueError(
                "noise is file, but the manifest has no noise_wav; choose "
                "residual or none"
            )
        self.noise = noise
        if noise == "auto":
            self.noise = "file" if self.noises else "residual"
        self.items = list(rows)
        self.own = {}  # item -> (talker, column) of its sources
        self.voices = {}  # talker -> (item, column) of the talker's sources
        heard = heard_sources(rows, self.sources, talker_pattern)
        for item, keys in heard.items():
            names = find_talkers(item, len(keys), talker_pattern)
            self.own[item] = list(zip(names, keys, strict=True))
            for name, key in self.own[item]:
                self.voices.setdefault(name, []).append((item, key))
        self.talkers = sorted(self.voices)
        most = self.counts.most if self.counts else len(self.sources)
        if most > len(self.sources):
            raise ValueError(
                f"num_spks of dynamic_mixing is up to {most}, and the "
                f"manifest has {len(self.sources)} sources; prepare the data "
                "with as many"
            )
        if len(self.talkers) < most:
            raise ValueError(
                f"dynamic mixing finds {len(self.talkers)} talkers, {most} a "
                "mixture need at least as many; add data or set "
                "dynamic_mixing to False"
            )

    def __call__(self, seed, epoch, item):
        """Draws a mixture.

        Arguments
        ---------
        seed, epoch : int
            Others give other mixtures.
        item : str
            ID of a row.

        Returns
        -------
        numpy.ndarray
            Mixture, float32, shape ``[T]``.
        numpy.ndarray
            Sources, float32, shape ``[T, S]``.

        Raises
        ------
        ValueError
            A file that cannot be read, of another rate, or not finite.
        """
        rng = generator(seed, epoch, item)
        total = self._length(self.rows[item]["mix_wav"])
        signals = [
            self._draw_speech(path, total, rng)
            for path in self._draw_voices(item, rng)
        ]
        signals = [signal for signal in signals if signal.any()]
        silent = [np.zeros(total)] * (len(self.sources) - len(signals))
        first = max(rms_level(signals[0]), self.silence) if signals else NOBODY
        if self.level:
            first = rng.uniform(*self.level)
            signals[:1] = [self._at(signal, first) for signal in signals[:1]]
        for number in range(1, len(signals)):
            below = rng.uniform(*self.sir)
            signals[number] = self._at(signals[number], first - below)
        # The order of the talkers must not tell who is the item's own.
        signals = [*signals, *silent]
        signals = [signals[i] for i in rng.permutation(len(signals))]
        mix = np.sum(signals, axis=0)
        if self.noise != "none":
            noise = self._draw_noise(total, rng)
            mix = mix + at_level(noise, first - rng.uniform(*self.snr))
        peak = max(np.abs(signal).max() for signal in [mix, *signals])
        scale = min(1.0, PEAK / max(peak, 1e-9))
        sources = np.stack(signals, axis=1) * scale
        return (mix * scale).astype("float32"), sources.astype("float32")

    def _length(self, path):
        """Samples of a mixture: the segment's, or its own if it is shorter."""
        with open_audio(path) as file:
            check_rate(file, path, self.sample_rate)
            if file.channels > 1:
                raise ValueError(
                    f"{path} has {file.channels} channels; dynamic mixing "
                    "makes mixtures of one: set dynamic_mixing to False"
                )
            return min(file.frames, self.frames or file.frames)

    def _draw_voices(self, item, rng):
        """Files of one source of the item and of others by other talkers."""
        own = self.own[item]
        count = self.counts.draw(rng) if self.counts else len(own)
        chosen = {}
        if own and count:
            talker, key = own[rng.integers(len(own))]
            chosen[talker] = self.rows[item][key]
        while len(chosen) < count:
            talker = self.talkers[rng.integers(len(self.talkers))]
            if talker not in chosen:
                voices = self.voices[talker]
                other, key = voices[rng.integers(len(voices))]
                chosen[talker] = self.rows[other][key]
        return list(chosen.values())

    def _draw_speech(self, path, total, rng):
        """A stretch of a source at another speed, ``total`` samples."""
        heard, share = total, 1.0
        if self.active[0] < 1:
            share = rng.uniform(*self.active)
            heard = total if self.turn else max(1, round(total * share))
        percent = int(rng.integers(self.percent[0], self.percent[1] + 1))
        wanted = math.ceil(heard * percent / 100)
        speech = self._draw_stretch([path], wanted, rng)[0]
        if percent != 100:
            speech = resample(speech, percent, 100)
        speech = speech[:heard]
        # A talker who is done early begins anywhere in the time that is left.
        start = rng.integers(total - len(speech) + 1)
        speech = np.pad(speech, (start, total - len(speech) - start))
        if self.turn and share < 1:
            speech = speech * draw_turns(
                total, self.sample_rate, self.turn, share, rng
            )
        return speech

    def _at(self, signal, decibels):
        """Brings a talker to a level, with turns that of these."""
        if self.turn:
            decibels += 10 * math.log10(max(np.mean(signal != 0), 1e-6))
        return at_level(signal, decibels)

    def _draw_noise(self, total, rng):
        """Noise of any mixture; silence where that one has none."""
        if self.noise == "file":
            path = self.noises[rng.integers(len(self.noises))]
            noise = self._draw_stretch([path], total, rng)[0]
        else:
            row = self.rows[self.items[rng.integers(len(self.items))]]
            paths = [row[k] for k in ("mix_wav", *self.sources) if row[k]]
            mix, *sources = self._draw_stretch(paths, total, rng)
            noise = mix - sum(sources)
            if rms_level(noise) < ROUNDING:
                return np.zeros(total)
        return np.resize(noise, total)  # a short recording is repeated

    def _draw_stretch(self, paths, wanted, rng):
        """The same stretch of some files, at most ``wanted`` samples."""
        with open_audio(paths[0]) as file:
            frames = file.frames
        count = min(frames, wanted)
        for _ in range(TRIES):
            start = int(rng.integers(frames - count + 1))
            waves = [
                self._read(path, start, count).astype(np.float64)
                for path in paths
            ]
            if count == frames or rms_level(waves[0]) > self.silence:
                break
        return waves

    def _read(self, path, start, count):
        """First channel of a stretch, without NaN."""
        wave = read_audio(path, self.sample_rate, start, count)[:, 0]
        if not np.isfinite(wave).all():
            raise ValueError(
                f"{path} has NaN or infinite samples; repair or leave it out"
            )
        return wave


def _range(name, values):
    """Two numbers, the smaller one first."""
    try:
        low, high = (float(value) for value in values)
    except (TypeError, ValueError):
        low, high = 1.0, 0.0
    if not low <= high:
        raise ValueError(
            f"{name} is {values}; expected two numbers, the smaller one first"
        )
    return low, high
