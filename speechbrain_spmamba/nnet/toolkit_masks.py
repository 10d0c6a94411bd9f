"""Mask networks of the toolkit between learned filters, item by item.

The toolkit's mask networks know no lengths: they would take padding for
signal, in norms, attention and recurrence alike. Items of different lengths
are therefore computed one after the other, each cut to its own frames, which
makes an item's estimate that of the item alone; items of one length, as the
crops of training are, are computed together.

Departure from the toolkit's recipes: a recording is padded until the filters
cover its last sample, where the toolkit returns zeros for what is left over.

From `nnet.time_domain`, features of the filters; to the network that
`models.sepformer`, `models.resepformer` or `models.skim` took from the toolkit,
and back as masks.
"""

import torch
import torch.nn.functional as F

from speechbrain_spmamba.nnet.time_domain import FilterbankSeparator
from speechbrain_spmamba.ops.windows import fitted_length

MAX_POSITIONS = 2500  # of the toolkit's table for transformers


class ToolkitSeparator(FilterbankSeparator):
    """Filters and their positive part, a mask network, filters back.

    Weights of the toolkit's modules ``encoder``, ``masknet`` and ``decoder``
    fit under the same names, but for ``encoder.conv1d.weight``, which is
    ``encoder.weight`` here.

    Arguments
    ---------
    masknet : torch.nn.Module
        ``[B, n_filters, L] -> [num_spks, B, n_filters, L]``.
    kernel_size : int
        Filter length in samples, even; the hop is half of it.
    num_spks, n_filters, sample_rate
        See ``FilterbankSeparator``.

    Raises
    ------
    ValueError
        An odd filter length.

    Shape
    -----
    ``[B, T]`` -> ``[B, T, num_spks]``, any T >= 1.

    Example
    -------
    >>> class Halves(torch.nn.Module):
    ...     def forward(self, features):
    ...         return torch.full((2, *features.shape), 0.5)
    >>> model = ToolkitSeparator(Halves(), n_filters=8, kernel_size=4)
    >>> model(torch.randn(3, 9)).shape
    torch.Size([3, 9, 2])
    """

    # Whether the network lets one item of a batch see another.
    mixes_items = False

    def __init__(
        self,
        masknet: torch.nn.Module,
        num_spks: int = 2,
        n_filters: int = 256,
        kernel_size: int = 16,
        sample_rate: int = 8000,
    ) -> None:
        if kernel_size < 2 or kernel_size % 2:
            raise ValueError(
                f"kernel_size is {kernel_size}; give an even number of "
                "samples, of which the hop is half"
            )
        super().__init__(
            num_spks, n_filters, kernel_size, sample_rate=sample_rate
        )
        self.masknet = masknet

    def fitted_samples(self, samples):
        """To how many samples a recording is padded: filters cover them all."""
        return fitted_length(
            samples, self.encoder.kernel_size[0], self.encoder.stride[0]
        )

    def encode(self, mix):
        """Filters, and what is positive of their output."""
        return super().encode(mix).relu()

    def estimate_masks(self, features, count=None):
        """Runs the mask network, see ``FilterbankSeparator``."""
        if count is None:
            items = features.split(1) if self.mixes_items else [features]
            masks = [self.masknet(item) for item in items]
            return torch.cat(masks, 1).transpose(0, 1)
        frames, sizes = features.shape[-1], count.tolist()
        if self.mixes_items or len(set(sizes)) > 1:
            items = features.split(1)
        else:
            items, sizes = [features], sizes[:1]
        masks = [
            F.pad(self.masknet(item[..., :size]), (0, frames - size))
            for item, size in zip(items, sizes, strict=True)
        ]
        return torch.cat(masks, 1).transpose(0, 1)
