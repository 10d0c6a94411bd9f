"""Shares of an estimate that sources explain through short filters.

The distortion filters of BSS-eval (Vincent et al., 2006) are those h_j of some
taps that bring the sum of source_j * h_j closest to the estimate. They solve
R h = b, where R is the matrix of the correlations of all sources, of Toeplitz
blocks, and b those of the sources and the estimate, both at lags 0 to taps - 1.
Of signals of unit energy they explain the share b h (Scheibler, arXiv
2110.06440), all in float64. With R = L L' that is the energy of inv(L) b.

With a, the share that its own source explains, and c, what all of them do, an
estimate has

    SDR = a / (1 - a)    SIR = a / (c - a)    SAR = c / (1 - c)

as what is explained by one source is part of what all explain.

So few lags of so long signals are summed over blocks that stay in the cache: a
transform of the whole signal takes several times as long.
"""

import torch
import torch.nn.functional as F

BLOCK, ROW = 4096, 8  # samples of a transform; transforms at a time


def explained_shares(
    sources: torch.Tensor,
    estimates: torch.Tensor,
    taps: int,
    together: int = 0,
    loading: float = 0.0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Energy of each estimate that filtered sources explain, over its own.

    Arguments
    ---------
    sources : torch.Tensor
        Not silent, float64, shape ``[S, T]``.
    estimates : torch.Tensor
        float64, shape ``[E, T]``.
    taps : int
        Of the filters, at most T.
    together : int
        Of so many estimates, the first, also what all sources explain.
    loading : float
        Energy of white noise that is added to each source, over its own.

    Returns
    -------
    torch.Tensor
        By each source alone, shape ``[S, E]``.
    torch.Tensor
        By all of them, shape ``[together]``. Both are 0 to 1 but for rounding;
        NaN where sources are, but for that, filtered forms of each other.

    Example
    -------
    >>> one, two, noise = torch.eye(3, 9).double()
    >>> estimates = torch.stack([one.roll(3), one + two + 2 * noise])
    >>> sources = torch.stack([one, two])
    >>> alone, of_all = explained_shares(sources, estimates, 1, together=2)
    >>> [[round(share, 3) for share in row] for row in alone.tolist()]
    [[0.0, 0.167], [0.0, 0.167]]
    >>> [round(share, 3) for share in of_all.tolist()]
    [0.0, 0.333]
    """
    count = len(sources)
    signals = torch.cat([sources, estimates])
    norms = signals.norm(dim=1).clamp_min(torch.finfo(signals.dtype).tiny)
    found = correlations(sources, signals, taps)
    found = found / (norms[:count, None] * norms).unsqueeze(2)
    own, others = found[:, :count], found[:, count:].transpose(1, 2)
    own.diagonal()[0] += loading
    # Lags from taps - 1 down to 1 - taps: of i before j those of j behind i.
    both = torch.cat([own.flip(2), own.transpose(0, 1)[..., 1:]], dim=2)
    # [i, a, j, b]: at lag a - b.
    matrix = both.unfold(2, taps, 1).flip(2).transpose(1, 2)
    index = torch.arange(count)
    alone = _share(matrix[index, :, index], others)
    if not together:
        return alone, alone.new_empty(0)
    matrix = matrix.reshape(1, count * taps, count * taps)
    others = others[..., :together].reshape(1, count * taps, together)
    return alone, _share(matrix, others)[0]


def _share(matrix, others):
    """Energy of inv(L) b, matrices ``[N, K, K]``, vectors ``[N, K, E]``."""
    root, failed = torch.linalg.cholesky_ex(matrix)
    solved = torch.linalg.solve_triangular(root, others, upper=False)
    shares = solved.square().sum(1)
    return shares.masked_fill(failed.unsqueeze(1) > 0, float("nan"))


def correlations(
    heads: torch.Tensor, signals: torch.Tensor, lags: int
) -> torch.Tensor:
    """Sums over t of head[t] * signal[t + lag], of each head and signal.

    Arguments
    ---------
    heads : torch.Tensor
        Shape ``[S, T]``.
    signals : torch.Tensor
        Shape ``[N, T]``.
    lags : int
        From 0 on so many, fewer than ``BLOCK``.

    Returns
    -------
    torch.Tensor
        Shape ``[S, N, lags]``.

    Example
    -------
    >>> signals = torch.tensor([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]])
    >>> correlations(signals[:1], signals, 2).round()
    tensor([[[14.,  8.],
             [ 2.,  1.]]])
    """
    length, hop = signals.shape[1], BLOCK - lags
    count = -(-length // hop)
    heads = F.pad(heads, (0, count * hop - length)).unflatten(1, (count, hop))
    blocks = F.pad(signals, (0, count * hop + lags - length))
    blocks = blocks.unfold(1, BLOCK, hop)
    total = 0
    for head, block in zip(
        heads.split(ROW, 1), blocks.split(ROW, 1), strict=True
    ):
        # A head ends so many zeros before its block that no lag wraps around.
        of_heads = torch.fft.rfft(head, BLOCK).conj()
        of_blocks = torch.fft.rfft(block)
        total = total + torch.stack(
            [(of_blocks * one).sum(1) for one in of_heads]
        )
    return torch.fft.irfft(total, BLOCK)[..., :lags]
