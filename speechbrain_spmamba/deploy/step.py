"""A causal grid in the form that an ONNX file has: a step from state to state.

The same numbers as `nnet.causal_grid` gives, some hops at a time. Where that
keeps a dictionary of what was before (`nnet.past`), the file has a tensor for
each as input and as output. All are zeros before the first hop; the keys and
values of frames that never were carry a mark that keeps attention off them.

From `deploy.onnx_file`; to the layers of `nnet`, of which these are replaced:
the transforms (`deploy.real_stft`), the path along frequency
(`deploy.path_function`), the scan along time (`deploy.scan_function`) and the
ring of past frames, whose places depend on a count.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from speechbrain_spmamba.deploy.grid import (
    PathOperator,
    features,
    frozen,
    spectra,
)
from speechbrain_spmamba.deploy.path_function import path_function
from speechbrain_spmamba.deploy.real_stft import inverse_weights, kernel
from speechbrain_spmamba.deploy.scan_function import (
    DOMAIN,
    SCAN,
    scan_function,
)
from speechbrain_spmamba.nnet.causal_grid import lag
from speechbrain_spmamba.nnet.exporting import for_any_length
from speechbrain_spmamba.nnet.mamba import MambaBranch
from speechbrain_spmamba.nnet.past import behind_past, until_past
from speechbrain_spmamba.nnet.running_level import running_level

if TYPE_CHECKING:
    from speechbrain_spmamba.nnet.causal_attention import CausalAttention
    from speechbrain_spmamba.nnet.causal_stft import CausalSTFT
    from speechbrain_spmamba.nnet.tf_grid import TFGrid


HIDDEN = -1e9  # added to a score, it leaves nothing of its weight


class CausalStep(nn.Module):
    """A causal grid as a function of hops and states.

    Arguments
    ---------
    grid : nnet.tf_grid.TFGrid
        A causal one, a copy: its layers are replaced.

    Attributes
    ----------
    functions : list of str
        What the operators of its own are, see ``path_function``.
    names : list of str
        Of the states, in their order.
    """

    def __init__(self, grid: TFGrid) -> None:
        super().__init__()
        self.grid, self.stft = grid, CausalRealSTFT(grid.stft)
        functions = {}
        for block in grid.blocks:
            functions["path"] = path_function(block.intra)
            block.intra = PathOperator(block.intra)
            if isinstance(block.inter.mixer, MambaBranch):
                block.inter.mixer = BranchOperator(block.inter.mixer)
                functions["scan"] = scan_function(block.inter.mixer.sizes)
            if block.attention is not None:
                block.attention = WindowAttention(block.attention)
        self.functions = list(functions.values())
        self.names = list(self.first_states(1))

    @torch.no_grad()
    def first_states(self, batch):
        """The states before the first hop: name -> zeros, batch first."""
        past, hop = {}, self.grid.stft.hop_length
        wave = torch.zeros(batch, hop, self.grid.num_mics)
        self.advance(wave, past)
        return {
            name: torch.zeros_like(value)
            for name, value in batch_first(past, batch).items()
        }

    @for_any_length
    def forward(self, mix: torch.Tensor, states: list[torch.Tensor]) -> tuple:
        """Separates the next hops.

        Arguments
        ---------
        mix : torch.Tensor
            ``[B, K * hop_length]``, of several microphones ``[B, ..., M]``.
        states : list of torch.Tensor
            In the order of ``names``.

        Returns
        -------
        tuple
            Estimates, ``[B, K * hop_length, num_spks]``, ``lag`` samples
            behind, and the next states.
        """
        batch = mix.shape[0]
        mix = mix.unsqueeze(-1) if mix.dim() == 2 else mix
        past = batch_inside(dict(zip(self.names, states, strict=True)))
        est = self.advance(mix, past)
        return est, *batch_first(past, batch).values()

    def advance(self, mix, past):
        """``nnet.causal_grid.advance`` in real numbers."""
        grid, batch = self.grid, mix.shape[0]
        scale = running_level(mix, grid.stft.hop_length, grid.sample_rate, past)
        waves = mix.transpose(1, 2).flatten(0, 1)  # [B * M, K * hop]
        unit = torch.where(scale > 0, scale, 1.0)[:, None, :, None]
        real, imag = (
            part.unflatten(0, (batch, grid.num_mics)) / unit
            for part in self.stft(waves, past)
        )
        x = features(grid, real, imag)
        x = behind_past(past, "input_conv", x, 2, axis=2)
        x = grid.input_norm(grid.input_conv(x).permute(0, 2, 3, 1))
        if grid.masks:
            x = x + grid.band_bias
        for index, block in enumerate(grid.blocks):
            x = block(x, past, f"blocks.{index}")
        frames, ahead = x.shape[1], grid.causal.lookahead
        x = behind_past(past, "output_conv", x.permute(0, 3, 1, 2), 2, axis=2)
        x = grid.output_conv(x).narrow(2, 2, frames)
        first = torch.stack([real[:, 0], imag[:, 0]], 1)  # [B, 2, K, bins]
        if ahead:
            first = behind_past(past, "spectrum", first, ahead, axis=2)
            scale = behind_past(past, "scale", scale, ahead, axis=1)
        first = first.narrow(2, 0, frames)
        scale = scale.narrow(1, 0, frames)[:, None, :, None]
        parts = spectra(grid, x, *first.unbind(1))
        parts = [(part * scale).flatten(0, 1) for part in parts]
        waves = self.stft.inverse(*parts, past)
        return waves.unflatten(0, (batch, -1)).transpose(1, 2)


def batch_first(past, batch):
    """Past tensors with the batch as their first axis."""

    def turned(name, value):
        if name == "level":  # [2, B, M]
            return value.transpose(0, 1)
        if name.endswith((".hidden", ".cell")):  # [1, B * rows, H]
            value = value.squeeze(0)
        if _of_rows(name):
            value = value.unflatten(0, (batch, -1))
        return value

    return {name: turned(name, value) for name, value in past.items()}


def batch_inside(past):
    """The inverse of ``batch_first``."""

    def turned(name, value):
        if name == "level":
            return value.transpose(0, 1)
        if _of_rows(name):
            value = value.flatten(0, 1)
        if name.endswith((".hidden", ".cell")):
            value = value.unsqueeze(0)
        return value

    return {name: turned(name, value) for name, value in past.items()}


def _of_rows(name):
    """Whether a tensor has rows of batch times something."""
    return ".inter." in name or name.startswith("stft.")


class CausalRealSTFT(nn.Module):
    """A ``nnet.causal_stft.CausalSTFT`` as convolutions.

    Arguments
    ---------
    stft : CausalSTFT
        The transform to be replaced.
    """

    def __init__(self, stft: CausalSTFT) -> None:
        super().__init__()
        self.hop_length, self.delay = stft.hop_length, stft.delay
        self.before = stft.n_fft - stft.hop_length
        back = kernel(torch.ones(stft.n_fft)) * inverse_weights(
            stft.n_fft
        ).unsqueeze(-1)
        back = back[..., -stft.synthesis_length :] * stft.synthesis
        self.register_buffer("analysis", kernel(stft.analysis))
        self.register_buffer("synthesis", back)

    def forward(
        self, wave: torch.Tensor, past: dict
    ) -> tuple[torch.Tensor, ...]:
        """Parts of the spectra of the frames that end with each hop."""
        wave = behind_past(past, "stft.samples", wave, self.before, axis=1)
        parts = F.conv1d(
            wave.unsqueeze(1), self.analysis, stride=self.hop_length
        )
        return parts.transpose(1, 2).chunk(2, -1)

    def inverse(self, real, imag, past):
        """The samples that no further frame will change."""
        parts = torch.cat([real, imag], -1).transpose(1, 2)
        wave = F.conv_transpose1d(parts, self.synthesis, stride=self.hop_length)
        return until_past(past, "stft.sums", wave.squeeze(1), self.delay, 1)


class BranchOperator(nn.Module):
    """A ``MambaBranch`` whose scan is the operator of an ONNX file.

    Arguments
    ---------
    branch : MambaBranch
        The branch.
    """

    def __init__(self, branch: MambaBranch) -> None:
        super().__init__()
        mamba = branch.mamba
        self.norm, self.in_proj = branch.norm, mamba.in_proj
        self.out_proj, self.output_size = mamba.out_proj, branch.output_size
        self.sizes = mamba.dt_rank, mamba.d_state, mamba.d_state
        with torch.no_grad():
            tensors = (
                mamba.x_proj.weight.t(),
                mamba.dt_proj.weight.t(),
                mamba.dt_proj.bias,
                -mamba.A_log.exp().t(),
                mamba.D,
            )
            self.tensors = frozen(tensor.contiguous() for tensor in tensors)
            taps = mamba.conv1d.weight[:, 0].t().contiguous()
        self.register_buffer("taps", taps)
        self.bias = mamba.conv1d.bias

    def go_on(self, x, past, name):
        """See ``MambaBranch``."""
        rows, steps, _ = x.shape
        u, z = self.in_proj(self.norm(x)).chunk(2, -1)
        before = len(self.taps) - 1
        seen = behind_past(past, f"{name}.conv", u, before, axis=1)
        u = self.bias + sum(
            seen.narrow(1, tap, steps) * weight
            for tap, weight in enumerate(self.taps)
        )
        states, inner = self.tensors[3].shape
        if f"{name}.scan" not in past:
            past[f"{name}.scan"] = x.new_zeros(rows, states, inner)
        y, past[f"{name}.scan"] = torch.onnx.ops.symbolic_multi_out(
            f"{DOMAIN}::{SCAN}",
            (F.silu(u), z, *self.tensors, past[f"{name}.scan"]),
            dtypes=[x.dtype] * 2,
            shapes=[u.shape, (rows, states, inner)],
            version=1,
        )
        return x + self.out_proj(y)


class WindowAttention(nn.Module):
    """A ``CausalAttention`` that keeps the last frames in their order.

    Arguments
    ---------
    attention : CausalAttention
        Whose layers it has.
    """

    def __init__(self, attention: CausalAttention) -> None:
        super().__init__()
        self.layers, self.before = attention, attention.context - 1

    def forward(self, x: torch.Tensor, past: dict, name: str) -> torch.Tensor:
        """See ``CausalAttention``."""
        query, key, value = self.layers.project(x)
        frames = x.shape[1]
        known = x.new_ones(x.shape[0], frames)
        known, key, value = (
            behind_past(past, f"{name}.{part}", tensor, self.before, axis)
            for part, tensor, axis in (
                ("known", known, 1),
                ("keys", key, 2),
                ("values", value, 2),
            )
        )
        now = torch.arange(frames, device=x.device).unsqueeze(1) + self.before
        age = now - torch.arange(frames + self.before, device=x.device)
        near = (age >= 0) & (age <= self.before)
        mask = (1 - near * known[:, None, None]) * HIDDEN
        return self.layers.add(x, self.layers.attend(query, key, value, mask))


def step_metadata(grid):
    """What a file tells of its steps, see ``onnx_file.metadata``."""
    return {
        "hop_length": grid.stft.hop_length,
        "delay": lag(grid),
        "initial_state": "zeros",
    }


def run_steps(session: Any, mix: np.ndarray, hops: list[int]) -> np.ndarray:
    """Separates a wave by a file, some hops at a time.

    Arguments
    ---------
    session : onnxruntime.InferenceSession
        The file.
    mix : numpy.ndarray
        Shape ``[batch, samples]``, float32.
    hops : list of int
        Of each step, over and over.

    Returns
    -------
    numpy.ndarray
        Shape ``[batch, samples, num_spks]``.
    """
    known = session.get_modelmeta().custom_metadata_map
    hop, delay = int(known["hop_length"]), int(known["delay"])
    state = {
        given.name: np.zeros((len(mix), *given.shape[1:]), np.float32)
        for given in session.get_inputs()[1:]
    }
    samples = mix.shape[1]
    rest = np.zeros(
        (len(mix), delay + -(samples + delay) % hop, *mix.shape[2:])
    )
    mix = np.concatenate([mix, rest.astype(mix.dtype)], 1)
    parts, sizes = [], itertools.cycle(hops)
    while mix.shape[1]:
        size = hop * next(sizes)
        est, *new = session.run(None, {"mix": mix[:, :size], **state})
        state, mix = dict(zip(state, new, strict=True)), mix[:, size:]
        parts.append(est)
    return np.concatenate(parts, 1)[:, delay : delay + samples]
