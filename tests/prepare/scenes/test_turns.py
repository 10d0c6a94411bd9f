"""Who speaks when: the law holds for every plan, whatever is to be said."""

import math

import numpy as np
import pytest

from speechbrain_spmamba.prepare.corpora.clips import Clip
from speechbrain_spmamba.prepare.scenes.conversation import ConversationLaw
from speechbrain_spmamba.prepare.scenes.turns import lay_turns

RATE = 16000
EXACT = 1e-6  # s: more than the rounding of sums
# Shortest and longest utterance, and how many a talker has.
CORPORA = {"short": (1.5, 6.0, 60), "long": (3.0, 24.0, 30)}


def _speech(talkers, corpus="short", count=None):
    low, high, usual = CORPORA[corpus]
    rng = np.random.default_rng(talkers)
    return [
        [
            Clip(f"{t}-{i}", int(RATE * rng.uniform(low, high)), RATE, f"{t}")
            for i in range(count or usual)
        ]
        for t in range(talkers)
    ]


def _drafts(speech, count=20, **law):
    law = ConversationLaw(**{"seconds": 60.0, "num_spks": len(speech), **law})
    for number in range(count):
        yield lay_turns(np.random.default_rng(number), law, speech)


def _talkers_over_time(said, step=0.001):
    """How many speak in each millisecond."""
    end = max((e.end for events in said for e in events), default=0.0)
    speaking = np.zeros(math.ceil(end / step) + 1, int)
    for events in said:
        for event in events:
            begin = math.ceil(event.onset / step - EXACT)
            speaking[begin : math.ceil(event.end / step - EXACT)] += 1
    return speaking


def _share(said):
    speaking = _talkers_over_time(said)
    return np.mean(speaking[speaking > 0] > 1)


def _runs(said):
    """Stretches of events of one talker, by their onset: talker, events."""
    marked = [(e.onset, t, e) for t, events in enumerate(said) for e in events]
    runs = []
    for _, talker, event in sorted(marked, key=lambda one: one[:2]):
        if not runs or runs[-1][0] != talker:
            runs.append((talker, []))
        runs[-1][1].append(event)
    return runs


@pytest.mark.parametrize("corpus", CORPORA)
@pytest.mark.parametrize("talkers", [2, 3])
@pytest.mark.parametrize("overlap", [0.0, 0.05, 0.2, 0.4, 0.6, 0.8])
def test_the_share_of_overlap_is_met(corpus, talkers, overlap):
    speech = _speech(talkers, corpus)
    shares = [_share(said) for said in _drafts(speech, overlap=overlap)]
    assert np.mean(shares) == pytest.approx(overlap, abs=0.004)
    assert np.max(np.abs(np.array(shares) - overlap)) < 0.012
    if not overlap:
        assert not np.any(shares)


@pytest.mark.parametrize("talkers", [2, 3])
@pytest.mark.parametrize("corpus", CORPORA)
def test_without_gaps_all_may_be_overlap(talkers, corpus):
    speech = _speech(talkers, corpus)
    drafts = _drafts(speech, 10, overlap=1.0, gap=(0.0, 0.0))
    assert min(map(_share, drafts)) > 0.97


@pytest.mark.parametrize("seconds", [10.0, 20.0])
def test_short_items_hear_everybody_and_meet_it_on_average(seconds):
    speech = _speech(3, "long")
    drafts = list(_drafts(speech, 60, seconds=seconds, overlap=0.3))
    assert all(events for said in drafts for events in said)
    assert np.mean([_share(x) for x in drafts]) == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("at_once", [2, 3])
@pytest.mark.parametrize("overlap", [0.3, 0.9])
def test_never_more_than_so_many_speak_at_once(at_once, overlap):
    law = {"at_once": at_once, "overlap": overlap, "gap": (0.0, 0.2)}
    most = [
        _talkers_over_time(said).max() for said in _drafts(_speech(5), **law)
    ]
    assert max(most) == at_once


def test_one_at_once_is_no_overlap():
    for said in _drafts(_speech(3), overlap=0.0, at_once=1):
        assert _talkers_over_time(said).max() == 1


@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.8])
def test_nobody_overlaps_himself_or_says_anything_twice(overlap):
    for said in _drafts(_speech(3), overlap=overlap, gap=(0.15, 0.4)):
        for events in said:
            for event, following in zip(events, events[1:], strict=False):
                assert following.onset - event.end >= 0.15 - EXACT
        paths = [event.path for events in said for event in events]
        assert len(set(paths)) == len(paths)


@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.9])
def test_silence_at_both_ends_is_kept(overlap):
    law = {"overlap": overlap, "margin": (0.3, 0.7)}
    for said in _drafts(_speech(3), **law):
        first = min(events[0].onset for events in said if events)
        last = max(events[-1].end for events in said if events)
        assert 0.3 - EXACT <= first <= 0.7 + EXACT
        assert last <= 60 - 0.3 + EXACT


