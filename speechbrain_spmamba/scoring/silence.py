"""Losses of estimates of which some should be silent.

SNR and SI-SNR are those of a source. Where it is silent, what can be asked for
is a silent output, and what can be measured is the output's level. Three
published forms:

* SNR whose energies have a small constant added (``pairwise_neg_snr``). It
  has no lower limit but the constant's, 60 to 80 dB below the other sources:
  one silent source outweighs a batch, for levels that nobody hears.
* Soft thresholds, on the level over that of the mixture and on the error of
  the active (Wisdom et al., arXiv 2011.00803): ``pairwise_neg_snr_or_level``.
* One ratio over all sources, sum of energies over sum of errors (SA-SDR, von
  Neumann et al., arXiv 2110.15581): defined unless all are silent, but the
  soft talkers of an item count little.

``benchmarks/silent_losses.py`` trains with each of them.
"""

import torch

from speechbrain_spmamba.nnet.waveform import count_samples, valid_mask
from speechbrain_spmamba.scoring.loss import (
    first_microphone,
    pairwise_neg_si_snr,
    without_padding,
)

TINY = 1e-12  # energy: 120 dB below one sample of full scale
LEVEL_RANGE = 30.0  # dB around the mixture, in validation


def pairwise_neg_snr_or_level(
    est: torch.Tensor,
    src: torch.Tensor,
    lengths: torch.Tensor | None = None,
    *,
    mix: torch.Tensor,
    most_snr: float = 30.0,
    most_below: float = 20.0,
) -> torch.Tensor:
    """Negative SNR; for a silent source, the level of the output instead.

    For training with any number of talkers:

        10 log10((n + t s) / s)              source energy s, error energy n
        10 log10((e + q m) / (m + q e))      source silent: output energy e,
                                             mixture energy m

    with t and q, powers of ten, from ``most_snr`` and ``most_below``: what is
    better than that is as good. Both are the soft thresholds of Wisdom et
    al.; the second has an upper limit as well, as in
    ``pairwise_neg_si_snr_or_level``. Gradients are finite everywhere, exact
    silence of all signals included.

    ``most_below`` also decides what becomes of an output that is needed
    seldom. One that gives a share p of the mixture, whoever talks, is pulled
    up by p where it is needed and down by p^2 / q where it is not, and comes
    to rest near p = q: 20 dB leave it at a hundredth, from where it learns;
    40 dB at 1/10,000, which no gradient reaches.

    Arguments
    ---------
    est, src, lengths
        As for ``pairwise_neg_snr``.
    mix : torch.Tensor
        Mixtures, shape ``[B, T]`` or, of several microphones, ``[B, T, M]``.
    most_snr : float
        dB of SNR from which on an estimate is good enough.
    most_below : float
        dB below the mixture from which on an output is silent.

    Returns
    -------
    torch.Tensor
        Loss in dB, shape ``[B, S, S]``, as ``pairwise_neg_snr``.

    Raises
    ------
    ValueError
        Shapes differ.

    Example
    -------
    >>> src = torch.randn(1, 1000, 1)
    >>> silence, mix = torch.zeros_like(src), src[..., 0]
    >>> for est, of in ((src, src), (silence, silence), (src / 10, silence)):
    ...     loss = pairwise_neg_snr_or_level(est, of, mix=mix)
    ...     print(round(loss.item(), 1))
    -30.0
    -20.0
    -17.0
    """
    silent = silent_sources(src, lengths).unsqueeze(1)
    level = relative_level(est, mix, lengths, most_below)
    est, src = without_padding(est, src, lengths)
    energy = src.square().sum(1).clamp_min(TINY).unsqueeze(1)  # [B, 1, S]
    noise = torch.stack(
        [(est - s.unsqueeze(-1)).square().sum(1) for s in src.unbind(-1)], -1
    )  # [B, S estimates, S sources]
    snr = noise / energy + 10 ** (-most_snr / 10)
    return 10 * torch.log10(torch.where(silent, level.unsqueeze(-1), snr))


