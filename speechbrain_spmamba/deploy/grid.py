"""A grid network in the form that an ONNX file has: real numbers, one length.

The same numbers as `nnet.tf_grid` gives without ``lengths``. What differs:
* spectra are pairs of real and imaginary parts (`deploy.real_stft`);
* both paths of a block are one operator, which the file defines
  (`deploy.path_function`);
* norms are those of `deploy.layers`.

From `deploy.onnx_file`, which makes a file of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn as nn
import torch.nn.functional as F

from speechbrain_spmamba.deploy.path_function import (
    PATH,
    PATHS,
    mixer_of,
    path_function,
    paths_function,
)
from speechbrain_spmamba.deploy.real_stft import RealSTFT
from speechbrain_spmamba.deploy.scan_function import DOMAIN
from speechbrain_spmamba.nnet.spectral_masks import FLOOR, share_weights
from speechbrain_spmamba.nnet.waveform import level

if TYPE_CHECKING:
    from speechbrain_spmamba.nnet.grid_block import GridBlock
    from speechbrain_spmamba.nnet.mamba_path import MambaPath
    from speechbrain_spmamba.nnet.tf_grid import TFGrid


class RealGrid(nn.Module):
    """A grid that hears everything, without complex numbers.

    Arguments
    ---------
    grid : nnet.tf_grid.TFGrid
        The model, which stays as it is.

    Attributes
    ----------
    functions : list of str
        What the operators of its own are, see ``path_function``.

    Shape
    -----
    As for the model.
    """

    def __init__(self, grid: TFGrid) -> None:
        super().__init__()
        block = grid.blocks[0]
        self.functions = [path_function(block.intra), paths_function(block)]
        self.blocks = nn.ModuleList(map(RealBlock, grid.blocks))
        self.grid = grid
        self.stft = RealSTFT(grid.stft)

    def forward(self, mix: torch.Tensor) -> torch.Tensor:
        """Separates a batch of mixtures."""
        mix = mix.unsqueeze(-1) if mix.dim() == 2 else mix
        batch, samples, mics = mix.shape
        scale = level(mix)
        mix = mix / torch.where(scale > 0, scale, 1.0)
        parts = self.stft(mix.transpose(1, 2).flatten(0, 1))
        real, imag = (x.unflatten(0, (batch, mics)) for x in parts)
        x = self.grid.input_conv(features(self.grid, real, imag))
        x = self.grid.input_norm(x.permute(0, 2, 3, 1))
        if self.grid.masks:
            x = x + self.grid.band_bias
        for block in self.blocks:
            x = block(x)
        x = self.grid.output_conv(x.permute(0, 3, 1, 2))
        parts = spectra(self.grid, x, real[:, 0], imag[:, 0])
        waves = self.stft.inverse(*(x.flatten(0, 1) for x in parts), samples)
        return waves.unflatten(0, (batch, -1)).transpose(1, 2) * scale


def features(grid, real, imag):
    """``TFGrid.features`` of the parts of a spectrum."""
    if grid.masks:
        magnitude = (real.square() + imag.square()).sqrt()
        x = magnitude.clamp_min(FLOOR).log()
    else:
        x = torch.cat([real, imag], dim=1)
    return F.pad(x, (0, -x.shape[-1] % grid.band))


def spectra(grid, x, real, imag):
    """``TFGrid.spectra``: real and imaginary parts, ``[B, C, T, bins]``."""
    x = x[..., : real.shape[-1]]
    if grid.masks:
        x = share_weights(x, grid.rest)
        return x * real.unsqueeze(1), x * imag.unsqueeze(1)
    return x.unflatten(1, (-1, 2)).unbind(2)


def frozen(tensors):
    """Tensors as parameters without gradients, of which a file has one each."""
    return nn.ParameterList(
        nn.Parameter(t, requires_grad=False) for t in tensors
    )


class PathOperator(nn.Module):
    """A ``MambaPath`` as an operator of the file, see ``RealBlock``.

    Arguments
    ---------
    path : MambaPath
        The path.
    """

    def __init__(self, path: MambaPath) -> None:
        super().__init__()
        self.emb_ks, self.emb_hs = path.emb_ks, path.emb_hs
        with torch.no_grad():
            self.tensors = frozen(mixer_of(path).tensors(path))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shape of ``x``, ``[B, R, Q, emb_dim]``."""
        rows = x.flatten(0, 1)
        out = torch.onnx.ops.symbolic(
            f"{DOMAIN}::{PATH}",
            (rows, *self.tensors),
            dtype=x.dtype,
            shape=rows.shape,
            version=1,
        )
        return out.unflatten(0, x.shape[:2])


class RealBlock(nn.Module):
    """A ``GridBlock`` of which both paths are one operator of the file.

    It computes no values: torch only has to know shapes.

    Arguments
    ---------
    block : GridBlock
        The block.

    Shape
    -----
    ``[B, T, F, emb_dim]`` -> the same.
    """

    def __init__(self, block: GridBlock) -> None:
        super().__init__()
        with torch.no_grad():
            self.tensors = frozen(
                tensor
                for path in (block.intra, block.inter)
                for tensor in mixer_of(path).tensors(path)
            )
        self.attention = block.attention

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        x = torch.onnx.ops.symbolic(
            f"{DOMAIN}::{PATHS}",
            (x, *self.tensors),
            dtype=x.dtype,
            shape=x.shape,
            version=1,
        )
        return self.attention(x)
