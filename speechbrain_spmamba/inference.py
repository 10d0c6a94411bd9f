"""Separation with a trained model: batches in memory, files on disk."""

import logging
import math
import pickle
import re
from pathlib import Path

import numpy as np
import torch
from speechbrain.augment.time_domain import Resample
from speechbrain.inference.interfaces import Pretrained

from speechbrain_spmamba.audio import open_audio, read_audio, write_audio

logger = logging.getLogger(__name__)

HPARAMS_FILE = "hyperparams.yaml"
WEIGHTS_FILE = "separator.ckpt"
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
WAV_SUBTYPES = ("PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE")


class WaveformSeparation(Pretrained):
    """A model of this package, ready to separate.

    Made by ``WaveformSeparation.from_hparams(source=folder)`` from a folder
    that ``spmamba export`` wrote, or from a repository on the Hugging Face
    Hub; ``run_opts={"device": "cuda"}`` and the toolkit's other options work.

    Example
    -------
    >>> from speechbrain_spmamba.models import build_model
    >>> separator = build_model(
    ...     "spmamba", n_fft=64, hop_length=32, num_blocks=1, emb_dim=4
    ... )
    >>> model = WaveformSeparation(
    ...     modules={"separator": separator},
    ...     hparams={"sample_rate": 16000, "num_spks": 2},
    ...     run_opts={"device": "cpu"},
    ... )
    >>> model.separate_batch(torch.randn(1, 400)).shape
    torch.Size([1, 400, 2])
    """

    HPARAMS_NEEDED = ["sample_rate", "num_spks"]
    MODULES_NEEDED = ["separator"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # The toolkit does not look at MODULES_NEEDED.
        if "separator" not in self.mods:
            raise ValueError(
                f"modules are {', '.join(self.mods)}; expected 'separator'"
            )

    @classmethod
    def from_hparams(cls, source, *args, **kwargs):
        """Loads a model folder.

        Arguments
        ---------
        source : str or Path
            A folder with ``hyperparams.yaml`` and ``separator.ckpt``, or the
            name of a Hub repository (``user/model``).
        *args : tuple
            Passed on to ``Pretrained.from_hparams``.
        **kwargs : dict
            Passed on to ``Pretrained.from_hparams``.

        Returns
        -------
        WaveformSeparation
            The model, in evaluation mode.

        Raises
        ------
        ValueError
            The folder lacks a file, or its weights do not fit.
        """
        folder = Path(source)
        # Only what cannot be meant as a folder is looked for on the Hub.
        on_hub = HUB_NAME.fullmatch(str(source)) and not folder.parent.is_dir()
        if not on_hub:
            hparams_file = kwargs.get("hparams_file", HPARAMS_FILE)
            for name in (hparams_file, WEIGHTS_FILE):
                if not (folder / name).is_file():
                    raise ValueError(
                        f"{folder} is no model folder: it has no {name}; make "
                        "one with `spmamba export RESULTS OUT`"
                    )
        return super().from_hparams(source, *args, **kwargs)

    def separate_batch(self, mix, lengths=None):
        """Separates mixtures that are in memory.

        Arguments
        ---------
        mix : torch.Tensor
            Shape ``[B, T]``, at ``hparams.sample_rate``.
        lengths : torch.Tensor, optional
            Relative lengths, shape ``[B]``.

        Returns
        -------
        torch.Tensor
            float32, shape ``[B, T, num_spks]``, at the mixture's level.

        Raises
        ------
        ValueError
            A wrong shape or samples that are not finite.
        """
        mix = mix.to(self.device).float()
        if lengths is not None:
            lengths = lengths.to(self.device)
        with torch.no_grad(), self.inference_ctx:
            return self.mods.separator(mix, lengths).float()

    def forward(self, mix, lengths=None):
        """The same as ``separate_batch``."""
        return self.separate_batch(mix, lengths)

    def separate_file(self, path, output_folder=None, subtype=None):
        """Separates an audio file of any rate and number of channels.

        Channels are averaged, other rates are resampled there and back.

        Arguments
        ---------
        path : str or Path
            The mixture.
        output_folder : str or Path, optional
            Gets ``<name>_s1.wav``, ``<name>_s2.wav``, ...
        subtype : str, optional
            Sample format of these files, e.g. FLOAT or PCM_16; by default
            that of the input. In an integer format, sources that would clip
            are scaled down together, so that their relation stays.

        Returns
        -------
        torch.Tensor
            float32, shape ``[T, num_spks]``, at the rate and of the length
            of the file.

        Raises
        ------
        ValueError
            No audio, a damaged file, or samples that are not finite.
        """
        with open_audio(path) as file:
            rate, own_subtype = file.samplerate, file.subtype
        mix = torch.from_numpy(read_audio(path)).mean(1)
        if not len(mix):
            raise ValueError(f"{path} holds no samples; nothing to separate")
        if not torch.isfinite(mix).all():
            raise ValueError(
                f"{path} has NaN or infinite samples; repair the recording"
            )
        model_rate = self.hparams.sample_rate
        wave = _resample(mix.unsqueeze(0), rate, model_rate)
        est = self.separate_batch(wave)[0].cpu().T
        est = _resample(est, model_rate, rate)
        est = torch.nn.functional.pad(est, (0, max(0, len(mix) - est.shape[1])))
        est = est[:, : len(mix)].T
        if output_folder is not None:
            if subtype is None:
                subtype = (
                    own_subtype if own_subtype in WAV_SUBTYPES else "PCM_16"
                )
            write_sources(path, est.numpy(), rate, output_folder, subtype)
        return est


def output_paths(path, output_folder, num_spks):
    """Names of the separated files: ``<name>_s1.wav``, ``<name>_s2.wav``...

    Arguments
    ---------
    path : str or Path
        The mixture.
    output_folder : str or Path
        Their folder.
    num_spks : int
        How many.

    Returns
    -------
    list of Path
        One path a source.

    Example
    -------
    >>> [str(p) for p in output_paths("in/talk.flac", "out", 2)]
    ['out/talk_s1.wav', 'out/talk_s2.wav']
    """
    stem = Path(path).stem
    return [
        Path(output_folder) / f"{stem}_s{index + 1}.wav"
        for index in range(num_spks)
    ]


def write_sources(path, est, rate, output_folder, subtype):
    """Writes separated sources beside each other.

    Arguments
    ---------
    path : str or Path
        The mixture, for the names.
    est : numpy.ndarray
        Shape ``[T, S]``.
    rate : int
        Rate in Hz.
    output_folder : str or Path
        Made if needed.
    subtype : str
        libsndfile's name of the sample format.

    Returns
    -------
    list of Path
        The files.
    """
    peak = np.abs(est).max()
    if subtype not in ("FLOAT", "DOUBLE") and peak > 1.0:
        logger.warning(
            "%s: sources peak at %.2f and were scaled down together to fit "
            "%s; --subtype FLOAT keeps their level", path, peak, subtype
        )  # fmt: skip
        est = est / peak
    paths = output_paths(path, output_folder, est.shape[1])
    for source, target in zip(est.T, paths, strict=True):
        write_audio(target, source, rate, subtype)
    return paths


def strict_load(module, path):
    """Loads weights and accepts no key too many or too few.

    Arguments
    ---------
    module : torch.nn.Module
        Gets the weights.
    path : str or Path
        A state dict that ``torch.save`` wrote.

    Raises
    ------
    ValueError
        The file is no state dict, or does not fit the module.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError):
        raise ValueError(
            f"{path} is no file of weights, or holds more than weights; it "
            "was not loaded"
        ) from None
    try:
        module.load_state_dict(state, strict=True)
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(
            f"weights in {path} do not fit the model of its "
            f"{HPARAMS_FILE}: {reason}"
        ) from None


def _resample(waves, old_rate, new_rate):
    """``[N, T]`` at another rate; ceil(T * new / old) samples."""
    if old_rate == new_rate:
        return waves
    common = math.gcd(old_rate, new_rate)
    # Rates without a common factor would need a filter a second long.
    if max(old_rate, new_rate) // common > 2000:
        logger.warning("resampling %d to %d Hz is slow", old_rate, new_rate)
    return Resample(old_rate, new_rate)(waves)
