"""SPMamba: the grid of TF-GridNet with bidirectional Mamba along both axes.

Source: Li, Chen, "SPMamba: State-space model is all you need in speech
separation", arXiv 2404.02063.

Glossary, paper -> code
    STFT window, hop     n_fft, hop_length
    hidden size 128      emb_dim * emb_ks, the width of each Mamba
    B (blocks)           num_blocks
    E (key channels)     ceil(attn_qk_dim / bins)
    h (heads)            num_heads

What stands here is how the paper joins a grid and Mambas. From a mixture to
its estimates, in the order of the calls:

    nnet.tf_grid        the network: level, STFT, blocks, inverse STFT
    nnet.waveform       checks, zeros behind each item's end, level
    nnet.stft           complex spectra, and back
    nnet.grid_block     a block: along frequency, along time, between frames
    nnet.mamba_path     along one axis; plain or folded is chosen there
    nnet.mamba          plain: a Mamba forward, a Mamba backward
    nnet.folding        folded: the weights, of all paths at once
    nnet.folded_path    folded: both Mambas at once (folded_forward)
    ops.selective_scan  the recurrence
    nnet.attention      between frames

With ``causal``, the network of `nnet.causal_grid`, which hears no future.

Departures from the paper, following its published code where both differ:
* the paper gives 129 frequencies for a window of 512 samples; a window of
  512 has 257, and only those give the 6.14 M parameters of its Table 1;
* the forward and the backward Mamba of a path share no weights.
"""

from functools import partial

import torch

from speechbrain_spmamba.nnet.causal_grid import causal_or_none
from speechbrain_spmamba.nnet.mamba import MambaBranch
from speechbrain_spmamba.nnet.mamba_path import (
    FoldedPaths,
    MambaPath,
    folded_together,
)
from speechbrain_spmamba.nnet.tf_grid import TFGrid


class SPMamba(TFGrid):
    """Separates talkers by complex spectral mapping.

    The default is the published model: 6,141,826 parameters.

    Arguments
    ---------
    num_mics : int
        Microphones of the input.
    n_fft : int
        STFT window in samples.
    hop_length : int
        STFT hop in samples.
    num_blocks : int
        Grid blocks.
    emb_dim : int
        Channels of the time-frequency map.
    emb_ks : int
        Neighbouring bins or frames that one step of a Mamba sees.
    emb_hs : int
        Bins or frames between two steps; above 1 is cheaper and coarser.
    d_state : int
        States a channel in each Mamba.
    d_conv : int
        Taps of the convolution in each Mamba.
    expand : int
        Inner width of a Mamba over emb_dim * emb_ks.
    num_heads : int
        Heads of the attention between frames; must divide ``emb_dim``.
    attn_qk_dim : int
        Approximate length of a query.
    eps : float
        Of all norms.
    scan_backend : str
        How the selective scan is computed, see ``ops.selective_scan``.
    memory : str
        What training keeps for the backward pass: "speed", "balanced" (about
        a third of it) or "low" (the input of each path and of the attention;
        the rest is computed again).
    masks : bool
        Read log magnitudes and write masks, in place of complex spectra: no
        published form, but what a small model learns from in hours, see
        ``nnet.spectral_masks``.
    rest : bool
        One more mask, for what is no talker's: without it the outputs add up
        to the mixture, noise included, and cannot all be silent.
    band : int
        Bins that the map has for one; 1 as published. A band of several bins
        holds the pattern of its harmonics, which single bins do not, and with
        windows of 1 (``emb_ks``, ``emb_hs``) each frame is a step in time.
    causal : bool
        Hear no future, see ``nnet.causal_grid``: for streams (``stream``).
    synthesis_length : int, optional
        Samples of a frame that are given back, if causal: with ``lookahead``
        the latency. ``n_fft`` by default.
    lookahead : int
        Frames of the future that are heard all the same, if causal.
    attn_context : int
        Frames that attention sees, if causal; 0 for no attention.
    num_spks, sample_rate
        See ``models``.

    Shape
    -----
    ``[B, T]`` or ``[B, T, num_mics]`` -> ``[B, T, num_spks]``.

    Example
    -------
    >>> model = SPMamba(num_blocks=1, n_fft=64, hop_length=32, emb_dim=4)
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
        emb_dim: int = 16,
        emb_ks: int = 8,
        emb_hs: int = 1,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 4,
        num_heads: int = 4,
        attn_qk_dim: int = 512,
        eps: float = 1e-5,
        sample_rate: int = 16000,
        scan_backend: str = "auto",
        memory: str = "balanced",
        masks: bool = False,
        rest: bool = False,
        band: int = 1,
        causal: bool = False,
        synthesis_length: int | None = None,
        lookahead: int = 0,
        attn_context: int = 128,
    ) -> None:
        mamba: dict = {
            "d_state": d_state,
            "d_conv": d_conv,
            "expand": expand,
            "scan_backend": scan_backend,
        }
        super().__init__(
            partial(MambaPath, memory=memory, **mamba),
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
            memory=memory,
            masks=masks,
            rest=rest,
            band=band,
            causal=causal_or_none(
                causal,
                partial(MambaBranch, eps=eps, **mamba),
                n_fft,
                synthesis_length,
                lookahead,
                attn_context,
            ),
        )

    def forward(
        self, mix: torch.Tensor, lengths: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Separates a batch of mixtures, see ``models``."""
        if torch.compiler.is_compiling():
            return super().forward(mix, lengths)
        with folded_together(FoldedPaths.of(self)):
            return super().forward(mix, lengths)
