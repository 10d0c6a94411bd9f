"""Shared by tests of separation: stand-in models and made-up talkers."""

import numpy as np
import torch

from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.prepare.made_up.voices import draw_voice, speak


class Parts(torch.nn.Module):
    """Gives fixed shares of the mixture as sources."""

    def __init__(self, *shares):
        super().__init__()
        self.register_buffer("shares", torch.tensor(shares))
        self.lengths = []  # of what it was given

    def forward(self, mix, lengths=None):
        self.lengths += [mix.shape[1]] * len(mix)
        return torch.stack([share * mix for share in self.shares], -1)


def parts_model(rate=8000, shares=(0.75, 0.25)):
    """A model of which the outputs are known."""
    return WaveformSeparation(
        modules={"separator": Parts(*shares)},
        hparams={"sample_rate": rate, "num_spks": len(shares)},
        run_opts={"device": "cpu"},
    )


class Turns(torch.nn.Module):
    """Gives each second of the mixture to the next source."""

    def __init__(self, sources):
        super().__init__()
        self.register_buffer("sources", torch.arange(sources))

    def forward(self, mix, lengths=None):
        turn = torch.arange(mix.shape[1]) // 8000 % len(self.sources)
        return mix[..., None] * (turn[:, None] == self.sources)


def turns_model(sources, rate=8000):
    """A model of which the outputs are no copies of each other."""
    return WaveformSeparation(
        modules={"separator": Turns(sources)},
        hparams={"sample_rate": rate, "num_spks": sources},
        run_opts={"device": "cpu"},
    )


def noise(frames, channels=None, level=0.1, seed=0):
    """White noise, float32, ``[frames]`` or ``[frames, channels]``."""
    shape = frames if channels is None else (frames, channels)
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(shape)).astype("float32")


def talker(number, seconds, pause=0.5, rate=8000):
    """A made-up voice that says phrase after phrase, float32 ``[T]``.

    Arguments
    ---------
    number : int
        Which voice; even ones are women's.
    seconds : float
        Length.
    pause : float
        Silence between phrases, up to twice as long.
    rate : int
        8000 or 16000.

    Returns
    -------
    numpy.ndarray
        The wave.
    """
    rng = np.random.default_rng(number)
    voice = draw_voice(rng, "FM"[number % 2])
    pieces, length = [], 0
    while length < seconds * 16000:
        silence = np.zeros(int(16000 * rng.uniform(0, 2 * pause)))
        phrase = speak(voice, rng, rng.uniform(2, 5))[0]
        pieces += [silence, phrase]
        length += len(silence) + len(phrase)
    wave = np.concatenate(pieces)[: int(seconds * 16000)]
    if rate == 8000:
        wave = (wave[::2] + wave[1::2]) / 2
    return wave.astype("float32")
