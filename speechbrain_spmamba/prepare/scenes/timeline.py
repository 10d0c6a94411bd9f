"""Lays recordings out in time, one track at a time; nothing is read.

The laws of pauses, counts and lengths are those of Divide and Remaster (DnR);
their numbers are in ``law``, a ``SceneLaw``. ``rng``, a numpy generator, draws
everything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from speechbrain_spmamba.prepare.corpora.clips import Clip
    from speechbrain_spmamba.prepare.scenes.scene import SceneLaw


@dataclass(frozen=True)
class Event:
    """A stretch of a recording, at a time in a scene.

    Arguments
    ---------
    path, sample_rate : str, int
        The file's.
    start, frames : int
        The stretch, in samples of the file.
    onset : float
        When it is heard, in s.
    level : float
        Loudness before the room, LUFS.
    fade_in, fade_out : float
        Seconds.
    """

    path: str
    sample_rate: int
    start: int
    frames: int
    onset: float
    level: float = 0.0
    fade_in: float = 0.0
    fade_out: float = 0.0

    @property
    def end(self):
        """When it is over, in s."""
        return self.onset + self.frames / self.sample_rate


def _draw_count(rng, mean):
    """A Poisson number that is not zero."""
    count = 0
    while count == 0 and mean > 0:
        count = int(rng.poisson(mean))
    return count


def _draw_onset(rng, law, end):
    """A moment behind the next whole second, never before ``end``."""
    slant = law.pause_shape / math.sqrt(1 + law.pause_shape**2)
    first, second = rng.standard_normal(2)
    skewed = slant * abs(first) + math.sqrt(1 - slant**2) * second
    onset = math.ceil(end) + law.pause_shift + law.pause_scale * skewed
    return max(float(onset), end)


def lay_speech(
    rng: np.random.Generator, law: SceneLaw, utterances: list[Clip]
) -> list[Event]:
    """Whole utterances of one reader, one after another.

    Arguments
    ---------
    utterances : list of Clip
        Of the reader; each is used once at most.

    Returns
    -------
    list of Event
        At least one: where all are longer than the scene, a part of one.
    """
    events, end = [], 0.0
    count = _draw_count(rng, law.speech_count)
    order = rng.permutation(len(utterances))[:count]
    for index in order:
        utterance = utterances[index]
        latest = law.seconds - utterance.seconds
        if math.ceil(end) > latest:
            continue
        onset = max(min(_draw_onset(rng, law, end), latest), end)
        events.append(stretch(utterance, 0, utterance.frames, onset))
        end = onset + utterance.seconds
    if not events:
        # All are longer than the scene: a part of one of them fills it.
        utterance = utterances[order[0]]
        most = int(law.seconds * utterance.sample_rate)
        frames = min(utterance.frames, most)
        start = int(rng.integers(utterance.frames - frames + 1))
        events.append(stretch(utterance, start, frames, 0.0))
    return events


def lay_parts(
    rng: np.random.Generator, law: SceneLaw, class_: str, clips: list[Clip]
) -> list[Event]:
    """Parts of effects or of music, one after another.

    Arguments
    ---------
    class_ : str
        ``effects``, ``background`` or ``music``, which begins anywhere in
        its clip.
    clips : list of Clip
        Each is used once at most.

    Returns
    -------
    list of Event
        Perhaps none.
    """
    events, end = [], 0.0
    count = _draw_count(rng, getattr(law, f"{class_}_count"))
    if not clips:
        return events
    indices = rng.integers(len(clips), size=count).tolist()
    fade = law.music_fade if class_ == "music" else law.effects_fade
    for index in dict.fromkeys(indices):
        clip = clips[index]
        left = law.seconds - math.ceil(end)
        if left <= law.least_left * clip.seconds:
            continue
        onset = _draw_onset(rng, law, end)
        onset = min(onset, law.seconds - law.last_onset)
        if onset < end:
            continue
        longest = min(clip.seconds, law.seconds - onset)
        part = longest * rng.normal(law.part_mean, law.part_spread)
        part = min(max(part, law.part_least), longest)
        frames = int(part * clip.sample_rate)
        if not frames:
            continue
        rest = clip.frames - frames
        anywhere = class_ == "music" or clip.seconds > law.longest_effect
        start = int(rng.integers(rest + 1)) if anywhere else 0
        ramp = min(fade, part / 2)
        fades = ramp if start else 0.0, ramp if start < rest else 0.0
        events.append(stretch(clip, start, frames, onset, *fades))
        end = onset + frames / clip.sample_rate
    # DnR begins every class at once: few short effects would all be early.
    delay = float(rng.uniform(0.0, max(law.seconds - end, 0.0)))
    return [replace(event, onset=event.onset + delay) for event in events]


def lay_noise(
    rng: np.random.Generator,
    law: Any,
    clips: list[Clip],
) -> list[Event]:
    """Noise from beginning to end, cross-faded where recordings are short.

    Recordings of the same group come first: they were taken at one place.

    Arguments
    ---------
    law : Any
        With ``crossfade``, and ``seconds`` that are a number.
    clips : list of Clip
        Used again where all together are too short.

    Returns
    -------
    list of Event
        They overlap by the cross-fade; none without recordings.
    """
    fade = law.crossfade
    usable = [r for r in clips if r.seconds > 2 * fade]
    if not usable:
        usable, fade = [r for r in clips if r.seconds > 0.1], 0.0
    if not usable:
        return []
    first = usable[rng.integers(len(usable))]
    queue = [first]
    if first.seconds < law.seconds:
        same = [r for r in usable if r.group == first.group and r != first]
        queue += [same[i] for i in rng.permutation(len(same))]
    events, onset = [], 0.0
    while True:
        clip = queue.pop(0) if queue else None
        clip = clip or usable[rng.integers(len(usable))]
        sample_rate = clip.sample_rate
        needed = math.ceil((law.seconds - onset) * sample_rate)
        frames = min(clip.frames, needed)
        start = int(rng.integers(clip.frames - frames + 1))
        last = frames == needed
        fades = (fade if events else 0.0), (0.0 if last else fade)
        events.append(stretch(clip, start, frames, onset, *fades))
        if last:
            return events
        onset += frames / sample_rate - fade


def stretch(clip, start, frames, onset, *fades):
    """An event whose level is still to be drawn."""
    start += clip.start
    return Event(
        str(clip.path), clip.sample_rate, start, frames, onset, 0.0, *fades
    )
