"""Scores of separated speech, in dB: SI-SNR and SDR, and their improvements.

SI-SNR: Luo & Mesgarani, arXiv 1809.07454. SDR: BSS-eval (Vincent et al.,
2006) with a distortion filter of 512 taps (``distortion``); it agrees with
mir_eval.

Both lie between -100 and 100 dB. Beyond that lies nothing that a 16-bit file
could hold, only the rounding of the arithmetic (mir_eval gives a perfect
estimate 280 dB), and one such figure would outweigh a whole test set.

A source without sound has no score. An improvement is undefined for it, and
also where the mixture is nothing but the source (``ALONE``): there is nothing
to improve. For silent sources ``below_mixture`` says what can be said.
"""

from collections.abc import Sequence

import torch

from speechbrain_spmamba.scoring.distortion import explained_share
from speechbrain_spmamba.scoring.loss import pairwise_neg_si_snr
from speechbrain_spmamba.scoring.silence import silent_sources

SDR_TAPS = 512
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
    return _sdr_of_all([est], src)[0]


def _si_snr_of_all(estimates, src):
    """SI-SNR of several estimates of the same sources, as below."""
    return torch.stack([si_snr(est, src) for est in estimates])


def _sdr_of_all(estimates, src):
    """SDR of several estimates ``[T, S]`` of the same sources, ``[E, S]``."""
    signals = torch.stack([src, *estimates]).permute(2, 0, 1).contiguous()
    signals = _at_full_scale(signals, dim=2)
    silent = silent_sources(signals[:, 0].t().unsqueeze(0))[0]
    scores = signals.new_full((len(estimates), len(signals)), float("nan"))
    for index in torch.nonzero(~silent).flatten().tolist():
        scores[:, index] = _sdr(signals[index])
    return scores.clamp(FLOOR, CEILING)


def _sdr(signals):
    """SDR of the estimates ``[E]`` of a source: ``[1 + E, T]``, it first."""
    taps = min(SDR_TAPS, signals.shape[1])
    scores = _in_db(explained_share(signals, taps))
    lost = scores.isnan()
    if lost.any():
        # Rounding has left (0, 1), where the share of the estimate lies that
        # the source explains. Some white noise 120 dB below the source brings
        # it back, and leaves perfect estimates above the ceiling.
        signals = torch.cat([signals[:1], signals[1:][lost]])
        scores[lost] = _in_db(explained_share(signals, taps, loading=1e-12))
    return scores


def _in_db(share):
    return 10 * torch.log10(share / (1 - share))


def below_mixture(
    mix: torch.Tensor, est: torch.Tensor, src: torch.Tensor
) -> float:
    """How far the outputs for silent sources are below the mixture.

    Arguments
    ---------
    mix : torch.Tensor
        Mixture, shape ``[T]``.
    est, src
        As for ``si_snr``.

    Returns
    -------
    float
        dB, the mean over the silent sources; NaN where there is none. An
        output of nothing counts 100 dB, as does what is softer than that.

    Example
    -------
    >>> mix = torch.randn(1000)
    >>> est = torch.stack([mix, 0.1 * mix], dim=1)
    >>> round(below_mixture(mix, est, est * torch.tensor([1.0, 0.0])), 4)
    20.0
    """
    energy = est.double().square().sum(0)
    below = 10 * torch.log10(mix.double().square().sum() / energy)
    below = torch.where(energy == 0, CEILING, below.clamp(FLOOR, CEILING))
    return below[silent_sources(src.unsqueeze(0))[0]].mean().item()


def score(
    mix: torch.Tensor,
    est: torch.Tensor,
    src: torch.Tensor,
    metrics: Sequence[str] = ("si_snr", "sdr"),
) -> dict:
    """All scores of one mixture, means over its sources.

    Arguments
    ---------
    mix, est, src
        As for ``below_mixture``.
    metrics : list of str
        ``si_snr``, ``sdr`` or both.

    Returns
    -------
    dict
        ``si_snr``, ``si_snri``, ``sdr``, ``sdri`` in dB. Sources for which
        one of them is undefined are left out of the means of both; NaN where
        none is left.

    Example
    -------
    >>> src = torch.randn(4000, 2)
    >>> scores = score(src.sum(1), src, src)
    >>> list(scores), scores["si_snri"] > 50
    (['si_snr', 'si_snri', 'sdr', 'sdri'], True)
    """
    mixes = mix.unsqueeze(-1).expand_as(src)
    known = {"si_snr": _si_snr_of_all, "sdr": _sdr_of_all}
    values = [known[name]([mixes, est], src) for name in metrics]
    of_mix, of_est = torch.stack(values, dim=1)
    gain = of_est - of_mix
    gain[:, (of_mix >= ALONE).any(0)] = float("nan")
    scores = {}
    for name, value, improvement in zip(metrics, of_est, gain, strict=True):
        scores[name] = value.nanmean().item()
        scores[f"{name}i"] = improvement.nanmean().item()
    return scores


def _at_full_scale(signals, dim=0):
    """float64, at a level at which no square vanishes; silence stays.

    A constant becomes 1, of which exactly nothing is left without its mean.
    """
    signals = signals.double()
    peak = signals.abs().amax(dim, keepdim=True)
    return signals / torch.where(peak > 0, peak, 1.0)
