"""SepFormer: attention within chunks and across them; the toolkit's network.

Source: Subakan et al., "Attention is all you need in speech separation",
arXiv 2010.13154. The network is SpeechBrain's own; its defaults here are
those of SpeechBrain's recipes for WSJ0-2Mix and Libri2Mix at 8 kHz.

Glossary, paper -> code
    F     n_filters                N   num_blocks (SepFormer blocks)
    C     chunk_size               K   num_layers (of a transformer)
    IntraTransformer, InterTransformer    intra, inter

The toolkit knows the positions of 2500 chunks; see ``nnet.toolkit_masks`` for
what all of its networks have in common here.

From a mixture, by `nnet.time_domain` (filters) and `nnet.toolkit_masks`, to
the toolkit's network, and back.
"""

from speechbrain.lobes.models.dual_path import SBTransformerBlock

from speechbrain_spmamba.nnet.chunks import PairedChunks
from speechbrain_spmamba.nnet.toolkit_masks import (
    MAX_POSITIONS,
    ToolkitSeparator,
)
from speechbrain_spmamba.nnet.toolkit_networks import ChunkedMasks


class SepFormer(ToolkitSeparator):
    """Separates talkers by masks on a learned filterbank.

    The default is the toolkit's network: 25,679,361 parameters.

    Arguments
    ---------
    n_filters : int
        Filters of encoder and decoder, and width of the transformers; an
        even multiple of ``num_heads``.
    kernel_size : int
        Filter length in samples, even; the hop is half of it.
    num_blocks : int
        Blocks, each with a transformer within and one across chunks.
    num_layers : int
        Layers of a transformer.
    num_heads : int
        Attention heads of a layer.
    ffn_dim : int
        Units between the two linear maps of a layer.
    chunk_size : int
        Frames in a chunk, even; chunks overlap by half.
    num_spks, sample_rate
        See ``models``.

    Raises
    ------
    ValueError
        A chunk that has no half, or is longer than the table of positions.

    Shape
    -----
    ``[B, T]`` -> ``[B, T, num_spks]``.

    Example
    -------
    >>> import torch
    >>> sizes = {"num_blocks": 1, "num_layers": 1, "ffn_dim": 8}
    >>> model = SepFormer(n_filters=8, num_heads=2, chunk_size=10, **sizes)
    >>> model(torch.randn(2, 400)).shape
    torch.Size([2, 400, 2])
    """

    def __init__(
        self,
        n_filters: int = 256,
        kernel_size: int = 16,
        num_blocks: int = 2,
        num_layers: int = 8,
        num_heads: int = 8,
        ffn_dim: int = 1024,
        chunk_size: int = 250,
        num_spks: int = 2,
        sample_rate: int = 8000,
    ) -> None:
        if chunk_size % 2 or not 2 <= chunk_size <= MAX_POSITIONS:
            raise ValueError(
                f"chunk_size is {chunk_size}; give an even number of frames "
                f"from 2 to {MAX_POSITIONS}, of which the hop is half"
            )
        # Two of them: what a block is given once, its copies share.
        intra, inter = (
            SBTransformerBlock(
                num_layers=num_layers,
                d_model=n_filters,
                nhead=num_heads,
                d_ffn=ffn_dim,
                dropout=0.0,
                use_positional_encoding=True,
                norm_before=True,
            )
            for _ in range(2)
        )
        masknet = ChunkedMasks(
            in_channels=n_filters,
            out_channels=n_filters,
            intra_model=intra,
            inter_model=inter,
            num_layers=num_blocks,
            norm="ln",
            K=chunk_size,
            num_spks=num_spks,
            skip_around_intra=True,
            linear_layer_after_inter_intra=False,
        )
        super().__init__(masknet, num_spks, n_filters, kernel_size, sample_rate)

    def estimate_masks(self, features, count=None):
        """See ``ToolkitSeparator``; too many chunks are an error."""
        chunks = PairedChunks(self.masknet.K).count(features.shape[-1])
        if chunks > MAX_POSITIONS:
            raise ValueError(
                f"the mixture has {chunks} chunks; SepFormer knows the "
                f"positions of {MAX_POSITIONS}: separate it in pieces"
            )
        return super().estimate_masks(features, count)
