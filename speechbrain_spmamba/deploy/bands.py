"""BSRNN in the form that an ONNX file has: without complex numbers.

From `deploy.onnx_file`; to the layers of `models.bsrnn`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn as nn

from speechbrain_spmamba.deploy.real_stft import RealSTFT

if TYPE_CHECKING:
    from speechbrain_spmamba.models.bsrnn import BSRNN


class RealBSRNN(nn.Module):
    """A BSRNN of waves of equal lengths.

    Arguments
    ---------
    model : models.bsrnn.BSRNN
        The model, with `deploy.layers`.

    Shape
    -----
    As for the model.
    """

    def __init__(self, model: BSRNN) -> None:
        super().__init__()
        self.model, self.stft = model, RealSTFT(model.stft)

    def forward(self, mix: torch.Tensor) -> torch.Tensor:
        """Separates a batch of mixtures."""
        model = self.model
        parts = self.stft(mix)
        bands = list(
            zip(*(p.split(model.widths, -1) for p in parts), strict=True)
        )
        x = [
            split.linear(split.norm(torch.cat(band, -1)))
            for split, band in zip(model.splits, bands, strict=True)
        ]
        x = torch.stack(x, dim=1)  # [B, K, frames, N]
        for over_time, over_bands in zip(
            model.over_time, model.over_bands, strict=True
        ):
            x = over_bands(over_time(x).transpose(1, 2)).transpose(1, 2)
        reals, imags = [], []
        for index, (mask, band) in enumerate(
            zip(model.masks, bands, strict=True)
        ):
            (a, b), (c, d) = band, mask.parts(x[:, index])
            a, b = a.unsqueeze(1), b.unsqueeze(1)
            reals.append(a * c - b * d)
            imags.append(a * d + b * c)
        spectra = (torch.cat(p, -1).flatten(0, 1) for p in (reals, imags))
        waves = self.stft.inverse(*spectra, mix.shape[1])
        return waves.unflatten(0, (-1, model.num_spks)).transpose(1, 2)
