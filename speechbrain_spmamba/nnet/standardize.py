"""Mixtures of mean 0 and standard deviation 1, and their sources scaled back.

Some published code does this to every recording before its network, and the
reverse behind it: weights that were trained so work at no other level.

From `models.sudormrf` or `models.tdanet`; to its network, and back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from speechbrain_spmamba.nnet.waveform import level, take_mixture

if TYPE_CHECKING:
    import torch


def separate_standardized(
    model: torch.nn.Module,
    separate: Callable,
    mix: torch.Tensor,
    lengths: torch.Tensor | None = None,
) -> torch.Tensor:
    """Separates ``(mix - mean) / std``, then scales and shifts back.

    Arguments
    ---------
    model : torch.nn.Module
        The model, which is asked for its rate and precision.
    separate : callable
        ``separate(mix, lengths) -> [B, T, num_spks]``.
    mix : torch.Tensor
        Shape ``[B, T]``.
    lengths : torch.Tensor, optional
        Relative lengths in (0, 1], shape ``[B]``; mean and deviation are
        those of the valid samples.

    Returns
    -------
    torch.Tensor
        Shape ``[B, T, num_spks]``.

    Example
    -------
    >>> import torch
    >>> from speechbrain_spmamba.models import build_model
    >>> model = build_model("sudormrf", num_blocks=1)
    >>> def copy(mix, lengths):
    ...     print(f"{mix.mean().abs():.2f} {mix.std():.2f}")
    ...     return mix.unsqueeze(-1)
    >>> mix = 3 * torch.randn(1, 1000) + 5
    >>> est = separate_standardized(model, copy, mix)
    0.00 1.00
    >>> torch.allclose(est[..., 0], mix, atol=1e-4)
    True
    """
    dtype = next(model.parameters()).dtype
    mix, count, valid = take_mixture(model, mix, lengths, dtype)  # [B, T, 1]
    samples = mix.shape[1] if count is None else count.view(-1, 1, 1)
    mean = mix.sum(1, keepdim=True) / samples
    std = level(mix, count)
    # As published; only digital silence has no level here, and stays silent.
    unit = (mix - mean) / (std + 1e-9)
    unit = unit if valid is None else unit * valid
    est = separate(unit.squeeze(-1), lengths) * std + mean
    return est if valid is None else est * valid
