"""How the toolkit's mask networks cut a sequence, in sizes torch can follow.

The toolkit fills up what the length lacks of a multiple of the chunk's; that
the sum is a multiple then, and no shorter than the sequence, is arithmetic
which ``torch.export`` does not do. Here the number of chunks comes first.
Values are the same.

From `models.sepformer`, `models.resepformer` and `models.skim`, in place of
the toolkit's own.
"""

import functools

import torch.nn.functional as F
from speechbrain.lobes.models.dual_path import Dual_Path_Model
from speechbrain.lobes.models.resepformer import ResourceEfficientSeparator


class ChunkedMasks(Dual_Path_Model):
    """The toolkit's network of SepFormer, and its arguments.

    Shape
    -----
    ``[B, N, L]`` -> ``[num_spks, B, N, L]``.

    Example
    -------
    >>> import torch
    >>> x = torch.ones(1, 3, 7)
    >>> masks = ChunkedMasks(3, 3, torch.nn.Identity(), torch.nn.Identity())
    >>> padded, frames = masks._padding(x, 4)
    >>> padded[0, 0].tolist(), frames
    ([0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0], 7)
    """

    def _padding(self, input, K):
        """Half a chunk of zeros first, and at least as many last.

        The toolkit returns how many were filled up; here it is the frames.
        """
        frames, half = input.shape[2], K // 2
        span = ((frames + half) // K + 1) * K
        return F.pad(input, (half, span - frames)), frames

    def _over_add(self, input, frames):
        return super()._over_add(input, gap=0)[:, :, :frames]


def segmented_masks(**sizes):
    """The toolkit's network of RE-SepFormer and SkiM.

    Arguments
    ---------
    **sizes
        Those of ``ResourceEfficientSeparator``.

    Returns
    -------
    torch.nn.Module
        ``[B, N, L]`` -> ``[num_spk, B, N, L]``.
    """
    network = ResourceEfficientSeparator(**sizes)
    pipeline = network.model
    pipeline._padfeature = functools.partial(_fill_up, pipeline.segment_size)
    return network


def _fill_up(size, input):
    """Zeros, at least one, up to whole segments; and how many."""
    frames = input.shape[1]
    missing = (frames // size + 1) * size - frames
    return F.pad(input, (0, 0, 0, missing)), missing
