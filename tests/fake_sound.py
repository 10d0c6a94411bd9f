"""A module sounddevice whose devices are made of numpy, by a clock or without.

With ``clock`` blocks come when their time has come, from a thread, as those of
a sound card do. Without, they come when they are asked for: whoever looks into
the empty queue of `recordings.sound_device` lets the device speak.
"""

import threading
import time
from queue import SimpleQueue
from types import ModuleType, SimpleNamespace

import numpy as np


class PortAudioError(Exception):
    """Of any device."""


class InputStream:
    """Gives a wave block by block; then silence, or it ends."""

    def __init__(self, fake, options):
        self.fake, self.callback = fake, options.pop("callback")
        self.hop, self.options = options["blocksize"], options
        self.given, self.active, self.thread = 0, False, None

    def tick(self):
        """A block more."""
        begin, wave = self.given * self.hop, self.fake.wave
        if begin >= len(wave) and self.fake.ends:
            self.active = False
            return
        data = np.zeros((self.hop, 1), "float32")
        part = wave[begin : begin + self.hop]
        data[: len(part), 0] = part
        overflow = self.given in self.fake.overflows
        self.callback(
            data, self.hop, None, SimpleNamespace(input_overflow=overflow)
        )
        data[:] = np.nan  # a device uses its memory again
        self.given += 1
        if self.fake.output is not None:
            self.fake.output.tick()
        self.fake.on_block(self.given)

    def start(self):
        self.active = True
        self.fake.running = self
        if self.fake.clock:
            self.thread = threading.Thread(target=self._run)
            self.thread.start()

    def _run(self):
        begin, step = time.monotonic(), self.hop / self.options["samplerate"]
        while self.active:
            due = begin + (self.given + 1) * step
            time.sleep(max(0.0, due - time.monotonic()))
            if self.active:
                self.tick()
                self.fake.last = time.monotonic()

    def stop(self):
        self.active = False
        if self.thread is not None:
            self.thread.join()

    close = stop


class OutputStream:
    """Keeps what it is given, a block for each that is heard."""

    def __init__(self, fake, options):
        self.fake, self.callback = fake, options.pop("callback")
        self.shape = options["blocksize"], options["channels"]
        fake.played = []

    def start(self):
        self.fake.output = self

    def tick(self):
        data = np.full(self.shape, np.nan, "float32")
        self.callback(data, len(data), None, SimpleNamespace())
        self.fake.played.append(data)

    def close(self):
        pass


def install(monkeypatch, wave, clock=False, **more):
    """Puts the module in the place of the real one.

    Arguments
    ---------
    monkeypatch : pytest.MonkeyPatch
        Takes it away again.
    wave : numpy.ndarray
        What the microphone hears, ``[n]``.
    clock : bool
        Whether time passes.
    **more : dict
        ``ends``: the microphone does so after the wave; ``overflows``: numbers
        of blocks before which some were lost; ``at_once``: how many blocks
        come when one is asked for; ``on_block``: called with the number of each
        block; ``missing``: devices that are not there.

    Returns
    -------
    SimpleNamespace
        Of these, with ``asked``, the options of the streams, and ``played``.
    """
    from speechbrain_spmamba.recordings import sound_device

    fake = SimpleNamespace(
        **{
            **{"wave": wave, "clock": clock, "ends": False, "overflows": ()},
            **{"at_once": 1, "missing": (), "output": None},
            **{"on_block": lambda number: None, "asked": [], "running": None},
            **{"last": 0.0, **more},
        }
    )

    def opened(kind, options):
        fake.asked.append(dict(options))
        if options["device"] in fake.missing:
            raise PortAudioError("Error querying\ndevice -1")
        return kind(fake, options)

    class Asking(SimpleQueue):
        def get(self, block=True, timeout=None):
            for _ in range(fake.at_once if self.empty() else 0):
                if fake.running.active:
                    fake.running.tick()
            return super().get(block, 0.001)

    module = ModuleType("sounddevice")
    module.PortAudioError = PortAudioError
    module.InputStream = lambda **options: opened(InputStream, options)
    module.OutputStream = lambda **options: opened(OutputStream, options)
    monkeypatch.setitem(__import__("sys").modules, "sounddevice", module)
    if not clock:
        monkeypatch.setattr(sound_device, "SimpleQueue", Asking)
    return fake
