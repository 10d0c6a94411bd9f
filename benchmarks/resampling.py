"""Another sample rate: soxr in blocks, against two shorter filters.

    python benchmarks/resampling.py

`sinc` is a sinc of six zero crossings within a raised-cosine window, as the
toolkit and torchaudio have it, gathered sample by sample; `polyphase` is
scipy's. The error is the largest difference of a tone at 0.875 of the lower
Nyquist frequency from that tone at the new rate.
"""

import argparse
import math
from functools import partial

import numpy as np
from measure import Table, in_turns
from scipy.signal import resample_poly

from speechbrain_spmamba.audio import resample_blocks

SECONDS = 60
BLOCK = 1 << 16  # samples
RATES = [(48000, 16000), (44100, 16000), (16000, 48000)]
ZERO_CROSSINGS, CUT_OFF = 6, 0.99


def sinc(wave, old, new):
    """The whole signal ``[T, C]``, in pieces."""
    common = math.gcd(old, new)
    old, new = old // common, new // common
    band = CUT_OFF * min(old, new) / old
    reach = math.ceil(ZERO_CROSSINGS / band)
    taps = np.arange(-reach, reach + 1)
    time = (taps - np.arange(new)[:, None] / new) * band
    time = time.clip(-ZERO_CROSSINGS, ZERO_CROSSINGS)
    window = np.cos(time * np.pi / ZERO_CROSSINGS / 2) ** 2
    table = (np.sinc(time) * window * band).astype("float32")
    padded = np.pad(wave, ((reach, reach + 1), (0, 0)))
    pieces, count = [], -(-len(wave) * new // old)
    for start in range(0, count, 1 << 14):
        place = np.arange(start, min(count, start + (1 << 14))) * old
        rows = (place // new)[:, None] + taps + reach
        weights = table[place % new]
        pieces.append(np.einsum("mk,mkc->mc", weights, padded[rows]))
    return np.concatenate(pieces)


def polyphase(wave, old, new):
    """The whole signal ``[T, C]``."""
    common = math.gcd(old, new)
    return resample_poly(wave, new // common, old // common)


def soxr(wave, old, new):
    """The whole signal ``[T, C]``, block by block."""
    blocks = np.split(wave, range(BLOCK, len(wave), BLOCK))
    return np.concatenate(list(resample_blocks(blocks, old, new)))


def tone(rate, hertz):
    """A tone, float32, ``[T, 1]``."""
    time = np.arange(SECONDS * rate) / rate
    return np.sin(2 * np.pi * hertz * time).astype("float32")[:, None]


def main():
    """Measures all rates and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    table = Table("resampling", "cpu")
    for old, new in RATES:
        hertz = 0.875 * min(old, new) / 2
        wave, wanted = tone(old, hertz), tone(new, hertz)
        variants = {
            method.__name__: partial(method, wave, old, new)
            for method in (sinc, polyphase, soxr)
        }
        errors = {
            name: np.abs(call() - wanted)[new:-new].max()
            for name, call in variants.items()
        }
        found = in_turns(variants, arguments.runs)
        table.add(f"{old} to {new} Hz, {SECONDS} s", found, "sinc", errors)


if __name__ == "__main__":
    main()
