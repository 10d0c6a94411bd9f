"""What made-up talkers say: syllables, words and phrases, as a script.

Nothing here makes sound; ``voices`` does. All randomness comes from the
generator ``rng``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from speechbrain_spmamba.prepare.made_up.voices import Voice


SILENT = -90.0  # dB


class Phone(NamedTuple):
    """One stretch of sound.

    Arguments
    ---------
    seconds : float
        Length.
    voice, breath, hiss : float
        Levels in dB: of the vibrating vocal folds relative to a stressed
        vowel, of noise that the whole vocal tract shapes, and of noise born
        at a constriction near the lips.
    hiss_hz, hiss_width : float
        Centre and width of the band of the hiss.
    formants : tuple
        F1, F2 and F3 in Hz; empty: on the way from one neighbour to the other.
    """

    seconds: float
    voice: float = SILENT
    breath: float = SILENT
    hiss: float = SILENT
    hiss_hz: float = 4000.0
    hiss_width: float = 2000.0
    formants: tuple = ()


# F1-F3 of men's American English vowels (Peterson and Barney, 1952, table II).
VOWELS = {
    "EE": (270, 2290, 3010),
    "I": (390, 1990, 2550),
    "E": (530, 1840, 2480),
    "A": (660, 1720, 2410),
    "AH": (730, 1090, 2440),
    "O": (570, 840, 2410),
    "U": (440, 1020, 2240),
    "OO": (300, 870, 2240),
    "UH": (640, 1190, 2390),
    "ER": (490, 1350, 1690),
}
GLIDES = (("AH", "I"), ("AH", "U"), ("O", "I"), ("E", "I"), ("O", "OO"))

LABIAL, DENTAL, VELAR = (320, 900, 2200), (320, 1750, 2650), (320, 2050, 2450)
CONSONANTS = {
    "M": [Phone(0.07, voice=-9, formants=(270, 1000, 2200))],
    "N": [Phone(0.06, voice=-9, formants=(270, 1650, 2600))],
    "L": [Phone(0.06, voice=-5, formants=(360, 1150, 2750))],
    "R": [Phone(0.06, voice=-4, formants=(350, 1150, 1650))],
    "W": [Phone(0.06, voice=-5, formants=(300, 700, 2300))],
    "Y": [Phone(0.05, voice=-5, formants=(280, 2200, 3000))],
    "S": [Phone(0.10, SILENT, SILENT, -3, 6000, 1300, DENTAL)],
    "SH": [Phone(0.10, SILENT, SILENT, -5, 3400, 1000, DENTAL)],
    "F": [Phone(0.09, SILENT, SILENT, -17, 4500, 3500, LABIAL)],
    "Z": [Phone(0.08, -12, SILENT, -10, 6000, 1500, DENTAL)],
    "V": [Phone(0.06, -9, SILENT, -22, 4500, 3500, LABIAL)],
    "H": [Phone(0.06, SILENT, -11)],
    "P": [
        Phone(0.06, formants=LABIAL),
        Phone(0.01, SILENT, SILENT, -12, 1000, 1200, LABIAL),
        Phone(0.03, SILENT, -14),
    ],
    "T": [
        Phone(0.05, formants=DENTAL),
        Phone(0.012, SILENT, SILENT, -4, 4500, 1800, DENTAL),
        Phone(0.035, SILENT, -15),
    ],
    "K": [
        Phone(0.05, formants=VELAR),
        Phone(0.015, SILENT, SILENT, -7, 2000, 700, VELAR),
        Phone(0.035, SILENT, -13),
    ],
    "B": [
        Phone(0.05, voice=-20, formants=LABIAL),
        Phone(0.008, -12, SILENT, -16, 900, 1000, LABIAL),
    ],
    "D": [
        Phone(0.045, voice=-20, formants=DENTAL),
        Phone(0.008, -12, SILENT, -10, 4000, 1800, DENTAL),
    ],
    "G": [
        Phone(0.045, voice=-20, formants=VELAR),
        Phone(0.01, -12, SILENT, -11, 1900, 700, VELAR),
    ],
}
CODAS = ("N", "M", "L", "R", "S", "T", "K", "D", "Z", "SH")


@dataclass
class Script:
    """What is to be said.

    Arguments
    ---------
    phones : list of Phone
        End to end, pauses included.
    words : list of str
        The spelling.
    phrases : list of tuple
        (start, end) in seconds.
    accents : list of tuple
        (time in seconds, rise of the pitch in semitones).
    """

    phones: list = field(default_factory=list)
    words: list = field(default_factory=list)
    phrases: list = field(default_factory=list)
    accents: list = field(default_factory=list)


def _draw_syllable(voice, rng):
    """One syllable: its spelling and its phones."""
    onset = rng.choice(list(CONSONANTS)) if rng.random() < 0.85 else ""
    coda = rng.choice(CODAS) if rng.random() < 0.4 else ""
    if rng.random() < 0.25:
        nucleus = GLIDES[rng.integers(len(GLIDES))]
    else:
        nucleus = (rng.choice(list(VOWELS)),)
    edges = [list(CONSONANTS.get(part, ())) for part in (onset, coda)]
    taken = sum(phone.seconds for phone in edges[0] + edges[1])
    wanted = rng.uniform(0.75, 1.3) / voice.syllables
    each = max(wanted - taken, 0.07) / len(nucleus)
    level = rng.uniform(-9.0, 0.0)  # stressed syllables are louder
    vowels = [
        Phone(each, level, voice.breath + level, formants=VOWELS[name])
        for name in nucleus
    ]
    return onset + "".join(nucleus) + coda, edges[0] + vowels + edges[1]


def write_script(
    voice: Voice, rng: np.random.Generator, seconds: float
) -> Script:
    """Fills a time with phrases and pauses.

    Arguments
    ---------
    voice : Voice
        Its rate, phrase and pause lengths, pitch range and breath are used.
    seconds : float
        Time to fill, at least 1 s.

    Returns
    -------
    Script
        A little longer than ``seconds``, with at least one word.

    Example
    -------
    >>> from speechbrain_spmamba.prepare.made_up.voices import draw_voice
    >>> rng = np.random.default_rng(0)
    >>> script = write_script(draw_voice(rng), rng, 2.0)
    >>> all(0 < end < 2 for start, end in script.phrases)
    True
    """
    script = Script()
    now = rng.uniform(0.05, 0.25)
    script.phones.append(Phone(now))
    while seconds - now > 0.7:
        start = now
        stop = start + np.clip(voice.phrase * rng.normal(1, 0.3), 0.9, 3.2)
        stop = min(stop, seconds - 0.05)
        full = False
        while not full:
            word = ""
            for _ in range(rng.choice((1, 2, 3), p=(0.5, 0.35, 0.15))):
                spelling, phones = _draw_syllable(voice, rng)
                length = sum(phone.seconds for phone in phones)
                full = now + length > stop
                if full:
                    break
                if rng.random() < 0.45:
                    height = voice.pitch_range * rng.uniform(0.6, 1.6)
                    script.accents.append((now + 0.6 * length, height))
                script.phones += phones
                word += spelling
                now += length
            if word:
                script.words.append(word)
        script.phrases.append((start, now))
        pause = float(np.clip(voice.pause * rng.normal(1, 0.3), 0.15, 0.6))
        script.phones.append(Phone(pause))
        now += pause
    # The last pause reaches the end whatever the arithmetic above left over.
    script.phones.append(Phone(max(seconds - now, 0.0) + 0.1))
    return script
