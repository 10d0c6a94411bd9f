"""Scores that predict what listeners say, by the packages that define them.

PESQ     ITU-T P.862.2, wide band at 16 kHz, and P.862.1, narrow band at 8 kHz:
         a mean opinion, about 1 to 4.6. By ``pesq``.
STOI     Taal et al., IEEE TASL 19(7), 2011: up to 1. By ``pystoi``.
ESTOI    Jensen & Taal, IEEE/ACM TASLP 24(11), 2016: up to 1. By ``pystoi``.
DNSMOS   Reddy et al., arXiv 2110.01763 (P.835: overall, speech, background) and
         arXiv 2010.15258 (P.808): mean opinions, 1 to 5, from the estimate
         alone. By ``speechmos``, at 16 kHz.

A figure that its package refuses or makes up is undefined: PESQ of less than a
quarter of a second, without an utterance, or of a silent estimate; STOI of less
than 0.4 s of speech. None but DNSMOS depends on the level of an estimate; that
takes it as it is, and what is beyond full scale at full scale.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


SHORTEST = {"pesq": 0.25, "stoi": 0.4, "estoi": 0.4}  # seconds


def perceptual_scores(
    name: str, est: torch.Tensor, src: torch.Tensor, sample_rate: int
) -> dict:
    """One score of several sources.

    Arguments
    ---------
    name : str
        A key of ``SCORES``.
    est : torch.Tensor
        Estimates in the order of the sources, shape ``[T, S]``.
    src : torch.Tensor
        Sources, none of them silent, shape ``[T, S]``.
    sample_rate : int
        Their rate in Hz.

    Returns
    -------
    dict
        Column of ``choice.METRICS`` -> mean over the sources for which it is
        defined, NaN without any.
    """
    if len(src) < SHORTEST.get(name, 0) * sample_rate:
        est, src = est[:, :0], src[:, :0]
    pairs = zip(est.double().numpy().T, src.double().numpy().T, strict=True)
    found = [SCORES[name](*pair, sample_rate) for pair in pairs]
    return {
        column: _mean([scores[place] for scores in found])
        for place, column in enumerate(COLUMNS.get(name, (name,)))
    }


def _mean(values):
    """Mean of what is defined."""
    values = [value for value in values if not math.isnan(value)]
    return float(np.mean(values)) if values else math.nan


def _pesq(est, src, sample_rate):
    from pesq import BufferTooShortError, NoUtterancesError, pesq

    if est.max() == est.min():
        return (math.nan,)
    band = "wb" if sample_rate == 16000 else "nb"
    try:
        return (pesq(sample_rate, src, est, band),)
    except (BufferTooShortError, NoUtterancesError):
        return (math.nan,)


def _stoi(est, src, sample_rate, extended=False):
    from pystoi import stoi

    # Its noise of 1e-16 makes each call another one in the last digits.
    state = np.random.get_state()
    np.random.seed(0)
    try:
        with warnings.catch_warnings():
            # It warns of too little speech, and gives 0.00001.
            warnings.simplefilter("error", RuntimeWarning)
            return (stoi(src, est, sample_rate, extended),)
    except RuntimeWarning:
        return (math.nan,)
    finally:
        np.random.set_state(state)


def _estoi(est, src, sample_rate):
    return _stoi(est, src, sample_rate, extended=True)


def _dnsmos(est, src, sample_rate):
    from speechmos import dnsmos

    est = est / max(1.0, np.abs(est).max())
    found = dnsmos.run(est, sample_rate)
    return [float(found[name]) for name in DNSMOS.values()]


DNSMOS = {
    "dnsmos": "ovrl_mos",
    "dnsmos_sig": "sig_mos",
    "dnsmos_bak": "bak_mos",
    "dnsmos_p808": "p808_mos",
}
COLUMNS = {"dnsmos": tuple(DNSMOS)}
SCORES = {"pesq": _pesq, "stoi": _stoi, "estoi": _estoi, "dnsmos": _dnsmos}
