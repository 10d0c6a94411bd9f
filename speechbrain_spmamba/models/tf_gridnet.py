"""TF-GridNet: a grid of bidirectional LSTMs over time and frequency.

Source: Wang et al., "TF-GridNet: making time-frequency domain models great
again for monaural speaker separation", arXiv 2209.03952 and 2211.12433.

Glossary, paper -> code
    D   emb_dim      I   emb_ks      J   emb_hs     B   num_blocks
    H   lstm_hidden  L   num_heads   E   ceil(attn_qk_dim / bins)

Versions. The public code has two blocks with the same weights. The first
(`version=1`, the default: its cost is that of Table 1 of SPMamba) appends
zeros only where a window would not fit. The second pads I - J zeros on all
four sides of the map before the two paths and cuts them off before the
attention, so that edges are seen as often as the rest. Weights are of use
only in the block that they were trained in; therefore they carry its number.

Departures from the published code: those of `nnet.tf_grid`, and that the
second version has no special case for I = J.

From a mixture, by the `forward` of `nnet.tf_grid`, to `nnet.grid_block` and
the LSTMs of `nnet.recurrent`, and back.
"""

from functools import partial

import torch

from speechbrain_spmamba.nnet.causal_grid import causal_or_none
from speechbrain_spmamba.nnet.grid_block import GridPath
from speechbrain_spmamba.nnet.recurrent import BLSTM
from speechbrain_spmamba.nnet.tf_grid import TFGrid


class TFGridNet(TFGrid):
    """Separates talkers by complex spectral mapping.

    The default is the published model: 14,470,546 parameters.

    Arguments
    ---------
    lstm_hidden : int
        Width of each direction of an LSTM.
    version : int
        1 or 2, see above. Weights that are loaded replace it by theirs.
    num_spks, num_mics, n_fft, ..., sample_rate, masks, ..., attn_context
        See ``SPMamba``, whose grid is the same.

    Shape
    -----
    ``[B, T]`` or ``[B, T, num_mics]`` -> ``[B, T, num_spks]``.

    Example
    -------
    >>> model = TFGridNet(num_blocks=1, n_fft=64, hop_length=32, emb_dim=4)
    >>> model(torch.randn(2, 400)).shape
    torch.Size([2, 400, 2])
    """

    def __init__(
        self,
        num_spks: int = 2,
        num_mics: int = 1,
        n_fft: int = 512,
        hop_length: int = 128,
        num_blocks: int = 6,
        lstm_hidden: int = 256,
        emb_dim: int = 32,
        emb_ks: int = 8,
        emb_hs: int = 1,
        num_heads: int = 4,
        attn_qk_dim: int = 512,
        eps: float = 1e-5,
        sample_rate: int = 16000,
        version: int = 1,
        masks: bool = False,
        rest: bool = False,
        band: int = 1,
        causal: bool = False,
        synthesis_length: int | None = None,
        lookahead: int = 0,
        attn_context: int = 128,
    ) -> None:
        super().__init__(
            partial(GridPath, partial(BLSTM, hidden=lstm_hidden)),
            num_spks=num_spks,
            num_mics=num_mics,
            n_fft=n_fft,
            hop_length=hop_length,
            num_blocks=num_blocks,
            emb_dim=emb_dim,
            emb_ks=emb_ks,
            emb_hs=emb_hs,
            num_heads=num_heads,
            attn_qk_dim=attn_qk_dim,
            eps=eps,
            sample_rate=sample_rate,
            masks=masks,
            rest=rest,
            band=band,
            causal=causal_or_none(
                causal,
                partial(BLSTM, hidden=lstm_hidden, bidirectional=False),
                n_fft,
                synthesis_length,
                lookahead,
                attn_context,
            ),
        )
        self._set_version(version)

    def _set_version(self, version):
        if version not in (1, 2):
            raise ValueError(f"version is {version}; TF-GridNet has 1 and 2")
        if self.causal and version == 2:
            raise ValueError(
                "version 2 has zeros around its map and no causal form; "
                "give version 1"
            )
        self.version = version
        for block in self.blocks:
            overlap = block.intra.emb_ks - block.intra.emb_hs
            block.border = max(overlap, 0) if version == 2 else 0

    def get_extra_state(self) -> torch.Tensor:
        """The version, to be stored with the weights.

        Returns
        -------
        torch.Tensor
            See ``version_mark``.
        """
        return version_mark(self.version)

    def set_extra_state(self, state: torch.Tensor) -> None:
        """Takes over the version of weights that are loaded.

        Arguments
        ---------
        state : torch.Tensor
            See ``version_mark``.
        """
        self._set_version(len(state))


def version_mark(version: int) -> torch.Tensor:
    """A version as a tensor that nothing done to weights can alter.

    It is told by its shape and has no elements: averaging, casting or
    counting weights leaves it alone, and to read it waits for no device.

    Arguments
    ---------
    version : int
        1 or 2.

    Returns
    -------
    torch.Tensor
        Shape ``[version, 0]``.

    Example
    -------
    >>> len(version_mark(2)), version_mark(2).numel()
    (2, 0)
    """
    return torch.empty(version, 0)
