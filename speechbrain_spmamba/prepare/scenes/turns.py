"""Who speaks when in a conversation; nothing is read.

Turns are laid one after another. Each time somebody else takes the floor, with
a few utterances that are joined, at the moment at which the overlap so far
comes nearest to a wanted share: behind a pause, or while others still speak.
What is wanted wanders around the share of the law in the beginning and settles
on it towards the end, so that some turns follow one another and others collide.
Of several drafts, the nearest is taken.

The numbers are in ``law``, a ``ConversationLaw`` whose ``seconds`` and
``overlap`` are numbers. ``rng``, a numpy generator, draws everything.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from speechbrain_spmamba.prepare.scenes.timeline import stretch

if TYPE_CHECKING:
    from speechbrain_spmamba.prepare.corpora.clips import Clip
    from speechbrain_spmamba.prepare.scenes.conversation import ConversationLaw
    from speechbrain_spmamba.prepare.scenes.timeline import Event


STEP = 0.01  # s, in which overlap is counted
LEAST = 0.5  # s: nobody begins with less than this left to speak in
FAIR = 2.0  # s that are left for each who has not been heard yet
NEAR = 0.005  # of the share: onsets that are so near to the best are as good


def lay_turns(
    rng: np.random.Generator, law: ConversationLaw, speech: list[list[Clip]]
) -> list[list[Event]]:
    """Lays out what everybody says.

    Arguments
    ---------
    speech : list of list of Clip
        What each talker has to say, one list a talker.

    Returns
    -------
    list of list of Event
        Of each talker, in order of time; none where there was no time.
    """
    best, least = None, math.inf
    for _ in range(law.tries):
        draft = _Draft(rng, law, speech)
        while draft.add_turn():
            pass
        missed = draft.missed()
        if missed < least:
            best, least = draft, missed
        if missed < NEAR:
            break
    return best.events if best else []


class _Draft:
    """A conversation that grows turn by turn; times in s."""

    def __init__(self, rng, law, speech):
        self.rng, self.law = rng, law
        self.clips = [[s[i] for i in rng.permutation(len(s))] for s in speech]
        self.said = [0] * len(speech)  # clips of each that are used up
        self.events = [[] for _ in speech]
        self.stop = law.seconds - rng.uniform(*law.margin)
        # talkers in each step
        self.speaking = np.zeros(round(self.stop / STEP), np.int16)
        self.onset, self.last = 0.0, None  # of the last turn, and whose it was
        self.absent, self.gone, self.back = None, math.inf, math.inf
        if law.away and len(speech) > 1:
            self.absent = int(rng.integers(len(speech)))
            away = rng.uniform(*law.away)
            # Before and behind it, there is time to be heard.
            self.gone = rng.uniform(0.25, 0.75) * (law.seconds - away)
            self.back = self.gone + away

    def add_turn(self):
        """Whether there was somebody with something to say in time."""
        ends = [e[-1].end if e else 0.0 for e in self.events]
        pause = self.law.pause if any(self.events) else self.law.margin
        after = max(ends, default=0.0) + self.rng.uniform(*pause)
        return any(
            self._speak(talker, ends, after)
            for talker in self._order(ends, after)
        )

    def missed(self):
        """How far it is from what was wanted; below 1 but for silence."""
        missed = sum(not events for events in self.events)
        if self.absent is not None:
            times = self.events[self.absent]
            missed += not any(event.end <= self.gone for event in times)
            missed += not any(event.onset >= self.back for event in times)
        if len(self.events) > 1:
            missed += abs(self._shares() - self.law.overlap)
        return missed

    def _order(self, ends, after):
        """Those who have something to say; whose turn it is comes first."""

        def rank(talker):
            if talker == self.absent and ends[talker] <= self.back:
                if not self._leaves(talker, after):
                    return 0 if after >= self.back else 4  # is away
            if not self.events[talker]:
                return 0 if talker == self.absent else 1
            return 3 if talker == self.last else 2

        talkers = self.rng.permutation(len(self.events)).tolist()
        return sorted(filter(self._has_more, talkers), key=rank)

    def _has_more(self, talker, kept=0):
        """Whether more utterances are left than some that are kept."""
        return self.said[talker] + kept < len(self.clips[talker])

    def _leaves(self, talker, after):
        """Whether this is who leaves, and keeps something to say for later."""
        early = talker == self.absent and after <= self.gone - LEAST
        return early and self._has_more(talker, 1)

    def _speak(self, talker, ends, after):
        """Whether this talker takes a turn, which is then laid out."""
        onsets, waits, limit = self._onsets(talker, ends, after)
        if not len(onsets):
            return False
        over, share = max(ends), self.law.overlap
        calm = max(0.0, 1 - over / self.stop)
        wanted = share + calm * min(share, 1 - share) * self.rng.uniform(-1, 1)
        before, kept = self.said[talker], self._leaves(talker, after)
        turn, length = [], self.rng.uniform(*self.law.turn)
        while True:
            self._join(turn, talker)
            more = self._has_more(talker, kept)
            if more and turn[-1].end < length:
                continue
            shares = self._shares(turn, onsets, limit)
            errors = np.abs(shares - wanted)
            good = np.flatnonzero(errors <= errors.min() + NEAR)
            choice = good[self.rng.integers(len(good))]
            if waits and good[-1] == len(onsets) - 1:
                choice = good[-1]  # a pause rather than a touch
            onset, found = float(onsets[choice]), shares[choice]
            # Beside one who goes on speaking, this one may go on, too.
            if found >= wanted - NEAR or onset + turn[-1].end >= over:
                break
            if not more:
                break
        if not waits and abs(found - share) >= abs(self._shares() - share):
            self.said[talker] = before
            return False  # at the end, silence may be nearer
        self._lay(talker, turn, onset, limit)
        return True

    def _onsets(self, talker, ends, after):
        """When to begin: the onsets; is the last behind a pause; until when."""
        law, first, limit = self.law, self.onset, self.stop
        unheard = sum(not e for e in self.events) - (not self.events[talker])
        if unheard:
            limit -= unheard * (law.pause[1] + FAIR)
            limit = min(max(limit, after + FAIR), self.stop)
        if self.events[talker]:
            first = max(first, ends[talker] + law.gap[0])
        # As many as may speak at once must not be speaking already.
        others = sorted(ends[:talker] + ends[talker + 1 :], reverse=True)
        first = max(first, *others[law.at_once - 1 : law.at_once], 0.0)
        if self._leaves(talker, after):
            limit = min(limit, self.gone)
        elif talker == self.absent:
            first, after = max(first, self.back), max(after, self.back)
        last = limit - LEAST
        onsets = np.arange(math.ceil(first / STEP), min(max(ends), last) / STEP)
        onsets = np.round(onsets * STEP, 2) if law.overlap else np.zeros(0)
        waits = after <= last
        return np.append(onsets, after) if waits else onsets, waits, limit

    def _shares(self, turn=(), onsets=0.0, limit=math.inf):
        """Overlap over speech, if a turn began at each of some onsets."""
        alone, free, overlap, speech = (
            np.cumsum(np.append(0, which))
            for which in (
                *(self.speaking == 1, self.speaking == 0),
                *(self.speaking > 1, self.speaking > 0),
            )
        )
        overlap, speech = overlap[-1], speech[-1]
        most = min(limit / STEP, len(self.speaking))
        at = np.rint(np.asarray(onsets) / STEP)
        for event in turn:
            begin, end = (
                np.minimum(at + round(moment / STEP), most).astype(int)
                for moment in (event.onset, event.end)
            )
            overlap = overlap + alone[end] - alone[begin]
            speech = speech + free[end] - free[begin]
        return overlap / np.maximum(speech, 1)

    def _join(self, turn, talker):
        """Lets a turn go on with another utterance, or a stretch of it."""
        law, clip = self.law, self.clips[talker][self.said[talker]]
        self.said[talker] += 1
        frames = min(clip.frames, int(law.longest * clip.sample_rate))
        rest = clip.frames - frames
        start = int(self.rng.integers(rest + 1))
        onset = turn[-1].end + self.rng.uniform(*law.gap) if turn else 0.0
        fades = (law.fade * (start > 0), law.fade * (start < rest))
        turn.append(stretch(clip, start, frames, onset, *fades))

    def _lay(self, talker, turn, onset, limit):
        """Puts a turn in its place; what would go on too long is cut."""
        for event in turn:
            event = replace(event, onset=onset + event.onset)
            if event.onset > limit - LEAST:
                break
            if event.end > limit:
                frames = int((limit - event.onset) * event.sample_rate)
                event = replace(event, frames=frames, fade_out=self.law.fade)
            self.events[talker].append(event)
            begin, end = round(event.onset / STEP), round(event.end / STEP)
            self.speaking[begin:end] += 1
        self.onset, self.last = onset, talker
