"""Training losses: pairwise (SI-)SNR and the permutation that suits best.

A pairwise loss compares every estimate with every source; ``pit`` picks the
assignment. The two are apart so that any pairwise loss can be trained with.
One of your own is a function of estimates and sources ``[B, T, S]`` and
relative lengths ``[B]`` that returns ``[B, S, S]``, estimates x sources, the
smaller the better:

    >>> def pairwise_l1(est, src, lengths=None):
    ...     est, src = without_padding(est, src, lengths)
    ...     return (est.unsqueeze(3) - src.unsqueeze(2)).abs().sum(1)

An experiment names it, with arguments if it has more:

    train_loss: !name:my_losses.pairwise_l1

One that has an argument ``mix`` gets the mixtures by it.

Validation, which chooses the checkpoint, measures SI-SNR whatever is trained
with (``training.brain``).

Where sources may be silent, take those of ``scoring/silence.py``.

Sources: permutation invariant training, Kolbaek et al., arXiv 1703.06284;
SI-SNR, Luo & Mesgarani, arXiv 1809.07454, equation 17.
"""

from collections.abc import Callable
from itertools import permutations

import torch
from scipy.optimize import linear_sum_assignment

from speechbrain_spmamba.nnet.waveform import count_samples, valid_mask

EXHAUSTIVE_UP_TO = 3  # sources; above, the Hungarian algorithm is faster


def pairwise_neg_snr(
    est: torch.Tensor,
    src: torch.Tensor,
    lengths: torch.Tensor | None = None,
    zero_mean: bool = False,
    eps: float = 1e-8,
) -> torch.Tensor:
    """Negative signal-to-noise ratio of every estimate to every source.

    Arguments
    ---------
    est : torch.Tensor
        Estimates, shape ``[B, T, S]``.
    src : torch.Tensor
        Sources, shape ``[B, T, S]``.
    lengths : torch.Tensor, optional
        Relative lengths, shape ``[B]``; what lies behind them is not scored.
    zero_mean : bool
        Take the mean off both signals first.
    eps : float
        Added to both energies; keeps silence finite.

    Returns
    -------
    torch.Tensor
        Loss in dB, shape ``[B, S, S]``: ``[b, i, j]`` for estimate i taken
        as source j.

    Raises
    ------
    ValueError
        Shapes differ.

    Example
    -------
    >>> src = torch.tensor([[[3.0], [4.0]]])
    >>> round(pairwise_neg_snr(src * 1.1, src).item(), 2)
    -20.0
    """
    est, src = without_padding(est, src, lengths, zero_mean)
    energy = src.square().sum(1)  # [B, S]
    noise = torch.stack(
        [(est - s.unsqueeze(-1)).square().sum(1) for s in src.unbind(-1)], -1
    )  # [B, S estimates, S sources]
    # eps on both sides: a silent source then teaches its estimate silence.
    ratio = (energy.unsqueeze(1) + eps) / (noise + eps)
    return -10 * torch.log10(ratio)


def pairwise_neg_si_snr(
    est: torch.Tensor,
    src: torch.Tensor,
    lengths: torch.Tensor | None = None,
    zero_mean: bool = True,
    eps: float = 1e-8,
) -> torch.Tensor:
    """The same after scaling each source to fit the estimate best.

    Arguments
    ---------
    est, src, lengths, zero_mean, eps
        As for ``pairwise_neg_snr``; SI-SNR is defined without means.

    Returns
    -------
    torch.Tensor
        As ``pairwise_neg_snr``.

    Raises
    ------
    ValueError
        Shapes differ.

    Example
    -------
    >>> est, src = torch.randn(2, 1000, 3), torch.randn(2, 1000, 3)
    >>> a, b = pairwise_neg_si_snr(est, src), pairwise_neg_si_snr(5 * est, src)
    >>> torch.allclose(a, b, atol=1e-3)
    True
    """
    est, src = without_padding(est, src, lengths, zero_mean)
    losses = []
    for s in src.unbind(-1):
        s = s.unsqueeze(-1)
        gain = (est * s).sum(1, keepdim=True)
        target = gain / (s.square().sum(1, keepdim=True) + eps) * s
        noise = (est - target).square().sum(1)
        # Unlike above, eps must not make a silent estimate look like 0 dB.
        ratio = target.square().sum(1) / (noise + eps)
        losses.append(-10 * torch.log10(ratio + eps))
    return torch.stack(losses, -1)


