"""Masks in place of complex spectra: the ends of a grid that learns fast.

A grid as published reads real and imaginary parts, and writes them. To tell
voices apart it first has to find magnitudes in what it reads, and to write a
talker it first has to be able to write the mixture. A small network does
neither in its first hours: both its estimates stay half of the mixture. Here
it reads logarithms of magnitudes, is told by a bias which band is which, and
writes how the talkers share each bin, half and half at first; with ``rest``
they leave some of it, so that all of them may be silent. It then cannot
change a phase, so that the best of masks stop at 14.5 dB of improvement (two
readers, 8 kHz, windows of 32 ms), and of several microphones it hears their
levels alone.

    spectra [B, M, T, F] -> log magnitudes [B, M, T, F] -> the grid's blocks
        -> logits [B, C, T, F] -> spectra of the sources [B, C, T, F]

From and to `nnet.tf_grid`, at both ends of the network.

Source: masks that share a mixture, Huang et al., arXiv 1502.04149, equation 2.
"""

import torch
import torch.nn.functional as F

FLOOR = 1e-4  # of magnitudes; a mixture of level 1 has bins of about 10
FIRST_SCALE = 0.02  # of the logits' first weights: nearly equal shares
REST = -3.0  # logit of what is nobody's: 2 % of a bin while the others are 0


def log_magnitude(spectrum: torch.Tensor) -> torch.Tensor:
    """Natural logarithm of the magnitudes.

    Arguments
    ---------
    spectrum : torch.Tensor
        Complex, any shape.

    Returns
    -------
    torch.Tensor
        Real, the same shape.

    Example
    -------
    >>> log_magnitude(torch.tensor([1j, 0j]))
    tensor([ 0.0000, -9.2103])
    """
    return spectrum.abs().clamp_min(FLOOR).log()


def shares(
    logits: torch.Tensor, spectrum: torch.Tensor, rest: bool = False
) -> torch.Tensor:
    """The talkers' shares of a spectrum, which add up to it.

    The rest needs no logit of its own: of logits that all grow by the same,
    the shares stay what they are, so that one of them may be fixed.

    Arguments
    ---------
    logits : torch.Tensor
        Real, shape ``[B, C, T, F]``.
    spectrum : torch.Tensor
        Complex, shape ``[B, T, F]``.
    rest : bool
        Whether something is left that is nobody's.

    Returns
    -------
    torch.Tensor
        Complex, shape ``[B, C, T, F]``.

    Example
    -------
    >>> shares(torch.zeros(1, 2, 1, 1), torch.full((1, 1, 1), 8j)).flatten()
    tensor([0.+4.j, 0.+4.j])
    """
    return share_weights(logits, rest) * spectrum.unsqueeze(1)


def share_weights(logits, rest=False):
    """The shares themselves, see ``shares``: ``[B, C, T, F]``."""
    if rest:
        padded = F.pad(logits, (0, 0, 0, 0, 0, 1), value=REST)
        return padded.softmax(dim=1)[:, :-1]
    return logits.softmax(dim=1)


@torch.no_grad()
def begin_equal(layer: torch.nn.Module) -> None:
    """Makes the first shares nearly equal.

    Arguments
    ---------
    layer : torch.nn.Module
        The last one, which gives the logits.
    """
    layer.weight.mul_(FIRST_SCALE)
    layer.bias.zero_()
