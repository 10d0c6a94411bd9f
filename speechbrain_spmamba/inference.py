"""Separation with a trained model: batches in memory, files on disk."""

from numbers import Real
from pathlib import Path

import numpy as np
import torch
from speechbrain.inference.interfaces import Pretrained

from speechbrain_spmamba.recordings.activity import activity, most_active
from speechbrain_spmamba.recordings.channels import Mixdown
from speechbrain_spmamba.recordings.files import (
    FASTEST,
    SLOWEST,
    open_recording,
)
from speechbrain_spmamba.recordings.pending import subtype_like
from speechbrain_spmamba.recordings.separation import (
    as_mono,
    in_blocks,
    output_paths,
    report,
    separate_recording,
    write_sources,
)
from speechbrain_spmamba.recordings.streams import separate_blocks
from speechbrain_spmamba.weights.checked_model import (
    BUILD_ERRORS,
    check_header,
    load_checked,
)
from speechbrain_spmamba.weights.model_folder import (
    HPARAMS_FILE,
    check_file,
    collect,
)
from speechbrain_spmamba.weights.tensors import fill, read_weights


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
        check_header(vars(self.hparams), self.mods.separator)

    @classmethod
    def from_hparams(
        cls, source, hparams_file=HPARAMS_FILE, safe=True, **kwargs
    ):
        """Loads a model folder.

        Arguments
        ---------
        source : str or Path
            A folder with ``hyperparams.yaml`` and ``separator.ckpt``, or the
            name of a Hub repository (``user/model``).
        hparams_file : str
            Name of the YAML file.
        safe : bool
            Refuse a folder that does more than build a model of this
            package, see ``safe_yaml``. Without, it may run any code: for
            models of one's own making. The same as ``--trust`` of the
            commands.
        **kwargs : dict
            Passed on to ``Pretrained.from_hparams``.

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
        if safe:
            kwargs = {k: v for k, v in kwargs.items() if k not in options}
            savedir = options.get("savedir")
            return load_checked(cls, paths, savedir=savedir, **kwargs)
        try:
            return super().from_hparams(source, hparams_file, **kwargs)
        except BUILD_ERRORS as error:
            reason = " ".join(str(error).split())[:300]
            raise ValueError(
                f"{source} cannot be built: {reason}; modules of your own "
                "have to be on the path of Python"
            ) from None

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

    def separate_file(
        self, path, output_folder=None, subtype=None, channel=None, **options
    ):
        """Separates a recording of any rate and number of channels.

        Channels are averaged unless one is chosen, other rates are resampled
        there and back, and long recordings are separated in windows. The
        result is held in memory; ``separate_to_files`` does without.

        Arguments
        ---------
        path : str, Path or binary file object
            The mixture.
        output_folder : str or Path, optional
            Gets ``<name>_s1.wav``, ``<name>_s2.wav``, ...
        subtype : str, optional
            Sample format of these files, e.g. FLOAT or PCM_16; by default
            that of the input. In an integer format, sources that would clip
            are scaled down together, so that their relation stays.
        channel : int, optional
            The channel to separate, counted from 1; by default the mean of
            all. A warning says where that leaves nothing.
        **options : dict
            See ``separate_stream``.

        Returns
        -------
        torch.Tensor
            float32, shape ``[T, num_spks]``, at the rate and of the length
            of the recording.

        Raises
        ------
        ValueError
            No audio, a damaged file, or samples that are not finite.
        """
        with open_recording(path, channel) as recording:
            rate, own_subtype = recording.rate, recording.subtype
            blocks = self.separate_stream(recording.blocks(), rate, **options)
            est = np.concatenate(list(blocks))
            recording.mixdown.warn(recording.name)
        if output_folder is not None:
            subtype = subtype or subtype_like(own_subtype, "wav")
            write_sources(path, est, rate, output_folder, subtype)
        return torch.from_numpy(est)

    def separate_to_files(self, source, output_folder, kind="wav", **options):
        """Separates a recording of any length in constant memory.

        Arguments
        ---------
        source : str, Path or binary file object
            The mixture.
        output_folder : str or Path
            Gets ``<name>_s1.wav``, ``<name>_s2.wav``, ..., all at the end.
        kind : str
            wav or flac.
        **options : dict
            See ``separation.separate_recording`` (sample format, rate,
            channel, number of speakers, progress) and ``separate_stream``.

        Returns
        -------
        speechbrain_spmamba.recordings.separation.Separated
            Paths, activity of each source, length, rate, and gain.

        Raises
        ------
        ValueError
            A bad recording, setting or disk.
        """
        speakers = options.get("speakers") or self.hparams.num_spks
        paths = output_paths(source, output_folder, speakers, kind)
        return separate_recording(self, source, paths, **options)

    def separate_array(
        self, wave, rate, order="model", channel=None, **options
    ):
        """Separates samples of any length that are in memory.

        Arguments
        ---------
        wave : numpy.ndarray or torch.Tensor
            Shape ``[T]`` or ``[T, channels]``; floats, or integers of which
            the largest is full scale.
        rate : int
            Rate in Hz.
        order : str
            "model": as the model gives them. "activity": from who speaks most
            to who does not; ``recordings.activity.activity`` tells who that is.
        channel : int, optional
            The channel to separate, counted from 1; by default the mean of
            all.
        **options : dict
            See ``separate_stream``.

        Returns
        -------
        numpy.ndarray or torch.Tensor
            What was given: float32, shape ``[T, num_spks]``, at ``rate``.

        Raises
        ------
        ValueError
            A wrong shape, type or order, no samples, or not finite.
        """
        if order not in ("model", "activity"):
            raise ValueError(f"order is '{order}'; expected model or activity")
        rate, mixdown = _whole_rate(rate), Mixdown(channel)
        mono = as_mono(wave, mixdown)
        mixdown.warn("the samples")
        if not len(mono):
            raise ValueError("there are no samples; nothing to separate")
        options["seconds"] = len(mono) / rate
        blocks = self.separate_stream(in_blocks(mono), rate, **options)
        est = np.concatenate(list(blocks))
        if order == "activity":
            keep = options.get("keep_rate", True)
            found = activity(est, rate if keep else self.hparams.sample_rate)
            est = est[:, most_active(found)]
        return torch.from_numpy(est) if torch.is_tensor(wave) else est

    def separate_stream(
        self,
        blocks,
        rate,
        keep_rate=True,
        batch=None,
        progress=None,
        seconds=None,
        channel=None,
        **options,
    ):
        """Separates blocks as they come, in constant memory.

        Arguments
        ---------
        blocks : iterable of numpy.ndarray or torch.Tensor
            The mixture in pieces of any size, ``[n]`` or ``[n, channels]``.
        rate : int
            Their rate in Hz.
        keep_rate : bool
            Give the sources at this rate, not at that of the model.
        batch : int, optional
            Windows separated together; by default 1, on a GPU 4.
        progress : callable, optional
            ``progress(seconds_done, seconds)``, called with each block.
        seconds : float, optional
            Length of the stream, for ``progress``.
        channel : int, optional
            The channel to separate, counted from 1; by default the mean of
            all.
        **options : dict
            ``window``, ``overlap`` in seconds and ``mixture_consistent``, see
            ``streams.separate_blocks``.

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
        rate = _whole_rate(rate)
        if batch is None:
            batch = 1 if torch.device(self.device).type == "cpu" else 4
        model_rate = self.hparams.sample_rate
        output_rate = rate if keep_rate else model_rate
        mixdown = Mixdown(channel)
        found = separate_blocks(
            self._separate_arrays,
            (as_mono(block, mixdown) for block in blocks),
            rate,
            model_rate,
            output_rate,
            batch=batch,
            **options,
        )
        yield from report(found, progress, output_rate, seconds)
        mixdown.warn("the stream")

    def _separate_arrays(self, mixes):
        """``[B, T] -> [B, T, S]`` in numpy."""
        return self.separate_batch(torch.from_numpy(mixes)).cpu().numpy()


def _whole_rate(rate):
    """A sample rate as an int; ValueError for none, or kHz by mistake."""
    number = isinstance(rate, Real) and not isinstance(rate, bool)
    if not number or not SLOWEST <= rate <= FASTEST or rate % 1:
        raise ValueError(
            f"the sample rate is {rate!r} Hz; give it in Hz, as a whole number "
            f"from {SLOWEST} to {FASTEST}: 16000, not 16"
        )
    return int(rate)


def strict_load(module, path):
    """Loads weights and accepts no key too many or too few.

    Arguments
    ---------
    module : torch.nn.Module
        Gets the weights.
    path : str or Path
        A state dict that ``torch.save`` wrote; where its folder has sums, it
        has to be what they say.

    Raises
    ------
    ValueError
        The file is damaged, no state dict, or does not fit the module.
    """
    check_file(Path(path))
    state = read_weights(path)
    try:
        fill(module, state)
    except ValueError as error:
        raise ValueError(
            f"weights in {path} do not fit the model of its "
            f"{HPARAMS_FILE}: {error}"
        ) from None
