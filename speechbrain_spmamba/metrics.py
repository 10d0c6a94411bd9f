"""Scores of separated speech, in dB: SI-SNR and SDR, and their improvements.

SI-SNR: Luo & Mesgarani, arXiv 1809.07454. SDR: BSS-eval (Vincent et al.,
2006) with a distortion filter of 512 taps, in float64, by torchmetrics; it
agrees with mir_eval.
"""

import torch
from torchmetrics.functional.audio import signal_distortion_ratio

from speechbrain_spmamba.loss import pairwise_neg_si_snr

SDR_TAPS = 512
FLOOR = -100.0  # dB; what a silent estimate scores instead of -infinity


def si_snr(est, src):
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
    >>> bool((si_snr(3 * src, src) > 100).all())
    True
    """
    est, src = est.double().unsqueeze(0), src.double().unsqueeze(0)
    score = -pairwise_neg_si_snr(est, src, eps=1e-20)[0].diagonal()
    return _undefined_for_silence(score.clamp_min(FLOOR), src[0])


def sdr(est, src):
    """Signal-to-distortion ratio of BSS-eval of each estimate.

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
    >>> sdr(torch.randn(4000, 2), torch.randn(4000, 2)).shape
    torch.Size([2])
    """
    scores = []
    for estimate, source in zip(est.T.double(), src.T.double(), strict=True):
        if source.abs().max() == 0:
            scores.append(estimate.new_tensor(float("nan")))
        elif estimate.abs().max() == 0:
            scores.append(estimate.new_tensor(FLOOR))
        else:
            # torchmetrics squares norms: bring both signals to one level.
            scores.append(
                signal_distortion_ratio(
                    estimate / estimate.std(),
                    source / source.std(),
                    filter_length=min(SDR_TAPS, len(source)),
                )
            )
    return torch.stack(scores).clamp_min(FLOOR)


def score(mix, est, src):
    """All scores of one mixture, means over its sources.

    Arguments
    ---------
    mix : torch.Tensor
        Mixture, shape ``[T]``.
    est : torch.Tensor
        Estimates in the order of the sources, shape ``[T, S]``.
    src : torch.Tensor
        Sources, shape ``[T, S]``.

    Returns
    -------
    dict
        ``si_snr``, ``si_snri``, ``sdr``, ``sdri`` in dB. Silent sources are
        left out of the means.

    Example
    -------
    >>> src = torch.randn(4000, 2)
    >>> scores = score(src.sum(1), src, src)
    >>> list(scores), scores["si_snri"] > 50
    (['si_snr', 'si_snri', 'sdr', 'sdri'], True)
    """
    mixes = mix.unsqueeze(-1).expand_as(src)
    scores = {}
    for name, metric in (("si_snr", si_snr), ("sdr", sdr)):
        after = metric(est, src)
        scores[name] = after.nanmean().item()
        scores[f"{name}i"] = (after - metric(mixes, src)).nanmean().item()
    return scores


def _undefined_for_silence(scores, src):
    """NaN where a source has no sound."""
    silent = src.abs().amax(0) == 0
    return torch.where(silent, float("nan"), scores)
