"""What stands behind the live tab of ``spmamba demo``, without the page.

    chunks of a microphone -> recordings.live in a thread -> samples of voices

The tab itself is `live_tab.py`.
"""

from __future__ import annotations

import threading
from queue import Queue
from typing import TYPE_CHECKING

import numpy as np

from speechbrain_spmamba.recordings.live import separate_live
from speechbrain_spmamba.recordings.options import SeparationOptions

if TYPE_CHECKING:
    from speechbrain_spmamba.inference import WaveformSeparation


PATIENCE = 0.05  # seconds that a chunk waits for its voices
SOON = 1.0  # seconds that one waits for a thread that is not needed any more
FULL_SCALE = 32768  # of 16-bit samples


class LiveVoices:
    """One microphone through a causal model.

    ``separate_live`` asks for blocks, and a page is given them: the model runs
    in a thread, which waits for chunks. Where it is too slow, its voices come
    late, and neither the page nor other browsers wait for it.

    Arguments
    ---------
    model : speechbrain_spmamba.inference.WaveformSeparation
        A causal one, see ``recordings.live.is_causal``. Voices have its rate.

    Attributes
    ----------
    heard : float
        Seconds that came in so far.

    Example
    -------
    >>> from speechbrain_spmamba.inference import WaveformSeparation
    >>> from speechbrain_spmamba.models import build_model
    >>> sizes = {"n_fft": 64, "hop_length": 32, "num_blocks": 1, "emb_dim": 4}
    >>> separator = build_model(
    ...     "spmamba", causal=True, sample_rate=8000, **sizes
    ... )
    >>> model = WaveformSeparation(
    ...     modules={"separator": separator},
    ...     hparams={"sample_rate": 8000, "num_spks": 2},
    ...     run_opts={"device": "cpu"},
    ... )
    >>> live, chunk = LiveVoices(model), np.ones(12000, "int16")
    >>> parts = [live.feed(48000, chunk), live.feed(48000, chunk), live.stop()]
    >>> np.concatenate(parts).shape
    (4000, 2)
    """

    def __init__(self, model: WaveformSeparation) -> None:
        self.separator = model.mods.separator
        self.sample_rate = model.hparams.sample_rate
        self.speakers = model.hparams.num_spks
        self.heard, self.given = 0.0, 0
        self.chunks, self.found = Queue(), Queue()
        self.idle = threading.Event()
        self.rate: int | None = None
        self.thread: threading.Thread | None = None
        self.error: Exception | None = None

    @property
    def behind(self):
        """Seconds that came in and have not gone out."""
        return max(0.0, self.heard - self.given / self.sample_rate)

    def feed(self, sample_rate: int, samples: np.ndarray) -> np.ndarray:
        """Takes a chunk; gives what is complete of the voices.

        Arguments
        ---------
        sample_rate : int
            In Hz; the same for all chunks.
        samples : numpy.ndarray
            int16, ``[n]`` or, of several channels, ``[n, C]``.

        Returns
        -------
        numpy.ndarray
            float32, ``[m, S]``; m may be 0.

        Raises
        ------
        ValueError
            Another rate than before, or what the model cannot separate.
        """
        if self.rate not in (None, sample_rate):
            raise ValueError(
                f"the microphone went from {self.rate} to {sample_rate} Hz; "
                "stop and record again"
            )
        wave = samples.astype("float32") / FULL_SCALE
        wave = wave if wave.ndim == 1 else wave.mean(1)
        if self.thread is None:
            self.rate = sample_rate
            self.thread = threading.Thread(target=self._run, daemon=True)
            self.thread.start()
        self.heard += len(wave) / sample_rate
        self.idle.clear()
        self.chunks.put(wave)
        self.idle.wait(PATIENCE)
        return self._taken()

    def stop(self) -> np.ndarray:
        """Ends the recording; gives what is left, in all as long as it.

        Returns
        -------
        numpy.ndarray
            See ``feed``.
        """
        if self.thread is not None:
            self.chunks.put(None)
            self.thread.join()
        return self._taken()

    def drop(self) -> None:
        """Ends the recording without what is left, soon."""
        while not self.chunks.empty():
            self.chunks.get()
        self.chunks.put(None)
        if self.thread is not None:
            self.thread.join(SOON)

    def _run(self):
        """The thread: all that is in the stream, from its first chunk on."""
        options = SeparationOptions(keep_rate=False)
        try:
            for block in separate_live(
                self.separator, self._blocks(), self.rate, options
            ):
                self.found.put(block)
        except Exception as error:  # raised where the page can show it
            self.error = error
        self.idle.set()

    def _blocks(self):
        """Chunks as they come; all is done of those before the next."""
        while True:
            if self.chunks.empty():
                self.idle.set()
            block = self.chunks.get()
            if block is None:
                return
            yield block

    def _taken(self):
        """What the thread has found since the last time."""
        if self.error is not None:
            raise self.error
        blocks = [np.zeros((0, self.speakers), "float32")]
        while not self.found.empty():
            blocks.append(self.found.get())
        block = np.concatenate(blocks)
        self.given += len(block)
        return block
