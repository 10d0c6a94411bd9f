"""Separation with a trained model: batches in memory, files on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import torch
from speechbrain.inference.interfaces import Pretrained

from speechbrain_spmamba.files.own_code import find_own_code
from speechbrain_spmamba.recordings.block_reader import open_recording
from speechbrain_spmamba.recordings.fetched import fetched
from speechbrain_spmamba.recordings.options import SeparationOptions
from speechbrain_spmamba.recordings.samples import (
    separate_blocks_as_mono,
    separate_samples,
)
from speechbrain_spmamba.recordings.separation import (
    output_stem,
    separate_in_memory,
    separate_recording,
    source_paths,
    write_sources,
)
from speechbrain_spmamba.weights.build import (
    BUILD_ERRORS,
    check_header,
    load_pretrained,
)
from speechbrain_spmamba.weights.model_folder import (
    HPARAMS_FILE,
    SAFETENSORS_FILE,
    collect,
)

# Model folders of earlier versions look for strict_load here.
from speechbrain_spmamba.weights.pretrainer import strict_load as strict_load
from speechbrain_spmamba.weights.pretrainer import wanted_path
from speechbrain_spmamba.weights.speaker_encoder import load_encoder

if TYPE_CHECKING:
    import numpy as np
    from speechbrain.inference.speaker import EncoderClassifier

    from speechbrain_spmamba.recordings.separation import Separated


class WaveformSeparation(Pretrained):
    """A model of this package, ready to separate.

    Made by ``WaveformSeparation.from_hparams(source=folder)`` from a folder
    that ``spmamba export`` wrote, from a model that comes with the package, by
    its name, or from a repository on the Hugging Face Hub;
    ``run_opts={"device": "cuda"}`` and the toolkit's other options work.

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

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        # The toolkit does not look at MODULES_NEEDED.
        if "separator" not in self.mods:
            raise ValueError(
                f"modules are {', '.join(self.mods)}; expected 'separator'"
            )
        check_header(self.hparams.__dict__, self.mods.separator)

    @classmethod
    def from_hparams(
        cls,
        source: str | Path,
        hparams_file: str = HPARAMS_FILE,
        safe: bool = True,
        **kwargs: Any,
    ) -> WaveformSeparation:
        """Loads a model folder.

        Arguments
        ---------
        source : str or Path
            A folder with ``hyperparams.yaml`` and ``separator.ckpt`` or
            ``separator.safetensors``, a model of the package (``spmamba
            models`` lists them), or a Hub repository (``user/model``).
        hparams_file : str
            Name of the YAML file.
        safe : bool
            Refuse a folder that does more than build a model of this
            package, see ``safe_yaml``. Without, it may run any code: for
            models of one's own making. The same as ``--trust`` of the
            commands.
        **kwargs : dict
            Passed on to ``Pretrained.from_hparams``. With
            ``overrides={"pretrained_path": other}`` the weights are those of
            another folder.

        Returns
        -------
        WaveformSeparation
            The model, in evaluation mode.

        Raises
        ------
        ValueError
            The folder lacks a file or is damaged, its YAML file is refused,
            or its weights do not fit.
        """
        options = {
            name: kwargs[name]
            for name in ("savedir", "local_strategy", "fetch_config")
            if name in kwargs
        }
        paths = collect(source, hparams_file, **options)
        weights_from = wanted_path(kwargs.get("overrides"))
        if weights_from is not None:
            # Not beside what savedir has of the model's own folder.
            options_there = {k: v for k, v in options.items() if k != "savedir"}
            paths[1] = collect(weights_from, **options_there)[1]
        # The toolkit looks for separator.ckpt alone.
        if safe or paths[1].name == SAFETENSORS_FILE:
            kwargs = {k: v for k, v in kwargs.items() if k not in options}
            kwargs |= {"savedir": options.get("savedir"), "trust": not safe}
            return load_pretrained(cls, paths, **kwargs)
        find_own_code(paths[0], paths[0].read_text(encoding="utf-8"))
        try:
            return super().from_hparams(source, hparams_file, **kwargs)
        except BUILD_ERRORS as error:
            reason = " ".join(str(error).split())[:300]
            raise ValueError(
                f"{source} cannot be built: {reason}; modules of your own "
                "have to be in that folder, or in the working folder"
            ) from None

    def separate_batch(
        self, mix: torch.Tensor, lengths: torch.Tensor | None = None
    ) -> torch.Tensor:
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
            # A network of one's own may take none.
            rest = () if lengths is None else (lengths,)
            return self.mods.separator(mix, *rest).float()

    def speaker_encoder(self, source: str) -> EncoderClassifier:
        """Loads what tells voices apart where this model runs.

        Arguments
        ---------
        source : str
            The option ``embedding``; what it names may run any code.

        Returns
        -------
        speechbrain.inference.speaker.EncoderClassifier
            The encoder, loaded once for all recordings.

        Raises
        ------
        ValueError
            There is no such encoder.
        """
        return load_encoder(str(source), str(self.device))

    def forward(
        self, mix: torch.Tensor, lengths: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The same as ``separate_batch``."""
        return self.separate_batch(mix, lengths)

    def separate_file(
        self,
        path: str | Path | BinaryIO,
        output_folder: str | Path | None = None,
        progress: Callable | None = None,
        savedir: str | Path | None = None,
        **options: Any,
    ) -> torch.Tensor:
        r"""Separates a recording of any rate and number of channels.

        Other rates are resampled there and back, and long recordings are
        separated in windows. The result is held in memory;
        ``separate_to_files`` does without.

        It takes the toolkit's ``separate_file(path, savedir=...)`` and gives
        something else on purpose, which can be written as it is:

        ==================  ==========================  ====================
        \                   the toolkit                 here
        ==================  ==========================  ====================
        shape               [channels, T, num_spks]     [T, num_spks]
        rate and length     the model's                 the recording's
        levels              each source to a peak of 1  as in the mixture
        stereo              each channel by itself, or  mean of the channels,
                            their mean if resampled     or ``channel``
        a file that is      gets a link in savedir      is read where it is
        on this machine
        second argument     savedir                     output_folder
        ==================  ==========================  ====================

        Arguments
        ---------
        path : str, Path or binary file object
            The mixture; with ``savedir`` also a web address, or
            ``user/model/name.wav`` of the Hugging Face Hub.
        output_folder : str or Path, optional
            Gets ``<name>_s1.wav``, ``<name>_s2.wav``, ..., the voices in which
            someone speaks; all with ``all_outputs=True``.
        progress : callable, optional
            ``progress(seconds_done, seconds_in_all)``, called with each
            block; the second is None where the length is not known.
        savedir : str or Path, optional
            Keeps what is fetched from elsewhere; nothing else is put there.
        **options : dict
            Any of ``recordings.options.SeparationOptions``.

        Returns
        -------
        torch.Tensor
            float32, shape ``[T, num_spks]``, at the rate and of the length
            of the recording; all outputs, unless ``speakers`` is given.

        Raises
        ------
        ValueError
            No audio, a damaged file, samples that are not finite, or a file
            elsewhere that cannot be fetched.
        """
        options = self._checked(options)
        path = fetched(path, savedir)
        with open_recording(path, options.channel) as reader:
            est, sample_rate = separate_in_memory(
                self,
                reader.blocks(),
                reader.sample_rate,
                options,
                progress,
                reader.seconds,
            )
            reader.downmix.warn(reader.name)
        if output_folder is not None:
            stem = output_stem(path, output_folder)
            paths = source_paths(stem, est.shape[1], options.format)
            subtype = options.subtype_like(reader.subtype)
            write_sources(est, sample_rate, paths, subtype, options)
        return torch.from_numpy(est)

    def separate_to_files(
        self,
        source: str | Path | BinaryIO,
        output_folder: str | Path,
        progress: Callable | None = None,
        **options: Any,
    ) -> Separated:
        """Separates a recording of any length in constant memory.

        Arguments
        ---------
        source : str, Path or binary file object
            The mixture.
        output_folder : str or Path
            Gets ``<name>_s1.wav``, ``<name>_s2.wav``, ..., all at the end: the
            voices in which someone speaks, or none. What else is there stays.
        progress, **options : callable, dict
            See ``separate_file``.

        Returns
        -------
        speechbrain_spmamba.recordings.separation.Separated
            Paths, how many talk, who speaks when, length, rate, and gain.

        Raises
        ------
        ValueError
            A bad recording, setting or disk.
        """
        options = self._checked(options)
        count = options.speakers or self.hparams.num_spks
        stem = output_stem(source, output_folder)
        paths = source_paths(stem, count, options.format)
        return separate_recording(
            self, source, paths, options, progress=progress
        )

    def separate_array(
        self,
        wave: np.ndarray | torch.Tensor,
        sample_rate: int,
        order: str = "model",
        progress: Callable | None = None,
        **options: Any,
    ) -> np.ndarray | torch.Tensor:
        """Separates samples of any length that are in memory.

        Arguments
        ---------
        wave : numpy.ndarray or torch.Tensor
            Shape ``[T]`` or ``[T, channels]``; floats, or integers of which
            the largest is full scale.
        sample_rate : int
            Their rate in Hz.
        order : str
            "model": as the model gives them. "activity": from who speaks most
            to who does not; ``recordings.activity.activity`` tells who that is.
        progress, **options : callable, dict
            See ``separate_file``.

        Returns
        -------
        numpy.ndarray or torch.Tensor
            What was given: float32, shape ``[T, num_spks]``.

        Raises
        ------
        ValueError
            A wrong shape, type or order, no samples, or not finite.
        """
        options = self._checked(options)
        return separate_samples(
            self, wave, sample_rate, options, order, progress
        )

    def separate_stream(
        self,
        blocks: Iterable[np.ndarray | torch.Tensor],
        sample_rate: int,
        progress: Callable | None = None,
        seconds: float | None = None,
        **options: Any,
    ) -> Iterator[np.ndarray]:
        """Separates blocks as they come, in constant memory.

        Arguments
        ---------
        blocks : iterable of numpy.ndarray or torch.Tensor
            The mixture in pieces of any size, ``[n]`` or ``[n, channels]``.
        sample_rate : int
            Their rate in Hz.
        seconds : float, optional
            Length of the stream, for ``progress``, which gets None without.
        progress, **options : callable, dict
            As for ``separate_file``, without ``speakers``: they are chosen
            when all has been heard.

        Yields
        ------
        numpy.ndarray
            float32, ``[n, num_spks]``; a window or so behind the input, and
            as long in the end.

        Raises
        ------
        ValueError
            A wrong setting, or samples that are not finite.
        """
        options = self._checked(options)
        yield from separate_blocks_as_mono(
            self, blocks, sample_rate, options, progress, seconds
        )

    def _checked(self, options):
        """Options by their names as one value that suits this model."""
        options = SeparationOptions(**options).for_model(self.hparams)
        options.check_speakers(self.hparams.num_spks)
        return options
