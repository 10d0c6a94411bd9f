"""Who speaks when, as diarization tools read it.

RTTM, NIST's Rich Transcription Time Marked format: a line a stretch, ten
fields. Here, a stretch is an utterance as it was planned, with the silence that
its recording begins and ends with; a room adds the sound's way and its decay.
"""


def as_rttm(plans: list[dict]) -> str:
    """The utterances of some plans.

    Arguments
    ---------
    plans : list of dict
        Lines of plans, read; of whole scenes.

    Returns
    -------
    str
        A line each, by item, then in order of time.

    Example
    -------
    >>> event = {"onset": 0.25, "frames": 12000, "sample_rate": 8000}
    >>> track = {"name": "s1", "group": "84", "events": [event]}
    >>> plan = {"ID": "000000_84", "scene": {"tracks": [track]}}
    >>> print(as_rttm([plan]), end="")
    SPEAKER 000000_84 1 0.250 1.500 <NA> <NA> 84 <NA> <NA>
    """
    lines = []
    for plan in plans:
        spoken = [
            (event["onset"], event["frames"] / event["sample_rate"], track)
            for track in plan["scene"]["tracks"]
            if track["group"]
            for event in track["events"]
        ]
        for onset, seconds, track in sorted(spoken, key=lambda one: one[0]):
            lines.append(
                f"SPEAKER {_field(plan['ID'])} 1 {onset:.3f} {seconds:.3f} "
                f"<NA> <NA> {_field(track['group'])} <NA> <NA>\n"
            )
    return "".join(lines)


def _field(text):
    """A name in one word, as fields are divided by spaces."""
    return "_".join(text.split())
