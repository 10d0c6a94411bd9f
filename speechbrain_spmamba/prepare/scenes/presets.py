"""Published laws of conversations, as arguments of ``ConversationLaw``.

**LibriCSS** (Chen et al., arXiv 2001.11482; github.com/chenzhuo1011/libri_css).
Published: sessions of 10 minutes with 8 talkers of LibriSpeech test-clean, from
silence of 3 s on; whole utterances one by one, nobody over himself; six
conditions: no overlap with pauses of 0.1 to 0.5 s (``0S``) or 2.9 to 3.0 s
(``0L``), and overlap of 10 to 40 % with pauses of 0.1 to 1 s (``OV10`` ...
``OV40``). Its percentages count the *talkers'* time: r is the time of all
utterances that falls together with another over the time of all utterances,
which is r / (2 - r) of the time with speech. (Segments 1 to 8 of its scoring
references for OV40, session 0, "actual 39.5", give 0.397 in the one count and
0.247 in the other.) ``overlap`` here is the latter.

Departures: nobody speaks twice in a row while others have something to say; no
three speak at once (in those segments, they do for 0.6 s); where utterances
collide is drawn as in ``turns.py``; nothing is played back in a meeting room to
seven microphones, give ``room``; levels are those of ``ConversationLaw``.

**SparseLibriMix** (Cosentino et al., arXiv 2005.11262;
github.com/popcornell/SparseLibriMix). Published: 500 mixtures each of 2 or 3
talkers and of overlap 0, 0.2, 0.4, 0.6, 0.8, 1 from test-clean, with WHAM!
noise; one utterance of each talker is divided at its pauses, and the parts are
laid in turns, 0.05 s apart; each part has -33 to -25 LUFS and the noise -38 to
-30; 0.2 to 0.5 s of silence at both ends. Its first mixtures have parts of 1 to
5.5 s, and 2 to 13 s of speech in all.

Departures: to divide utterances at their pauses takes an alignment; here,
stretches of 5.5 s are cut from anywhere, and of several utterances; the length
of an item is drawn; the noise is measured from the middle of the talkers'
levels; and ``overlap`` is a share of the time with speech, where SparseLibriMix
covers that share of the part before.
"""

from speechbrain_spmamba.errors import did_you_mean

_LIBRICSS = {
    "seconds": 600.0,
    "num_spks": 8,
    "turn": (0.0, 0.0),  # one utterance
    "longest": 60.0,
    "margin": (3.0, 3.0),
    "pause": (0.1, 1.0),
}

PRESETS = {
    "libricss-0S": {**_LIBRICSS, "overlap": 0.0, "pause": (0.1, 0.5)},
    "libricss-0L": {**_LIBRICSS, "overlap": 0.0, "pause": (2.9, 3.0)},
    **{
        f"libricss-OV{r}": {**_LIBRICSS, "overlap": r / (200 - r)}
        for r in (10, 20, 30, 40)
    },
    "sparselibrimix": {
        "seconds": (4.0, 14.0),
        "num_spks": (2, 3),
        "overlap": 0.0,
        "turn": (0.0, 0.0),
        "longest": 5.5,
        "gap": (0.05, 0.05),
        "pause": (0.05, 0.05),
        "margin": (0.2, 0.5),
        "level": (-29.0, -29.0),
        "sir": (0.0, 0.0),
        "snr": (1.0, 9.0),
        "event_spread": 4.0,
    },
}


def find_preset(name: str | None) -> dict:
    """Finds a published law by its name.

    Arguments
    ---------
    name : str or None
        A key of ``PRESETS``.

    Returns
    -------
    dict
        Arguments of ``ConversationLaw``; without a name, none.

    Raises
    ------
    ValueError
        There is none of this name.

    Example
    -------
    >>> find_preset("libricss-0L")["pause"]
    (2.9, 3.0)
    >>> find_preset("libricss")
    Traceback (most recent call last):
        ...
    ValueError: preset is 'libricss'; expected one of libricss-0S, ...
    """
    if name is None:
        return {}
    if name not in PRESETS:
        raise ValueError(
            f"preset is {name!r}; expected one of {', '.join(PRESETS)}"
            f"{did_you_mean(str(name), PRESETS)}"
        )
    return PRESETS[name]