def test_turns_alternate_with_their_pauses_and_gaps():
    law = {"overlap": 0.0, "gap": (0.1, 0.3), "pause": (0.5, 0.9)}
    turns = []
    for said in _drafts(_speech(3), **law):
        runs = _runs(said)
        for (one, _), (other, _) in zip(runs, runs[1:], strict=False):
            assert one != other
        for (_, turn), (_, following) in zip(runs, runs[1:], strict=False):
            assert 0.5 <= following[0].onset - turn[-1].end <= 0.9 + EXACT
        for _, turn in runs:
            turns.append(turn)
            for event, following in zip(turn, turn[1:], strict=False):
                pause = following.onset - event.end
                assert 0.1 - EXACT <= pause <= 0.3 + EXACT
    assert max(map(len, turns)) > 2  # utterances were joined
    assert min(map(len, turns)) == 1


def test_a_turn_is_joined_until_it_is_as_long_as_drawn():
    law = {"overlap": 0.0, "turn": (7.0, 7.0), "pause": (1.0, 1.0)}
    for said in _drafts(_speech(2), **law):
        for _, turn in _runs(said)[:-2]:
            without = turn[-1].onset - 0.5 - turn[0].onset
            assert without < 7.0 <= turn[-1].end - turn[0].onset


def test_with_overlap_some_turns_wait_and_some_do_not():
    waits = []
    for said in _drafts(_speech(3), overlap=0.2, pause=(0.5, 0.9)):
        over = 0.0
        for _, turn in _runs(said):
            waits.append(turn[0].onset - over)
            over = max(over, turn[-1].end)
    waits = np.array(waits)
    assert np.mean(waits < 0) > 0.3 and np.mean(waits >= 0.5) > 0.15
    assert waits.max() <= 0.9 + EXACT


def test_one_talker_goes_on_after_pauses():
    law = {"turn": (0.0, 0.0), "pause": (0.5, 0.9)}
    for said in _drafts(_speech(1), **law):
        (events,) = said
        for event, following in zip(events, events[1:], strict=False):
            assert 0.5 <= following.onset - event.end <= 0.9 + EXACT
        assert events[-1].end > 55


@pytest.mark.parametrize("talkers", [2, 3])
@pytest.mark.parametrize("overlap", [0.0, 0.2])
def test_one_talker_is_away_and_comes_back(talkers, overlap):
    law = {"seconds": 120.0, "overlap": overlap, "away": (40.0, 60.0)}
    who = set()
    for said in _drafts(_speech(talkers), **law):
        rests = [
            max(b.onset - a.end for a, b in zip(e, e[1:], strict=False))
            for e in said
        ]
        who.add(int(np.argmax(rests)))
        assert max(rests) >= 40
        assert all(events for events in said)
        assert _share(said) == pytest.approx(overlap, abs=0.012)
        if talkers == 2:  # the other one goes on, or there would be silence
            speaking = np.flatnonzero(_talkers_over_time(said))
            assert np.diff(speaking).max() < 2000
    assert who == set(range(talkers))


def test_who_is_away_comes_back_where_there_is_little_to_say():
    law = {"seconds": 120.0, "away": (40.0, 60.0)}
    for said in _drafts(_speech(2, count=3), **law):
        rests = [
            max(b.onset - a.end for a, b in zip(e, e[1:], strict=False))
            for e in said
        ]
        assert max(rests) >= 40


def test_nobody_else_is_there_to_be_away():
    (said,) = _drafts(_speech(1), 1, seconds=60.0, away=(20.0, 30.0))
    pauses = [
        b.onset - a.end for a, b in zip(said[0], said[0][1:], strict=False)
    ]
    assert max(pauses) < 2


def test_all_are_silent_when_everything_is_said():
    for said in _drafts(_speech(2, count=3), overlap=0.2):
        assert [len(events) for events in said] == [3, 3]
        assert max(events[-1].end for events in said) < 40


def test_what_is_cut_is_faded_and_the_rest_is_whole():
    law = {"longest": 10.0, "fade": 0.05, "overlap": 0.3}
    speech = _speech(2, "long")
    whole = {clip.path: clip.frames for clips in speech for clip in clips}
    starts = set()
    for said in _drafts(speech, **law):
        for event in (event for events in said for event in events):
            assert event.frames <= 10 * RATE
            rest = whole[event.path] - event.frames - event.start
            assert event.fade_in == 0.05 * (event.start > 0)
            assert event.fade_out == 0.05 * (rest > 0)
            starts.add(event.start > 0)
            if whole[event.path] <= 10 * RATE and event.end < 59:
                assert event.start == 0 and rest == 0
    assert starts == {True, False}


def test_a_stretch_of_a_file_is_never_left():
    clip = Clip("a", 20 * RATE, RATE, "0", start=3 * RATE)
    for said in _drafts([[clip]], longest=5.0):
        ((event,),) = said
        assert 3 * RATE <= event.start <= 18 * RATE
