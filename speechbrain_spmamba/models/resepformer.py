"""RE-SepFormer: attention within segments and between their summaries.

Source: Della Libera et al., "Resource-efficient separation transformer",
arXiv 2206.09507. The network is SpeechBrain's own; its defaults here are
those of SpeechBrain's recipe for WSJ0-2Mix at 8 kHz.

Glossary, paper -> code
    F     n_filters                C   segment_size
    IntraTransformer, MemoryTransformer    transformer, one copy each

A summary is the mean of a segment. The toolkit puts the summaries of all
items of a batch into one sequence, so that an item sees its neighbours; here
each item has its own, see ``nnet.toolkit_networks``.

From a mixture, by `nnet.time_domain` (filters) and `nnet.toolkit_masks`, to
the toolkit's network, and back.
"""

from speechbrain.lobes.models.resepformer import (
    SBTransformerBlock_wnormandskip,
)

from speechbrain_spmamba.nnet.toolkit_masks import (
    MAX_POSITIONS,
    ToolkitSeparator,
)
from speechbrain_spmamba.nnet.toolkit_networks import AveragedMasks


class RESepFormer(ToolkitSeparator):
    """Separates talkers by masks on a learned filterbank.

    The default is the toolkit's network: 7,955,201 parameters.

    Arguments
    ---------
    num_blocks : int
        Transformers within segments; between two of them is one that joins
        the segments.
    segment_size : int
        Frames in a segment; segments do not overlap.
    n_filters, kernel_size, num_layers, ..., num_spks, sample_rate
        See ``SepFormer``.

    Shape
    -----
    ``[B, T]`` -> ``[B, T, num_spks]``.

    Example
    -------
    >>> import torch
    >>> sizes = {"num_heads": 2, "num_layers": 1, "ffn_dim": 8}
    >>> model = RESepFormer(n_filters=8, segment_size=10, **sizes)
    >>> model(torch.randn(2, 400)).shape
    torch.Size([2, 400, 2])
    """

    def __init__(
        self,
        n_filters: int = 128,
        kernel_size: int = 16,
        num_blocks: int = 2,
        num_layers: int = 8,
        num_heads: int = 8,
        ffn_dim: int = 1024,
        segment_size: int = 150,
        num_spks: int = 2,
        sample_rate: int = 8000,
    ) -> None:
        if not 0 < segment_size <= MAX_POSITIONS:
            raise ValueError(
                f"segment_size is {segment_size}; give 1 to {MAX_POSITIONS} "
                "frames"
            )
        # The toolkit copies it: no two places share weights.
        transformer = SBTransformerBlock_wnormandskip(
            num_layers=num_layers,
            d_model=n_filters,
            nhead=num_heads,
            d_ffn=ffn_dim,
            dropout=0.0,
            use_positional_encoding=True,
            norm_before=True,
            use_norm=True,
            use_skip=True,
        )
        masknet = AveragedMasks(
            input_dim=n_filters,
            causal=False,
            num_spk=num_spks,
            layer=num_blocks,
            segment_size=segment_size,
            mem_type="av",
            seg_model=transformer,
            mem_model=transformer,
        )
        super().__init__(masknet, num_spks, n_filters, kernel_size, sample_rate)

    def estimate_masks(self, features, count=None):
        """See ``ToolkitSeparator``; too many segments are an error."""
        segments = features.shape[-1] // self.masknet.segment_size + 1
        if segments > MAX_POSITIONS:
            raise ValueError(
                f"the mixture has {segments} segments; RE-SepFormer knows the "
                f"positions of {MAX_POSITIONS}: separate it in pieces"
            )
        return super().estimate_masks(features, count)
