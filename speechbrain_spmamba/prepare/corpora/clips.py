"""What an index of a corpus holds, and what a scene draws from.

An index finds the clips of one corpus (``librispeech.py``, ``wham_noise.py``,
``dnr.py``, ``plain_folder.py``); ``Pools`` gathers those that one split may
use. Both are plain data: they can be sent to another process
or machine, and written as JSON.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Clip:
    """A file, or a stretch of one, that can be heard in a scene.

    Arguments
    ---------
    path : str
        The audio file.
    frames : int
        Samples of the stretch, at the file's own rate.
    sample_rate : int
        Rate of the file in Hz.
    group : str
        What may be in one split only: a reader, an original recording, a
        track.
    start : int
        First sample of the stretch.
    sex : str
        F or M of a reader; empty where it is not known.

    Example
    -------
    >>> Clip("103/103-1240-0000.flac", 32000, 16000, "103").seconds
    2.0
    """

    path: str
    frames: int
    sample_rate: int
    group: str
    start: int = 0
    sex: str = ""

    @property
    def seconds(self):
        """Duration of the stretch."""
        return self.frames / self.sample_rate


@dataclass(frozen=True)
class Pools:
    """The clips of one split, by what they are in a scene.

    Arguments
    ---------
    speech : dict
        Reader -> list of Clip, both sorted.
    noise, music, effects, background : list of Clip
        Ambient noise; music; sound effects in the foreground; and those in
        the background. Any may be empty.

    Example
    -------
    >>> Pools(speech={}).music
    []
    """

    speech: dict
    noise: list = field(default_factory=list)
    music: list = field(default_factory=list)
    effects: list = field(default_factory=list)
    background: list = field(default_factory=list)
