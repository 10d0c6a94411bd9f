"""Scores of separated speech, in dB: SI-SNR, SDR, SIR, SAR, and improvements.

SI-SNR: Luo & Mesgarani, arXiv 1809.07454. SDR, and its parts SIR (what is left
of the other sources) and SAR (what is of no source): BSS-eval (Vincent et al.,
2006) with distortion filters of 512 taps (``distortion``); they agree with
mir_eval.

All lie between -100 and 100 dB. Beyond that lies nothing that a 16-bit file
could hold, only the rounding of the arithmetic (mir_eval gives a perfect
estimate 280 dB), and one such figure would outweigh a whole test set.

A source without sound has no score. An improvement is undefined for it, and
also where the mixture is nothing but the source (``ALONE``): there is nothing
to improve. For silent sources ``below_mixture`` says what can be said.
"""

import math
from collections.abc import Sequence

import torch

from speechbrain_spmamba.scoring.choice import DEFAULT
from speechbrain_spmamba.scoring.distortion import explained_shares
from speechbrain_spmamba.scoring.loss import pairwise_neg_si_snr
from speechbrain_spmamba.scoring.perceptual import perceptual_scores
from speechbrain_spmamba.scoring.silence import silent_sources

BSS_TAPS = 512
FLOOR, CEILING = -100.0, 100.0  # dB
# dB, of a mixture that is its source but for the rounding of 16-bit files.
ALONE = 60.0


def si_snr(est: torch.Tensor, src: torch.Tensor) -> torch.Tensor:
    """Scale-invariant signal-to-noise ratio of each estimate.

    Arguments
    ---------
    est : torch.Tensor
        Estimates in the order of the sources, shape ``[T, S]``.
    src : torch.Tensor
        Sources, shape ``[T, S]``.

    Returns
    -------
    torch.Tensor
        dB, float64, shape ``[S]``; NaN where the source is silent.

    Example
    -------
    >>> src = torch.randn(1000, 2)
    >>> si_snr(3 * src, src)
    tensor([100., 100.], dtype=torch.float64)
    """
    est, src = _at_full_scale(est), _at_full_scale(src)
    loss = pairwise_neg_si_snr(est.unsqueeze(0), src.unsqueeze(0), eps=1e-20)
    scores = -loss[0].diagonal()
    scores[silent_sources(src.unsqueeze(0))[0]] = float("nan")
    return scores.clamp(FLOOR, CEILING)


def sdr(est: torch.Tensor, src: torch.Tensor) -> torch.Tensor:
    """Signal-to-distortion ratio of BSS-eval of each estimate.

    Arguments
    ---------
    est, src
        As for ``si_snr``.

    Returns
    -------
    torch.Tensor
        dB, float64, shape ``[S]``; NaN where the source is silent.

    Example
    -------
    >>> src = torch.randn(4000, 2)
    >>> sdr(3 * src, src)
    tensor([100., 100.], dtype=torch.float64)
    """
    return bss_eval(est, src)["sdr"]


def bss_eval(
    est: torch.Tensor,
    src: torch.Tensor,
    mix: torch.Tensor | None = None,
    together: bool = False,
) -> dict:
    """Ratios of BSS-eval of each estimate.

    Arguments
    ---------
    est, src
        As for ``si_snr``.
    mix : torch.Tensor, optional
        Mixture, shape ``[T]``.
    together : bool
        Also ``sir`` and ``sar``, which take longer.

    Returns
    -------
    dict
        ``sdr``, and ``sir`` and ``sar``, and ``sdr_of_mix``, the mixture's as
        an estimate of each source, in dB, float64, shape ``[S]``; NaN where
        the source is silent, SIR also where no other one has sound.

    Example
    -------
    >>> src = torch.randn(4000, 2)
    >>> found = bss_eval(src + 0.1 * src.flip(1), src, together=True)
    >>> list(found), found["sar"]
    (['sdr', 'sir', 'sar'], tensor([100., 100.], dtype=torch.float64))
    """
    talk = ~silent_sources(src.unsqueeze(0))[0]
    count = int(talk.sum())
    # As rows from here on: what lies side by side is summed fast.
    parts, chosen = [src.t(), est.t()], [talk, talk]
    if mix is not None:
        parts.append(mix.unsqueeze(0))
        chosen.append(torch.ones(1, dtype=torch.bool))
    signals = torch.cat(parts).contiguous()[torch.cat(chosen)]
    signals = _at_full_scale(signals, dim=1)
    ratios = {}
    if count:
        shares, of_all = _shares(
            signals[:count], signals[count:], count if together else 0
        )
        own = shares[:, :count].diagonal()
        ratios["sdr"] = own / (1 - own)
        if together:
            # Rounding may leave less to all than to one of them.
            others = (of_all - own).clamp_min(0)
            ratios["sir"] = own / others if count > 1 else others * math.nan
            ratios["sar"] = of_all / (1 - of_all)
        if mix is not None:
            of_mix = shares[:, count]
            ratios["sdr_of_mix"] = of_mix / (1 - of_mix)
    scores = {}
    names = ("sdr", "sir", "sar")[: 3 if together else 1]
    for name in (*names, *(["sdr_of_mix"] if mix is not None else [])):
        scores[name] = signals.new_full((len(talk),), math.nan)
        if count:
            found = 10 * torch.log10(ratios[name])
            scores[name][talk] = found.clamp(FLOOR, CEILING)
    return scores