def pairwise_neg_si_snr_or_level(
    est: torch.Tensor,
    src: torch.Tensor,
    lengths: torch.Tensor | None = None,
    *,
    mix: torch.Tensor,
) -> torch.Tensor:
    """Negative SI-SNR; for a silent source, the level of the output instead.

    SI-SNR cannot see how loud an output is that should be silent: it is the
    same for any level. There the loss is the output's level relative to the
    mixture, with energies e and m and t = 10^(-30 / 10),

        10 log10((e + t m) / (m + t e)),

    which falls with the output's level, from +30 dB through 0 dB at the level
    of the mixture to -30 dB for silence. Between the limits it is the level
    itself. The limits keep it in the range of SI-SNR, so that one silent
    source does not outweigh all others in a mean or an assignment: -30 is as
    good as 30 dB of SI-SNR. The lower one is the soft threshold of Wisdom et
    al.; the upper mirrors it, as models trained by SI-SNR have any level.

    Where no source is silent it is ``pairwise_neg_si_snr``.

    Arguments
    ---------
    est, src, lengths
        As for ``pairwise_neg_snr``.
    mix : torch.Tensor
        Mixtures, shape ``[B, T]`` or, of several microphones, ``[B, T, M]``.

    Returns
    -------
    torch.Tensor
        Loss in dB, float64, shape ``[B, S, S]``, as ``pairwise_neg_snr``.

    Raises
    ------
    ValueError
        Shapes differ.

    Example
    -------
    >>> src = torch.randn(1, 1000, 1)
    >>> silence = torch.zeros_like(src)
    >>> for level in (0.0, 0.1, 1.0, 1000.0):
    ...     loss = pairwise_neg_si_snr_or_level(
    ...         level * src, silence, mix=src[..., 0]
    ...     )
    ...     print(round(loss.item(), 2))
    -30.0
    -19.59
    0.0
    30.0
    """
    # In float64 any level counts, and no finite output overflows.
    est, src = est.double(), src.double()
    loss = pairwise_neg_si_snr(est, src, lengths)
    level = relative_level(est, mix.double(), lengths, LEVEL_RANGE)
    silent = silent_sources(src, lengths).unsqueeze(1)
    return torch.where(silent, 10 * torch.log10(level).unsqueeze(-1), loss)


def relative_level(
    est: torch.Tensor,
    mix: torch.Tensor,
    lengths: torch.Tensor | None,
    most: float,
) -> torch.Tensor:
    """Energy of each output over that of the mixture, between two limits.

    Arguments
    ---------
    est, mix, lengths
        As for ``pairwise_neg_snr_or_level``.
    most : float
        dB below and above the mixture that it comes close to.

    Returns
    -------
    torch.Tensor
        A ratio, shape ``[B, S]``.

    Example
    -------
    >>> est = torch.tensor([[[0.0, 1.0, 1e9]]])
    >>> relative_level(est, torch.ones(1, 1), None, 30.0)
    tensor([[1.0000e-03, 1.0000e+00, 1.0000e+03]])
    """
    mix = first_microphone(mix).unsqueeze(-1)
    whole = without_padding(mix, mix, lengths)[0].square().sum(1)
    energy = without_padding(est, est, lengths)[0].square().sum(1)
    whole = whole.clamp_min(TINY)
    least = 10 ** (-most / 10)
    return (energy + least * whole) / (whole + least * energy)


def silent_sources(
    src: torch.Tensor, lengths: torch.Tensor | None = None
) -> torch.Tensor:
    """Which sources have no sound: nothing, or an offset alone.

    Arguments
    ---------
    src, lengths
        As for ``pairwise_neg_snr``.

    Returns
    -------
    torch.Tensor
        bool, shape ``[B, S]``.

    Example
    -------
    >>> src = torch.tensor([[[0.1, 0.0, 0.5], [-0.1, 0.0, 0.5]]])
    >>> silent_sources(src)
    tensor([[False,  True,  True]])
    """
    if lengths is not None:
        count = count_samples(lengths, src.shape[1])
        inside = valid_mask(count, src.shape[1]).unsqueeze(-1)
        src = torch.where(inside, src, src[:, :1])
    return src.amax(1) == src.amin(1)
