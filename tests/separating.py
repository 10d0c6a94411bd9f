"""Shared by tests of separation: stand-in models and made-up talkers."""

import numpy as np
import torch
from hyperpyyaml import load_hyperpyyaml

from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.prepare.made_up.voices import draw_voice, speak


def talk(frames, channels=None, seed=0):
    """Noise at 8 kHz that comes and goes as syllables do: it passes for one."""
    loud = np.arange(frames) // 1000 % 2 == 0
    gains = np.where(loud, 1.0, 0.1).reshape(-1, *[1] * bool(channels))
    return gains * noise(frames, channels, seed=seed)


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


ENCODER = """\
pretrained_path: nobody/nothing
compute_features: !new:speechbrain.lobes.features.Fbank
    n_mels: 20
mean_var_norm: !new:speechbrain.processing.features.InputNormalization
    norm_type: sentence
    std_norm: False
embedding_model: !new:speechbrain.lobes.models.ECAPA_TDNN.ECAPA_TDNN
    input_size: 20
    channels: [8, 8, 8, 8, 24]
    kernel_sizes: [5, 3, 3, 3, 1]
    dilations: [1, 2, 3, 4, 1]
    attention_channels: 4
    res2net_scale: 2
    se_channels: 4
    lin_neurons: 6
modules:
    compute_features: !ref <compute_features>
    mean_var_norm: !ref <mean_var_norm>
    embedding_model: !ref <embedding_model>
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        embedding_model: !ref <embedding_model>
    paths:
        embedding_model: !ref <pretrained_path>/embedding_model.ckpt
"""


def write_encoder(folder, seed=0):
    """A speaker encoder's folder as the toolkit has them, with random weights.

    Arguments
    ---------
    folder : Path
        Must not exist.
    seed : int
        Of the weights.

    Returns
    -------
    Path
        The folder.
    """
    folder.mkdir()
    (folder / "hyperparams.yaml").write_text(ENCODER)
    torch.manual_seed(seed)
    encoder = load_hyperpyyaml(ENCODER)["embedding_model"]
    torch.save(encoder.state_dict(), folder / "embedding_model.ckpt")
    return folder


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
