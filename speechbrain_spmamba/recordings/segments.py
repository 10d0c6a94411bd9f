"""Who speaks when: segments, and the files in which others read them.

* RTTM, which diarization is scored with: NIST, The 2009 (RT-09) Rich
  Transcription Meeting Recognition Evaluation Plan, appendix A.
* Labels, as Audacity imports and exports them (File > Import > Labels).
* JSON, for everything else.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from speechbrain_spmamba.recordings.activity import Activity
    from speechbrain_spmamba.recordings.separation import Separated


# Forms and how their files end.
SUFFIXES = {"rttm": ".rttm", "labels": ".txt", "json": ".json"}


@dataclass(frozen=True)
class Segment:
    """A stretch in which one talker speaks.

    Arguments
    ---------
    start, end : float
        In seconds.
    talker : str
        Who.
    """

    start: float
    end: float
    talker: str


def find_segments(
    speaking: np.ndarray, names: list[str], frame_seconds: float, length: float
) -> list[Segment]:
    """Joins frames in which somebody speaks to segments.

    Arguments
    ---------
    speaking : numpy.ndarray
        bool, shape ``[frames, S]``.
    names : list of str
        Of the S talkers.
    frame_seconds : float
        From one frame to the next.
    length : float
        Of the recording in seconds; no segment ends after it.

    Returns
    -------
    list of Segment
        By their start, then in the order of the names.

    Example
    -------
    >>> speaking = np.array([[0, 1], [1, 1], [1, 0]], bool)
    >>> for segment in find_segments(speaking, ["s1", "s2"], 0.5, 1.4):
    ...     print(segment)
    Segment(start=0.0, end=1.0, talker='s2')
    Segment(start=0.5, end=1.4, talker='s1')
    """
    edges = np.diff(speaking.astype(np.int8), axis=0, prepend=0, append=0)
    found = []
    for name, column in zip(names, edges.T, strict=True):
        starts, ends = np.flatnonzero(column > 0), np.flatnonzero(column < 0)
        for start, end in zip(starts, ends, strict=True):
            end = min(float(end * frame_seconds), length)
            found.append(Segment(float(start * frame_seconds), end, name))
    return sorted(found, key=lambda segment: segment.start)


def talkers_text(talkers: int) -> str:
    """How many talk, in words.

    Arguments
    ---------
    talkers : int
        The number.

    Returns
    -------
    str
        Half a sentence.

    Example
    -------
    >>> [talkers_text(number) for number in range(3)]
    ['nobody talks', '1 talks', '2 talk']
    """
    return f"{talkers or 'nobody'} talk{'s' if talkers < 2 else ''}"


def text_path(stem: str | Path, form: str) -> Path:
    """Where segments are written.

    Arguments
    ---------
    stem : str or Path
        The path without its end.
    form : str
        One of ``SUFFIXES``.

    Returns
    -------
    Path
        The file.

    Example
    -------
    >>> text_path("out/take.1", "labels").as_posix()
    'out/take.1.txt'
    """
    return Path(f"{stem}{SUFFIXES[form]}")


def segment_text(form: str, found: Separated, recording: str) -> str:
    """Who speaks when in a recording that has been separated.

    Arguments
    ---------
    form : str
        One of ``SUFFIXES``.
    found : speechbrain_spmamba.recordings.separation.Separated
        What came out of it.
    recording : str
        Its name.

    Returns
    -------
    str
        The text; of voices in which nobody speaks it says nothing.
    """
    if form == "rttm":
        return as_rttm(found.segments, recording)
    if form == "labels":
        return as_labels(found.segments)
    voices = zip(found.names, found.paths, found.activity, strict=True)
    talkers = [(n, path.name, one) for n, path, one in voices if one.speaks]
    return as_json(found.segments, recording, found.seconds, talkers)


def as_rttm(segments: list[Segment], recording: str) -> str:
    """Segments as RTTM.

    Arguments
    ---------
    segments : list of Segment
        Who speaks when.
    recording : str
        Its name; what would end a field becomes ``_``.

    Returns
    -------
    str
        A line a segment.

    Example
    -------
    >>> print(as_rttm([Segment(0.5, 2.0, "s1")], "my talk"), end="")
    SPEAKER my_talk 1 0.500 1.500 <NA> <NA> s1 <NA> <NA>
    """
    uri = "".join(
        c if c.isprintable() and not c.isspace() else "_" for c in recording
    )
    return "".join(
        f"SPEAKER {uri} 1 {one.start:.3f} {one.end - one.start:.3f} <NA> <NA> "
        f"{one.talker} <NA> <NA>\n"
        for one in segments
    )


def as_labels(segments: list[Segment]) -> str:
    """Segments as a label track of Audacity.

    Arguments
    ---------
    segments : list of Segment
        Who speaks when.

    Returns
    -------
    str
        A line a segment: start, end and talker, with tabs between them.

    Example
    -------
    >>> as_labels([Segment(0.5, 2.0, "s1")])
    '0.500000\\t2.000000\\ts1\\n'
    """
    return "".join(
        f"{one.start:.6f}\t{one.end:.6f}\t{one.talker}\n" for one in segments
    )


def as_json(
    segments: list[Segment],
    recording: str,
    seconds: float,
    talkers: list[tuple[str, str, Activity]],
) -> str:
    """Segments and talkers as JSON.

    Arguments
    ---------
    segments : list of Segment
        Who speaks when.
    recording : str
        Its name.
    seconds : float
        Its length.
    talkers : list of (str, str, Activity)
        Name, file, and what was found, of each.

    Returns
    -------
    str
        An object: ``recording``, ``seconds``, ``talkers`` (``name``,
        ``file``, ``seconds``, ``level_db``), ``segments`` (``start``,
        ``end``, ``talker``). Times are in seconds, levels in dB to full
        scale.

    Example
    -------
    >>> text = as_json([Segment(0.5, 2.0, "s1")], "talk.wav", 4.0, [])
    >>> json.loads(text)["segments"]
    [{'start': 0.5, 'end': 2.0, 'talker': 's1'}]
    """
    content = {
        "recording": recording,
        "seconds": round(seconds, 3),
        "talkers": [
            {
                "name": name,
                "file": file,
                "seconds": round(found.seconds, 3),
                "level_db": round(found.level, 1),
            }
            for name, file, found in talkers
        ],
        "segments": [
            {
                "start": round(one.start, 3),
                "end": round(one.end, 3),
                "talker": one.talker,
            }
            for one in segments
        ],
    }
    return json.dumps(content, indent=2) + "\n"
