"""Sound from a microphone and to loudspeakers, by PortAudio.

    device -> its thread -> a queue -> Microphone.blocks -> a model
           -> Loudspeakers.play -> device

What the device's thread calls has to return within a block: it copies and no
more. Who takes the blocks may be late for a while; how late is counted.
"""

from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from types import ModuleType

import numpy as np

JOINED = 16  # blocks taken at once where so many wait: a model then catches up
PATIENCE = 0.1  # seconds after which it is asked whether to stop
CUSHION = 0.05  # seconds of voices that wait before any are played
BUFFER = 0.15  # seconds of voices that wait to be played, at most
LONGEST = 60.0  # seconds of sound that wait to be taken; what is more is lost
LIST = "`python -m sounddevice` lists what there is"


def import_sounddevice() -> ModuleType:
    """Imports sounddevice, and with it PortAudio.

    Returns
    -------
    module
        sounddevice.

    Raises
    ------
    ValueError
        One of them is not installed.
    """
    try:
        import sounddevice
    except ImportError:
        raise ValueError(
            "live sound needs sounddevice, which is not installed; "
            "pip install 'speechbrain_spmamba[live]'"
        ) from None
    except OSError:
        raise ValueError(
            "live sound needs the library PortAudio, which is not installed; "
            "install it, for example `apt-get install libportaudio2`"
        ) from None
    return sounddevice


def as_device(word: str | None) -> int | str | None:
    """A device as sounddevice takes it.

    Arguments
    ---------
    word : str or None
        Its number, its name or a part of it; None or ``default`` for that of
        the system.

    Returns
    -------
    int or str or None
        The same.

    Example
    -------
    >>> as_device("3"), as_device("USB"), as_device("default")
    (3, 'USB', None)
    """
    if word is None or word == "default":
        return None
    return int(word) if word.isdecimal() else word


class Microphone:
    """An open microphone, one channel of float32.

    Arguments
    ---------
    sample_rate : int
        In Hz.
    hop : int
        Samples that come at once.
    device : int or str, optional
        See ``as_device``.
    latency : str
        ``low`` if someone waits for what is heard; with ``high`` the device
        keeps more, and less is lost where the processor is busy.

    Attributes
    ----------
    heard : int
        Samples that were given out.
    lost : int
        Times that the device threw samples away, or gave none that are
        finite.
    behind : float
        The most seconds of sound that waited to be taken.
    gone : bool
        Whether the device ended by itself.

    Raises
    ------
    ValueError
        There is no such microphone, or it has another rate.
    """

    def __init__(
        self,
        sample_rate: int,
        hop: int,
        device: int | str | None = None,
        latency: str = "low",
    ) -> None:
        self.sample_rate, self.hop = sample_rate, hop
        self.heard, self.lost, self.behind, self.gone = 0, 0, 0.0, False
        self.queue, self.missed = SimpleQueue(), False
        self.stream = _opened(
            "InputStream",
            "microphone",
            device,
            samplerate=sample_rate,
            channels=1,
            blocksize=hop,
            latency=latency,
            callback=self._take,
        )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stream.close()

    def blocks(
        self, stopped: Callable, seconds: float | None = None
    ) -> Iterator[np.ndarray]:
        """Listens.

        Arguments
        ---------
        stopped : callable
            Asked between blocks; what was heard by then is still given.
        seconds : float, optional
            Ends after so much sound.

        Yields
        ------
        numpy.ndarray
            float32, ``[n]``: a hop, or all that waits up to ``JOINED`` hops.
        """
        left = None if seconds is None else round(seconds * self.sample_rate)
        self.stream.start()
        while left is None or left > 0:
            if stopped() and self.stream.active:
                self.stream.stop()
            block = self._next()
            if block is not None:
                block = block[:left]
                left = None if left is None else left - len(block)
                self.heard += len(block)
                yield block
            elif not self.stream.active:
                self.gone = not stopped()
                break
        self.stream.stop()
        self.lost += self.missed

    def _take(self, data, frames, time, status):
        """Called by the thread of the device."""
        if self.queue.qsize() * self.hop > LONGEST * self.sample_rate:
            self.missed = True  # told with the next block that has room
            return
        lost, self.missed = self.missed or bool(status.input_overflow), False
        self.queue.put((data[:, 0].copy(), lost))

    def _next(self):
        """What waits, joined; None if nothing comes for a while."""
        found = []
        try:
            found.append(self.queue.get(timeout=PATIENCE))
            waiting = (1 + self.queue.qsize()) * self.hop / self.sample_rate
            self.behind = max(self.behind, waiting)
            while len(found) < JOINED:
                found.append(self.queue.get_nowait())
        except Empty:
            pass
        if not found:
            return None
        self.lost += sum(overflow for _, overflow in found)
        wave = np.concatenate([block for block, _ in found])
        if not np.isfinite(wave).all():
            # One bad block is no reason to lose an hour of good ones.
            self.lost += 1
            wave = np.nan_to_num(wave, nan=0.0, posinf=0.0, neginf=0.0)
        return wave


class Loudspeakers:
    """Open loudspeakers, a channel a voice: the first left, the second right.

    Nothing waits for them. Where voices come too late there is silence, and a
    little more of it, so that the next ones may be late; where more come than
    are played, because the clocks differ or many came at once, the oldest are
    left out.

    Arguments
    ---------
    sample_rate : int
        In Hz.
    hop : int
        Samples that are played at once.
    voices : int
        How many.
    device : int or str, optional
        See ``as_device``.

    Attributes
    ----------
    skipped : int
        Samples of a voice that were left out.

    Raises
    ------
    ValueError
        There are none, or with another rate or fewer channels.
    """

    def __init__(
        self,
        sample_rate: int,
        hop: int,
        voices: int,
        device: int | str | None = None,
    ) -> None:
        self.skipped, self.queue = 0, SimpleQueue()
        self.cushion = round(CUSHION * sample_rate)
        self.most = round(BUFFER * sample_rate)
        # Known to the device's thread alone.
        self.waiting, self.dry = np.zeros((0, voices), "float32"), True
        self.stream = _opened(
            "OutputStream",
            "output device",
            device,
            samplerate=sample_rate,
            channels=voices,
            blocksize=hop,
            latency="low",
            callback=self._give,
        )

    def __enter__(self):
        self.stream.start()
        return self

    def __exit__(self, *error):
        self.stream.close()

    def play(self, block):
        """Takes samples, float32, shape ``[n, S]``."""
        self.queue.put(np.clip(block, -1, 1))

    def _give(self, data, frames, time, status):
        """Called by the thread of the device."""
        found = [self.waiting]
        while not self.queue.empty():
            found.append(self.queue.get_nowait())
        waiting = np.concatenate(found)
        if len(waiting) > self.most:
            self.skipped += len(waiting) - self.cushion - frames
            waiting = waiting[-self.cushion - frames :]
        self.dry = len(waiting) < (self.cushion if self.dry else frames)
        count = 0 if self.dry else frames
        data[:count] = waiting[:count]
        data[count:] = 0
        self.waiting = waiting[count:]


def _opened(kind, name, device, **options):
    """A stream of sounddevice, or one line of error."""
    sounddevice = import_sounddevice()
    try:
        return getattr(sounddevice, kind)(
            device=device, dtype="float32", **options
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        which = "default " if device is None else ""
        shown = "" if device is None else f" {device}"
        reason = " ".join(str(error).split())
        raise ValueError(
            f"the {which}{name}{shown} cannot be opened with "
            f"{options['channels']} channels at {options['samplerate']} Hz "
            f"({reason}); choose another one, {LIST}"
        ) from None
