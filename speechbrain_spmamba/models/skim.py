"""SkiM: LSTMs within segments that hand their states from one to the next.

Source: Li et al., "SkiM: Skipping memory LSTM for low-latency real-time
continuous speech separation", arXiv 2201.10800. The network is SpeechBrain's
own; its defaults here are those of SpeechBrain's recipe for WSJ0-2Mix at
8 kHz, which looks ahead.

Glossary, paper -> code
    N     n_filters                K   segment_size
    B     num_blocks               Seg-LSTM, Mem-LSTM   segment, memory

From a mixture, by `nnet.time_domain` (filters) and `nnet.toolkit_masks`, to
the toolkit's network, and back.
"""

from speechbrain.lobes.models.resepformer import MemLSTM, SegLSTM

from speechbrain_spmamba.nnet.recurrent import full_precision_if_needed
from speechbrain_spmamba.nnet.toolkit_masks import ToolkitSeparator
from speechbrain_spmamba.nnet.toolkit_networks import RecurrentMasks


class SkiM(ToolkitSeparator):
    """Separates talkers by masks on a learned filterbank.

    The default is the toolkit's network: 14,506,753 parameters.

    Arguments
    ---------
    n_filters : int
        Filters of encoder and decoder, and features of the LSTMs.
    num_blocks : int
        LSTMs within segments; between two of them is one that joins the
        segments.
    hidden : int
        Hidden units of each direction.
    segment_size : int
        Frames in a segment; segments do not overlap.
    causal : bool
        LSTMs of one direction and norms of each frame: nothing of the future
        reaches an output but the rest of its filter.
    kernel_size, num_spks, sample_rate
        See ``SepFormer``.

    Shape
    -----
    ``[B, T]`` -> ``[B, T, num_spks]``.

    Example
    -------
    >>> import torch
    >>> model = SkiM(n_filters=4, num_blocks=2, hidden=3, segment_size=10)
    >>> model(torch.randn(2, 400)).shape
    torch.Size([2, 400, 2])
    """

    def __init__(
        self,
        n_filters: int = 128,
        kernel_size: int = 16,
        num_blocks: int = 4,
        hidden: int = 256,
        segment_size: int = 150,
        num_spks: int = 2,
        sample_rate: int = 8000,
        causal: bool = False,
    ) -> None:
        form = {
            "bidirectional": not causal,
            "norm_type": "cln" if causal else "gln",
        }
        masknet = RecurrentMasks(
            input_dim=n_filters,
            causal=causal,
            num_spk=num_spks,
            layer=num_blocks,
            unit=hidden,
            segment_size=segment_size,
            mem_type="hc",
            seg_model=SegLSTM(n_filters, hidden, **form),
            mem_model=MemLSTM(hidden, mem_type="hc", **form),
        )
        super().__init__(masknet, num_spks, n_filters, kernel_size, sample_rate)
        # The toolkit hands the memory of an item's last segment on to the first
        # one of the item behind it.
        self.mixes_items = causal

    def estimate_masks(self, features, count=None):
        """See ``ToolkitSeparator``; the network consists of LSTMs."""
        return full_precision_if_needed(super().estimate_masks, features, count)
