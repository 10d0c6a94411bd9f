"""Diarization error rate of the activity that is found, by pyannote.metrics.

Speech that is missed, false alarms, and speech of one talker that is taken for
another's, over all speech of the references. Which output is which talker is
pyannote's own choice, the best for each item. Errors of all items are added up
before they are divided.

With the collar, a quarter of a second around each boundary of a reference is
not scored, half of it on either side (md-eval's ``-c 0.25`` is 0.25 s on
either side). Without overlap, neither is what several talk in.

Source: Bredin, "pyannote.metrics: a toolkit for reproducible evaluation,
diagnostic, and error analysis of speaker diarization systems", Interspeech
2017.
"""

from itertools import product

import numpy as np

from speechbrain_spmamba.files.markdown import number
from speechbrain_spmamba.scoring.text_table import text_table

COLLAR = 0.25  # seconds, both sides together
# Parts of the error, as they are called here and there.
PARTS = {
    "missed": "missed detection",
    "false_alarm": "false alarm",
    "confusion": "confusion",
}


class DiarizationErrors:
    """Collects the errors of a test set.

    Arguments
    ---------
    sample_rate : int
        Rate in Hz.

    Raises
    ------
    ValueError
        pyannote.metrics is not installed.

    Example
    -------
    >>> from speechbrain_spmamba.scoring.who_speaks import Speech
    >>> true = np.array([[1, 0]] * 60 + [[0, 1]] * 40, bool)
    >>> errors = DiarizationErrors(8000)
    >>> errors.add(Speech(true[:, :1], true, 1, 256))  # the second is missed
    >>> round(errors.finish()[0]["error"], 6)
    0.4
    """

    def __init__(self, sample_rate: int) -> None:
        try:
            from pyannote.metrics.diarization import DiarizationErrorRate
        except ImportError:
            raise ValueError(
                "the diarization error needs pyannote.metrics, which is not "
                "installed; pip install 'speechbrain_spmamba[diarization]'"
            ) from None
        self.sample_rate = sample_rate
        self.metrics = [
            DiarizationErrorRate(collar=collar, skip_overlap=skip)
            for collar, skip in product((0.0, COLLAR), (False, True))
        ]

    def add(self, speech):
        """Scores an item, see ``scoring.who_speaks``."""
        from pyannote.core import Segment, Timeline

        frame = speech.size / self.sample_rate
        whole = Timeline([Segment(0, len(speech.true) * frame)])
        true, found = (
            _annotation(active, frame) for active in (speech.true, speech.found)
        )
        for metric in self.metrics:
            metric(true, found, uem=whole)

    def finish(self) -> list[dict]:
        """The errors of all items.

        Returns
        -------
        list of dict
            ``collar`` in seconds, ``overlap``: whether it is scored,
            ``error``, of which ``missed``, ``false_alarm`` and ``confusion``
            are the parts, shares of ``speech``, which is in seconds. Shares
            of no speech are None.
        """
        return [_shares(metric) for metric in self.metrics]


def segments(active: np.ndarray) -> list[tuple[int, int]]:
    """Where runs of frames begin and end.

    Arguments
    ---------
    active : numpy.ndarray
        bool, ``[frames]``.

    Returns
    -------
    list of (int, int)
        First frame of each run, and the first one behind it.

    Example
    -------
    >>> segments(np.array([True, True, False, True]))
    [(0, 2), (3, 4)]
    """
    edges = np.diff(active.astype(int), prepend=0, append=0)
    starts, ends = (np.flatnonzero(edges == step) for step in (1, -1))
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def diarization_lines(errors: list[dict] | None) -> list[str]:
    """The same to be printed.

    Arguments
    ---------
    errors : list of dict or None
        See ``DiarizationErrors.finish``; None if they were not asked for.

    Returns
    -------
    list of str
        Lines.
    """
    if not errors:
        return []
    rows = [
        [
            f"{one['collar']:g}",
            "yes" if one["overlap"] else "no",
            *(number(one[name], 0.01, ".1f") for name in ("error", *PARTS)),
        ]
        for one in errors
    ]
    head = ["collar, s", "overlap", "diarization error, %"]
    head += ["missed, %", "false alarm, %", "confusion, %"]
    return text_table(head, rows)


def _annotation(active, frame):
    """Frames of each talker, ``[frames, S]``, as pyannote's segments."""
    from pyannote.core import Annotation, Segment

    annotation = Annotation()
    for talker, column in enumerate(active.T):
        for start, end in segments(column):
            annotation[Segment(start * frame, end * frame), talker] = talker
    return annotation


def _shares(metric):
    """What a metric has added up."""
    total = metric[:]
    speech = total["total"]
    parts = {
        name: total[theirs] / speech if speech else None
        for name, theirs in PARTS.items()
    }
    return {
        "collar": metric.collar,
        "overlap": not metric.skip_overlap,
        "error": sum(parts.values()) if speech else None,
        **parts,
        "speech": speech,
    }
