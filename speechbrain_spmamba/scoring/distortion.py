"""The share of an estimate that its source explains through a short filter.

The distortion filter of BSS-eval (Vincent et al., 2006) is the h of some taps
that brings source * h closest to the estimate. It solves R h = b, where R is
the Toeplitz matrix of the source's autocorrelation and b the correlation of
source and estimate, both at lags 0 to taps - 1. Of signals of unit energy it
explains the share b h (Scheibler, arXiv 2110.06440), all in float64.

So few lags of so long signals are summed over blocks that stay in the cache: a
transform of the whole signal takes several times as long.
"""

import torch
import torch.nn.functional as F

BLOCK, ROW = 4096, 16  # samples of a transform; transforms at a time


def explained_share(
    signals: torch.Tensor, taps: int, loading: float = 0.0
) -> torch.Tensor:
    """Energy of each estimate that the filtered source explains, over its own.

    Arguments
    ---------
    signals : torch.Tensor
        The source, which is not silent, and estimates of it, float64, shape
        ``[1 + E, T]``.
    taps : int
        Of the filter, at most T.
    loading : float
        Energy of white noise that is added to the source, over its own.

    Returns
    -------
    torch.Tensor
        Shape ``[E]``, 0 to 1 but for rounding.

    Example
    -------
    >>> source, noise = torch.eye(2, 9).double()
    >>> signals = torch.stack([source, source.roll(1), source + 2 * noise])
    >>> explained_share(signals, taps=1)
    tensor([0.0000, 0.2000], dtype=torch.float64)
    """
    norms = signals.norm(dim=1).clamp_min(torch.finfo(signals.dtype).tiny)
    found = correlations(signals, taps) / (norms * norms[0]).unsqueeze(1)
    own, others = found[0], found[1:].t()
    own[0] += loading
    lags = torch.arange(taps)
    matrix = own[(lags - lags.unsqueeze(1)).abs()]
    return (others * torch.linalg.solve(matrix, others)).sum(0)


def correlations(signals: torch.Tensor, lags: int) -> torch.Tensor:
    """Sums over t of first[t] * signal[t + lag], of each signal.

    Arguments
    ---------
    signals : torch.Tensor
        Shape ``[N, T]``; the first of them is correlated with all.
    lags : int
        From 0 on so many, fewer than ``BLOCK``.

    Returns
    -------
    torch.Tensor
        Shape ``[N, lags]``.

    Example
    -------
    >>> signals = torch.tensor([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]])
    >>> correlations(signals, 2).round()
    tensor([[14.,  8.],
            [ 2.,  1.]])
    """
    length, hop = signals.shape[1], BLOCK - lags
    count = -(-length // hop)
    signals = F.pad(signals, (0, count * hop + lags - length))
    heads = signals[0, : count * hop].view(count, hop)
    blocks = signals.unfold(1, BLOCK, hop)
    total = 0
    for head, block in zip(heads.split(ROW), blocks.split(ROW, 1), strict=True):
        # A head ends so many zeros before its block that no lag wraps around.
        spectrum = torch.fft.rfft(head, BLOCK).conj()
        total = total + (torch.fft.rfft(block) * spectrum).sum(1)
    return torch.fft.irfft(total, BLOCK)[:, :lags]
