"""How recordings are separated: each value has its place, check and words here.

`spmamba separate` has an option for each, and its help is what is said here.
The methods of `inference.WaveformSeparation` take each by its name.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from speechbrain_spmamba.recordings import file_formats
from speechbrain_spmamba.recordings.file_formats import FORMATS

WINDOW, OVERLAP = 10.0, 2.0  # seconds, of a model that says nothing of them


@dataclass(frozen=True)
class SeparationOptions:
    """What is chosen for a separation, whatever the recording.

    Arguments
    ---------
    window : float, optional
        Seconds that the model hears at once; a shorter recording is
        separated as a whole. By default those of the model's folder, or 10.
        A causal model has no windows.
    overlap : float, optional
        Seconds that neighbouring windows share, up to half a window. By
        default those of the model's folder, or 2.
    batch : int, optional
        Windows separated together; by default 1, on a GPU 4.
    mixture_consistent : bool
        Make the outputs sum to the mixture; the files do with all_outputs.
    channel : int, optional
        The channel to separate, counted from 1; by default the mean of all.
    keep_rate : bool
        Give the outputs at the rate of the recording, not at that of the
        model.
    format : str
        Format of the files: wav, flac, mp3 or opus. The last two lose what
        is hardly heard; where they lack a rate, as Opus lacks 44100 Hz, files
        have the next higher one.
    subtype : str, optional
        Their sample format: PCM_16, PCM_24, PCM_32, FLOAT, DOUBLE; by
        default that of the recording. In all but the last two, outputs that
        would clip are scaled down together, so that their relation stays.
    speakers : int, optional
        Only so many outputs, the most active ones, whether anyone speaks in
        them or not.
    all_outputs : bool
        Write also the outputs in which nobody speaks. Streams and standard
        output have them anyway.
    embedding : str, optional
        A speaker encoder, which knows a voice again after a long silence: a
        folder, or a name on the Hugging Face Hub, that the toolkit's
        EncoderClassifier loads, such as speechbrain/spkrec-ecapa-voxceleb.
        Its YAML file may run any code; the command wants --trust for it.

    Raises
    ------
    ValueError
        A value that makes no sense for any model and recording.

    Example
    -------
    >>> SeparationOptions(window=4, overlap=1).window_samples(8000)
    (32000, 8000)
    >>> SeparationOptions(format="flac").subtype_like("FLOAT")
    'PCM_24'
    """

    window: float | None = None
    overlap: float | None = None
    batch: int | None = None
    mixture_consistent: bool = False
    channel: int | None = None
    keep_rate: bool = True
    format: str = "wav"
    subtype: str | None = None
    speakers: int | None = None
    all_outputs: bool = False
    embedding: str | None = None

    def __post_init__(self):
        if self.window is not None and not 0.1 <= self.window <= 3600:
            raise ValueError(
                f"window is {self.window} s; give 0.1 to 3600 seconds, a few "
                "times as long as what the model was trained on"
            )
        # Without a window the model tells which: see ``for_model``.
        most = 3600 if self.window is None else self.window
        if self.overlap is not None and not 0 < self.overlap <= most / 2:
            raise ValueError(
                f"overlap is {self.overlap} s; give more than 0 and at most "
                f"half of the window of {most} s"
            )
        if self.batch is not None and self.batch < 1:
            raise ValueError(f"--batch is {self.batch}; give 1 or more")
        if self.channel is not None and self.channel < 1:
            raise ValueError(
                f"channel is {self.channel}; channels are counted from 1"
            )
        file_formats.check_format(self.format, self.subtype)
        if self.all_outputs and self.speakers is not None:
            raise ValueError(
                f"speakers is {self.speakers} and all_outputs is set; give one "
                "of the two"
            )

    def check_speakers(self, outputs):
        """Raises ValueError where a model has fewer outputs than wanted."""
        if self.speakers is not None and not 1 <= self.speakers <= outputs:
            raise ValueError(
                f"{self.speakers} speakers were asked for and the model "
                f"separates {outputs}; give 1 to {outputs}"
            )

    def check_file(self, sample_rate, channels):
        """Raises ValueError where the format cannot hold such a file."""
        held = FORMATS[self.format]
        if sample_rate > held.fastest or channels > held.channels:
            raise ValueError(
                f"{self.format} holds up to {held.channels} channels at "
                f"{held.fastest} Hz, not {channels} at {sample_rate}; choose "
                "--format wav"
            )

    def for_model(self, hparams: object) -> SeparationOptions:
        """With windows, where none are chosen: the model's, or the usual.

        Arguments
        ---------
        hparams : object
            Of a model folder; ``window`` and ``overlap``, if it has them.

        Returns
        -------
        SeparationOptions
            With both.

        Raises
        ------
        ValueError
            The overlap is more than half of the model's window.

        Example
        -------
        >>> from types import SimpleNamespace
        >>> options = SeparationOptions().for_model(SimpleNamespace(window=60))
        >>> options.window, options.overlap
        (60, 2.0)
        """
        window, overlap = self.window, self.overlap
        if window is None:
            window = getattr(hparams, "window", WINDOW)
        if overlap is None:
            overlap = min(getattr(hparams, "overlap", OVERLAP), window / 2)
        return replace(self, window=window, overlap=overlap)

    def window_samples(self, sample_rate):
        """Samples of a window and of the overlap, at a rate in Hz."""
        overlap = max(1, round(self.overlap * sample_rate))
        return round(self.window * sample_rate), overlap

    def output_rate(self, sample_rate, model_rate):
        """Rate of the outputs in Hz, from those of recording and model."""
        return sample_rate if self.keep_rate else model_rate

    def file_rate(self, sample_rate):
        """Rate in Hz of files for outputs at this one."""
        return file_formats.file_rate(self.format, sample_rate)

    def subtype_like(self, own):
        """The sample format of files for a recording that has ``own``.

        Where the format lacks it, the next richer one; PCM_16 for recordings
        that are compressed with loss. What compresses with loss has one.
        """
        known = FORMATS[self.format].subtypes
        if self.subtype or own in known:
            return self.subtype or own
        if len(known) == 1:
            return known[0]
        return "PCM_24" if own in FORMATS["wav"].subtypes else "PCM_16"
