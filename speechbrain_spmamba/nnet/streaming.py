"""A causal model at work: samples in, samples of each voice out.

    stream = model.stream()
    for samples in blocks:        # of any sizes
        play(stream.feed(samples))
    play(stream.flush())          # what the latency has kept

From `nnet.tf_grid` (`stream`) and from whatever reads sound as it comes; to
`nnet.causal_grid`, a few hops at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from speechbrain_spmamba.nnet.causal_grid import BLOCK, advance, lag
from speechbrain_spmamba.nnet.mamba_path import FoldedPaths, folded_together

if TYPE_CHECKING:
    from speechbrain_spmamba.nnet.tf_grid import TFGrid


class Stream:
    """Separates a signal as it comes.

    In all, it gives the samples that the model gives of the whole signal,
    whatever the sizes of the blocks. Its memory does not grow with time. The
    model's weights must not change before it is flushed or reset.

    Arguments
    ---------
    model : TFGrid
        A causal one.

    Attributes
    ----------
    fed : int
        Samples that came in so far.

    Example
    -------
    >>> from speechbrain_spmamba.models import build_model
    >>> sizes = {"n_fft": 64, "hop_length": 32, "num_blocks": 1, "emb_dim": 4}
    >>> model = build_model("spmamba", causal=True, **sizes)
    >>> stream, mix = model.stream(), torch.randn(100)
    >>> parts = [stream.feed(mix[:70]), stream.feed(mix[70:]), stream.flush()]
    >>> [len(part) for part in parts]
    [32, 32, 36]
    >>> torch.allclose(torch.cat(parts), model(mix[None])[0], atol=1e-5)
    True
    """

    def __init__(self, model: TFGrid) -> None:
        self.model = model
        self.reset()

    def reset(self) -> None:
        """Forgets all; the next block is the first."""
        self.past, self.waiting = {}, None
        self.folded = FoldedPaths.of(self.model)
        self.fed = self.done = self.axes = 0

    @property
    def given(self):
        """Samples that went out so far."""
        return max(0, self.done - lag(self.model))

    def feed(self, samples: torch.Tensor) -> torch.Tensor:
        """Takes the next samples; gives those that are complete.

        Arguments
        ---------
        samples : torch.Tensor
            Shape ``[n]``; of several streams ``[B, n]``, of several microphones
            ``[B, n, M]``; n may be 0.

        Returns
        -------
        torch.Tensor
            Shape ``[m, num_spks]``, or ``[B, m, num_spks]``.

        Raises
        ------
        ValueError
            A shape unlike the first, or samples that are not finite.
        """
        est = self._separate(self._taken(samples))
        return est[0] if self.axes == 1 else est

    def flush(self) -> torch.Tensor:
        """Gives what is left, then forgets all.

        Returns
        -------
        torch.Tensor
            As of ``feed``: as many samples have then gone out as came in.

        Raises
        ------
        ValueError
            Nothing has come in.
        """
        if self.waiting is None:
            raise ValueError("nothing was fed to this stream; feed it first")
        left, behind = self.fed - self.given, lag(self.model)
        missing = behind + -(self.fed + behind) % self.model.stft.hop_length
        batch, _, mics = self.waiting.shape
        zeros = self.waiting.new_zeros(batch, missing, mics)
        est = self._separate(zeros)[:, :left]
        est = est[0] if self.axes == 1 else est
        self.reset()
        return est

    def state_dict(self) -> dict:
        """All that a stream remembers.

        Returns
        -------
        dict
            Tensors by their names, for ``load_state_dict`` of a stream of the
            same model, here or elsewhere; empty before the first block.
        """
        if self.waiting is None:
            return {}
        counts = torch.tensor([self.fed, self.done, self.axes])
        # copies, for some are written in place
        past = {name: tensor.clone() for name, tensor in self.past.items()}
        return {**past, "waiting": self.waiting, "counts": counts}

    def load_state_dict(self, state: dict) -> None:
        """Goes on where another stream was.

        Arguments
        ---------
        state : dict
            From ``state_dict``.
        """
        self.reset()
        if state:
            device = self.model.input_conv.weight.device
            self.past = {
                name: tensor.to(device, copy=True)
                for name, tensor in state.items()
            }
            self.waiting = self.past.pop("waiting")
            counts = self.past.pop("counts").tolist()
            self.fed, self.done, self.axes = counts

    def _taken(self, samples):
        """Samples as the model takes them, ``[B, n, M]``."""
        mix = samples.unsqueeze(0) if samples.dim() == 1 else samples
        mix = mix.unsqueeze(-1) if mix.dim() == 2 else mix
        mics, like = self.model.num_mics, self.waiting
        if mix.dim() != 3 or mix.shape[2] != mics:
            wanted = "[n] or [B, n]" if mics == 1 else f"[B, n, {mics}]"
            raise ValueError(
                f"samples have shape {list(samples.shape)}; expected {wanted}"
            )
        if like is not None and (len(mix), samples.dim()) != (
            len(like),
            self.axes,
        ):
            raise ValueError(
                f"samples have shape {list(samples.shape)}; expected "
                f"{self.axes} axes and {len(like)} streams, as before"
            )
        if not mix.isfinite().all():
            raise ValueError(
                "a block has NaN or infinite samples; leave it out, or feed "
                "zeros for it"
            )
        self.axes = samples.dim()
        return mix.to(self.model.input_conv.weight)

    @torch.inference_mode()
    def _separate(self, mix):
        """Estimates that are complete, ``[B, m, num_spks]``."""
        self.fed += mix.shape[1]
        if self.waiting is not None:
            mix = torch.cat([self.waiting, mix], 1)
        hop = self.model.stft.hop_length
        whole = mix.shape[1] // hop * hop
        self.waiting = mix[:, whole:].clone()
        with folded_together(self.folded):
            parts = [
                advance(self.model, part, self.past)
                for part in mix[:, :whole].split(BLOCK * hop, 1)
                if part.shape[1]
            ]
        none = mix.new_empty(len(mix), 0, self.model.num_spks)
        before = max(0, lag(self.model) - self.done)
        self.done += whole
        return torch.cat([*parts, none], 1)[:, before:]