def _shares(sources, estimates, together):
    """What ``explained_shares`` says of sources and estimates, ``[N, T]``.

    Rounding may leave [0, 1), where shares lie that sources explain. Some
    white noise 120 dB below the sources brings them back, and leaves perfect
    estimates above the ceiling.
    """
    taps = min(BSS_TAPS, sources.shape[1])
    found = explained_shares(sources, estimates, taps, together)
    lost = [~((shares >= 0) & (shares < 1)) for shares in found]
    if not any(some.any() for some in lost):
        return found
    loaded = explained_shares(sources, estimates, taps, together, 1e-12)
    return [torch.where(*x) for x in zip(lost, loaded, found, strict=True)]


def below_mixture(
    mix: torch.Tensor | None, est: torch.Tensor, src: torch.Tensor
) -> float:
    """How far the outputs for silent sources are below the mixture.

    Arguments
    ---------
    mix : torch.Tensor or None
        Mixture, shape ``[T]``.
    est, src
        As for ``si_snr``.

    Returns
    -------
    float
        dB, the mean over the silent sources; NaN without any, or a mixture. An
        output of nothing counts 100 dB, as does what is softer than that.

    Example
    -------
    >>> mix = torch.randn(1000)
    >>> est = torch.stack([mix, 0.1 * mix], dim=1)
    >>> round(below_mixture(mix, est, est * torch.tensor([1.0, 0.0])), 4)
    20.0
    """
    if mix is None:
        return float("nan")
    energy = est.double().square().sum(0)
    below = 10 * torch.log10(mix.double().square().sum() / energy)
    below = torch.where(energy == 0, CEILING, below.clamp(FLOOR, CEILING))
    return below[silent_sources(src.unsqueeze(0))[0]].mean().item()


def score(
    mix: torch.Tensor | None,
    est: torch.Tensor,
    src: torch.Tensor,
    metrics: Sequence[str] = DEFAULT,
    sample_rate: int | None = None,
) -> dict:
    """All scores of one mixture, means over its sources.

    Arguments
    ---------
    mix, est, src
        As for ``below_mixture``.
    metrics : list of str
        Keys of ``choice.METRICS``.
    sample_rate : int, optional
        In Hz; those of ``perceptual.py`` need it.

    Returns
    -------
    dict
        Column of ``choice.METRICS`` -> figure; improvements are there with a
        mixture alone. Sources for which one of them is undefined are left out
        of the means of all; NaN where none is left.

    Example
    -------
    >>> src = torch.randn(4000, 2)
    >>> scores = score(src.sum(1), src, src)
    >>> list(scores), scores["si_snri"] > 50
    (['si_snr', 'si_snri', 'sdr', 'sdri', 'sir', 'sar'], True)
    >>> list(score(None, src, src, ["sdr"]))
    ['sdr']
    """
    values, of_mix = {}, {}
    if "si_snr" in metrics:
        values["si_snr"] = si_snr(est, src)
        if mix is not None:
            mixes = mix.unsqueeze(-1).expand_as(src)
            of_mix["si_snr"] = si_snr(mixes, src)
    if parts := set(metrics) & {"sdr", "sir", "sar"}:
        values.update(bss_eval(est, src, mix, together=parts != {"sdr"}))
        if mix is not None and "sdr" in parts:
            of_mix["sdr"] = values["sdr_of_mix"]
    alone = torch.zeros(src.shape[1], dtype=torch.bool)
    for value in of_mix.values():
        alone |= value >= ALONE
    scores = {}
    talk = ~silent_sources(src.unsqueeze(0))[0]
    for name in metrics:
        if name not in values:
            assert sample_rate, f"{name} needs the sample rate"
            heard = est[:, talk], src[:, talk]
            scores.update(perceptual_scores(name, *heard, sample_rate))
            continue
        scores[name] = values[name].nanmean().item()
        if name in of_mix:
            gain = (values[name] - of_mix[name]).masked_fill(alone, math.nan)
            scores[f"{name}i"] = gain.nanmean().item()
    return scores


def _at_full_scale(signals, dim=0):
    """float64, at a level at which no square vanishes; silence stays.

    A constant becomes 1, of which exactly nothing is left without its mean.
    """
    signals = signals.double()
    peak = signals.abs().amax(dim, keepdim=True)
    return signals / torch.where(peak > 0, peak, 1.0)
