"""A grid network that hears no future, all at once or a few hops at a time.

    K hops [B, K * hop, M] -> spectra of K frames -> running level 1
        -> input_conv, input_norm -> map [B, K, F / band, D]
        -> CausalBlock, num_blocks times -> map -> output_conv
        -> spectra of the sources, of `lookahead` frames ago -> their level
        -> inverse STFT, the samples that are complete [B, K * hop, C]

What a module needs of the frames before is in a past (`nnet.past`): `advance`
with one goes on where it stopped, and gives what it would have given with all
hops at once. Every output lags ``lag`` samples behind the input; a sample waits
for at most a hop more, the algorithmic latency.

From `nnet.tf_grid`, of which these networks are, and from `nnet.streaming`; to
`nnet.causal_stft`, `nnet.running_level` and, block after block,
`nnet.causal_block`.

Departures from the network that hears everything, beside those of the block:
* frames end where the signal does, and give back their end (`causal_stft`);
* convolutions over three frames see the present and two past ones;
* the level is that of the last seconds, and the first norm is of each frame;
* the output of a frame may be that of an earlier one (`lookahead`), of which
  the network has then heard the future.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from speechbrain_spmamba.nnet.past import behind_past
from speechbrain_spmamba.nnet.running_level import running_level
from speechbrain_spmamba.nnet.waveform import take_mixture

if TYPE_CHECKING:
    from speechbrain_spmamba.nnet.tf_grid import TFGrid


BLOCK = 512  # frames at a time, where no gradient is wanted


@dataclass(frozen=True)
class Causal:
    """What makes a grid causal.

    Arguments
    ---------
    make_mixer : callable
        ``make_mixer(width)`` builds the sequence model along time, see
        ``nnet.causal_block.CausalPath``.
    synthesis_length : int
        Samples that a frame gives back, see ``nnet.causal_stft``.
    lookahead : int
        Frames that are heard before one is given back.
    attn_context : int
        Frames that attention sees, the present one included; 0 for none.
    """

    make_mixer: Callable
    synthesis_length: int
    lookahead: int
    attn_context: int


def causal_or_none(
    causal: bool,
    make_mixer: Callable,
    n_fft: int,
    synthesis_length: int | None,
    lookahead: int,
    attn_context: int,
) -> Causal | None:
    """What the arguments of a model say of its causal form.

    Arguments
    ---------
    causal : bool
        Whether it is wanted.
    n_fft : int
        Replaces a ``synthesis_length`` of None.
    make_mixer, synthesis_length, lookahead, attn_context
        See ``Causal``.

    Returns
    -------
    Causal or None
        None for a model that hears everything.

    Raises
    ------
    ValueError
        A negative number of frames, or latency for a model without.

    Example
    -------
    >>> causal_or_none(True, None, 512, None, 0, 128).synthesis_length
    512
    """
    for name, frames in (
        ("lookahead", lookahead),
        ("attn_context", attn_context),
    ):
        if frames < 0:
            raise ValueError(f"{name} is {frames}; give 0 frames or more")
    if causal:
        length = n_fft if synthesis_length is None else synthesis_length
        return Causal(make_mixer, length, lookahead, attn_context)
    if synthesis_length is not None or lookahead:
        raise ValueError(
            "synthesis_length and lookahead are of causal models; add "
            "causal=True"
        )
    return None


def separate_causally(
    grid: TFGrid, mix: torch.Tensor, lengths: torch.Tensor | None = None
) -> torch.Tensor:
    """Separates a batch of mixtures by a causal grid, see ``models``.

    Arguments
    ---------
    grid : TFGrid
        With ``causal``.
    mix, lengths
        See ``models``.

    Returns
    -------
    torch.Tensor
        Estimates, shape ``[B, T, C]``.
    """
    dtype = grid.input_conv.weight.dtype
    mix, _, valid = take_mixture(grid, mix, lengths, dtype, grid.num_mics)
    hop, samples = grid.stft.hop_length, mix.shape[1]
    missing = lag(grid) + -(samples + lag(grid)) % hop
    mix = F.pad(mix, (0, 0, 0, missing))
    if torch.is_grad_enabled() or mix.shape[1] <= BLOCK * hop:
        est = advance(grid, mix)
    else:
        past = {}
        parts = [advance(grid, p, past) for p in mix.split(BLOCK * hop, 1)]
        est = torch.cat(parts, 1)
    est = est[:, lag(grid) : lag(grid) + samples]
    # Nothing behind an item's end reaches it, so that lengths only cut.
    return est if valid is None else est * valid


def lag(grid):
    """Samples by which what ``advance`` returns is behind what it got."""
    return grid.stft.delay + grid.causal.lookahead * grid.stft.hop_length


@torch.no_grad()
def state_bytes(grid):
    """Bytes of a past, which is as large after one hop as after all."""
    past = {}
    hop = (1, grid.stft.hop_length, grid.num_mics)
    advance(grid, grid.input_conv.weight.new_zeros(hop), past)
    return sum(tensor.nbytes for tensor in past.values())


def advance(
    grid: TFGrid, mix: torch.Tensor, past: dict | None = None
) -> torch.Tensor:
    """Separates the next hops.

    Arguments
    ---------
    grid : TFGrid
        With ``causal``.
    mix : torch.Tensor
        Shape ``[B, K * hop_length, M]``.
    past : dict, optional
        Of the hops before, which is replaced by that of these; empty at first.
        Without, there was nothing, and nothing is kept.

    Returns
    -------
    torch.Tensor
        Shape ``[B, K * hop_length, C]``, ``lag`` samples behind.
    """
    stft, batch = grid.stft, len(mix)
    scale = running_level(mix, stft.hop_length, grid.sample_rate, past)
    waves = mix.transpose(1, 2).flatten(0, 1)  # [B * M, K * hop]
    spectrum = stft(waves, past).unflatten(0, (batch, -1))  # [B, M, K, bins]
    # As long as all is silent, so are the estimates.
    unit = torch.where(scale > 0, scale, 1.0)
    spectrum = spectrum / unit[:, None, :, None]

    x = behind_past(past, "input_conv", grid.features(spectrum), 2, axis=2)
    x = grid.input_conv(x).permute(0, 2, 3, 1)  # [B, K, bands, emb_dim]
    x = grid.input_norm(x)
    if grid.masks:
        x = x + grid.band_bias
    for index, block in enumerate(grid.blocks):
        x = block(x, past, f"blocks.{index}")
    frames = x.shape[1]
    x = behind_past(past, "output_conv", x.permute(0, 3, 1, 2), 2, axis=2)
    x = grid.output_conv(x)[:, :, 2 : 2 + frames]

    ahead, spectrum = grid.causal.lookahead, spectrum[:, 0]
    if ahead:
        spectrum = behind_past(past, "spectrum", spectrum, ahead, axis=1)
        scale = behind_past(past, "scale", scale, ahead, axis=1)
    spectra = grid.spectra(x.to(mix.dtype), spectrum[:, :frames])
    spectra = spectra * scale[:, None, :frames, None]
    waves = stft.inverse(spectra.flatten(0, 1), past)
    return waves.unflatten(0, (batch, -1)).transpose(1, 2)