def first_microphone(mix: torch.Tensor) -> torch.Tensor:
    """The channel that improvements are measured against.

    Arguments
    ---------
    mix : torch.Tensor
        Shape ``[B, T]`` or ``[B, T, M]``.

    Returns
    -------
    torch.Tensor
        Shape ``[B, T]``.

    Example
    -------
    >>> first_microphone(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]))
    tensor([[1., 3.]])
    """
    return mix if mix.dim() == 2 else mix[..., 0]


def pit(
    pairwise: Callable,
    est: torch.Tensor,
    src: torch.Tensor,
    lengths: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss under the best assignment of estimates to sources.

    Arguments
    ---------
    pairwise : callable
        ``pairwise(est, src, lengths) -> [B, S, S]``.
    est, src, lengths
        Its arguments, see ``pairwise_neg_snr``.

    Returns
    -------
    torch.Tensor
        Loss of each item, the mean over its sources, shape ``[B]``.
    torch.Tensor
        Permutation, shape ``[B, S]``: source j is estimated by
        ``est[b, :, permutation[b, j]]``, see ``reorder``.

    Example
    -------
    >>> src = torch.randn(1, 100, 3)
    >>> loss, order = pit(pairwise_neg_snr, src[..., [2, 0, 1]], src)
    >>> order
    tensor([[1, 2, 0]])
    """
    losses = pairwise(est, src, lengths)
    order = best_permutation(losses.detach())
    # losses[b, order[b, j], j] for every source j
    return losses.gather(1, order.unsqueeze(1)).squeeze(1).mean(-1), order


def best_permutation(losses: torch.Tensor) -> torch.Tensor:
    """The assignment with the smallest sum.

    Arguments
    ---------
    losses : torch.Tensor
        Shape ``[B, S, S]``, estimates x sources.

    Returns
    -------
    torch.Tensor
        Shape ``[B, S]``, the estimate of each source. An item whose losses
        are not finite keeps its order.

    Example
    -------
    >>> best_permutation(torch.tensor([[[2.0, 1.0], [1.0, 2.0]]]))
    tensor([[1, 0]])
    """
    num_src = losses.shape[-1]
    finite = torch.isfinite(losses).flatten(1).all(1)
    losses = torch.where(finite[:, None, None], losses, 0.0)
    if num_src <= EXHAUSTIVE_UP_TO:
        orders = torch.tensor(list(permutations(range(num_src))))
        orders = orders.to(losses.device, non_blocking=True)
        # [B, S!, S]: the loss of source j under each order
        picked = losses[:, orders, torch.arange(num_src, device=losses.device)]
        return orders[picked.sum(-1).argmin(1)]
    # linear_sum_assignment matches rows in order: give it sources as rows.
    matched = [
        torch.from_numpy(linear_sum_assignment(cost.T)[1])
        for cost in losses.cpu().numpy()
    ]
    return torch.stack(matched).to(losses.device)


def reorder(est: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """Puts estimates into the order of their sources.

    Arguments
    ---------
    est : torch.Tensor
        Shape ``[B, T, S]``.
    order : torch.Tensor
        Permutation that ``pit`` found, shape ``[B, S]``.

    Returns
    -------
    torch.Tensor
        Shape ``[B, T, S]``.

    Example
    -------
    >>> reorder(torch.tensor([[[7.0, 8.0]]]), torch.tensor([[1, 0]]))
    tensor([[[8., 7.]]])
    """
    return est.gather(2, order.unsqueeze(1).expand_as(est))


def without_padding(est, src, lengths=None, zero_mean=False):
    """Estimates and sources, float32 at least, that are 0 behind ``lengths``.

    Arguments and errors are those of ``pairwise_neg_snr``.
    """
    if est.shape != src.shape or est.dim() != 3:
        raise ValueError(
            f"estimates have shape {list(est.shape)}, sources "
            f"{list(src.shape)}; both must be [B, T, S]"
        )
    if est.dtype != torch.float64:
        est, src = est.float(), src.float()
    if lengths is None:
        mask, count = 1.0, est.shape[1]
    else:
        # To read lengths of a GPU would wait for it in each training step.
        on_host = lengths.device.type == "cpu"
        count = count_samples(lengths, est.shape[1], values=on_host)
        mask = valid_mask(count, est.shape[1]).unsqueeze(-1)
        count = count.view(-1, 1, 1)
    est, src = est * mask, src * mask
    if zero_mean:
        est = (est - est.sum(1, keepdim=True) / count) * mask
        src = (src - src.sum(1, keepdim=True) / count) * mask
    return est, src
