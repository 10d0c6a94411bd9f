"""Forward pass of a grid path in its folded form, a block of rows at a time.

On a CPU, in float32, the C kernels do all of it in one call, row by row
(``ops/cpu/path.py``). Elsewhere each step is a call of its own: the windows,
projections and states of a block stay in the cache of a CPU, or bound the
memory on a GPU. See ``folding.py`` for the form and
``folded_path.py`` for what is kept of a block.

From `nnet.folded_path`; to the kernels of a backend of `ops`, and back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from speechbrain_spmamba.ops import cpu
from speechbrain_spmamba.ops.backends import KERNELS
from speechbrain_spmamba.ops.buffers import Buffers
from speechbrain_spmamba.ops.cpu import path
from speechbrain_spmamba.ops.kernel_interface import (
    ScanInputs,
    WindowInputs,
    state_dtype,
)

if TYPE_CHECKING:
    from speechbrain_spmamba.nnet.folding import FoldedWeights


# Windows of a block. A CPU's cache holds the 15 kB that each needs (at the
# published size) for a few thousand; it grows with the cores, and their number
# asks for more rows to share.
_BLOCK_CPU = 2048
# Share of a GPU's memory that a block may take: the fewer blocks, the fewer
# launches. It is a share of all memory, not of what is free, so that a run
# repeats bit for bit on the same card.
_SHARE = {"speed": 1 / 8, "balanced": 1 / 8, "low": 1 / 64}


def memory_of(device):
    """Bytes of a device's memory, 16 GiB where it does not say."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return 2**34


class PathConfig(NamedTuple):
    """All that is not a tensor: window size and hop, epsilons, choices."""

    size: int
    hop: int
    norm_eps: float
    rms_eps: float
    backend: str
    memory: str
    dtype: torch.dtype


class ForwardPass:
    """The forward pass over one path, block after block.

    Arguments
    ---------
    x : torch.Tensor
        Shape ``[N, Q, C]``.
    valid : torch.Tensor or None
        Boolean, shape ``[N, L]``: windows that exist.
    config : PathConfig
        All that is not a tensor.
    weights : FoldedWeights
        From ``ready``.
    """

    def __init__(
        self,
        x: torch.Tensor,
        valid: torch.Tensor | None,
        config: PathConfig,
        weights: FoldedWeights,
    ) -> None:
        self.x, self.valid, self.config = x, valid, config
        self.weights, self.directions = weights, weights[6:]
        self.kernels = KERNELS[config.backend]
        self.buffers = Buffers(x.device)
        self.length = (x.shape[1] - config.size) // config.hop + 1

    def run(self, training=False):
        """The output, and for each block what the backward pass needs."""
        out, kept = torch.empty_like(self.x), []
        if self.runs_whole(training):
            return out, self.run_whole(out, training)
        with torch.autocast(self.x.device.type, enabled=False):
            for rows in self.blocks():
                kept.append(self.forward_block(rows, out, training))
        return out, kept

    def runs_whole(self, training):
        """Whether the C kernels compute all of the path in one call."""
        if training and self.config.memory == "speed":
            return False  # which keeps the in-projections
        # Where operators are counted, other kernels stand in for the backend's.
        return self.kernels is cpu and path.serves(
            self.x, self.config, self.weights
        )

    def run_whole(self, out, training):
        """The forward pass in one call; returns what ``run`` keeps."""
        whole = []
        if training and self.config.memory == "balanced":
            for direction in self.directions:
                windows = len(self.x), self.length
                u = torch.empty(*windows, len(direction.D), device="meta")
                shape = self.kernels.checkpoint_shape(u, direction.A)
                mixed = self.x.new_empty(*windows, len(direction.x_proj))
                whole.append((mixed, self.x.new_empty(shape)))
        path.path_forward(
            self.x, self.valid, self.config, self.weights, out, whole or None
        )
        tensors = [tensor for pair in whole for tensor in pair]
        return [[t[rows] for t in tensors] for rows in self.blocks()]

    def blocks(self):
        """Slices of the rows."""
        if self.x.device.type == "cpu":
            windows = _BLOCK_CPU * max(1, torch.get_num_threads() // 4)
        else:
            share = _SHARE[self.config.memory] * memory_of(self.x.device)
            windows = int(share / self.window_bytes())
        rows = max(1, windows // self.length)
        return [
            slice(first, min(first + rows, len(self.x)))
            for first in range(0, len(self.x), rows)
        ]

    def window_bytes(self):
        """Memory of a window in both passes: all buffers, with gradients.

        u and z, y, and the gradients of all three, then those of the scan and
        the windows themselves, in the products' dtype; in float32 what each
        program of a GPU's scan adds to the gradients of B and C.
        """
        inner, states = self.directions[0].A.shape
        width = len(self.weights.residual)
        values = 2 * (4 + 2) * inner + 4 * inner + 8 * width
        return values * self.config.dtype.itemsize + 4 * states * inner // 16

    def buffer(self, name, *shape, keep=False):
        """Memory in the products' dtype, shared by all blocks unless kept."""
        dtype = self.config.dtype
        if keep:
            return torch.empty(shape, dtype=dtype, device=self.x.device)
        return self.buffers(name, *shape, dtype=dtype)

    # The parts of a block, in the order of the forward pass.

    def take_windows(self, rows):
        """Norms and windows of a block: ``Windows``."""
        x, size = self.x[rows], self.config.size
        values = self.buffer("windows", len(x), self.length, size * x.shape[2])
        return self.kernels.windows_forward(self.window_inputs(rows), values)

    def window_inputs(self, rows):
        """The map of a block and its norm: ``WindowInputs``."""
        config = self.config
        return WindowInputs(
            self.x[rows],
            self.weights.norm_weight,
            self.weights.norm_bias,
            None if self.valid is None else self.valid[rows],
            config.size,
            config.hop,
            config.norm_eps,
            config.rms_eps,
        )

    def project(self, windows, keep=False):
        """u and z of both directions, side by side, [n, L, 4 D]."""
        matrix = self.weights.in_proj.t()
        shape = (*windows.values.shape[:2], matrix.shape[1])
        return torch.matmul(
            windows.values, matrix, out=self.buffer("xz", *shape, keep=keep)
        )

    def scan_inputs(
        self,
        rows: slice,
        xz: torch.Tensor,
        index: int,
        dt_B_C: torch.Tensor | None = None,
        keep: bool = False,
    ) -> tuple:
        """What the scan of a direction reads.

        Arguments
        ---------
        rows : slice
            Of the block.
        xz : torch.Tensor
            From ``project``.
        index : int
            0 forward, 1 backward.
        dt_B_C : torch.Tensor, optional
            dt, B and C, side by side, when they have been kept.
        keep : bool
            Whether they will be.

        Returns
        -------
        tuple
            The inputs; u before its convolution; dt, B and C side by side.
        """
        direction = self.directions[index]
        conv_in, z = xz.chunk(4, -1)[2 * index : 2 * index + 2]
        u = self.buffer("u", *conv_in.shape)
        self.kernels.conv_forward(
            conv_in, direction.conv_weight, direction.conv_bias, index == 1, u
        )
        if self.valid is not None:
            # u = 0 adds nothing to the state, and a state that is still zero
            # stays zero: a reversed scan starts at the item's own end.
            u *= self.valid[rows].unsqueeze(-1)
        if dt_B_C is None:
            shape = (*u.shape[:2], len(direction.x_proj))
            dt_B_C = self.buffer(f"dt_B_C{index}", *shape, keep=keep)
            torch.matmul(u, direction.x_proj.t(), out=dt_B_C)
        states = direction.A.shape[1]
        dt, B, C = dt_B_C.split(
            [dt_B_C.shape[-1] - 2 * states, states, states], -1
        )
        inputs = ScanInputs(
            u=u,
            delta=dt,
            A=direction.A,
            B=B,
            C=C,
            D=direction.D,
            z=z,
            delta_bias=direction.dt_bias,
            delta_weight=direction.dt_weight,
            delta_softplus=True,
            reverse=index == 1,
            rows=dt_B_C,
        )
        return inputs, conv_in, dt_B_C

    def new_checkpoints(self, inputs):
        """Room for the states that the backward pass starts from."""
        shape = self.kernels.checkpoint_shape(inputs.u, inputs.A)
        return inputs.u.new_empty(shape, dtype=state_dtype(inputs.u))

    def forward_block(self, rows, out, training):
        """Writes ``out[rows]``; returns the tensors that are kept."""
        memory = self.config.memory if training else "low"
        windows = self.take_windows(rows)
        xz = self.project(windows, keep=memory == "speed")
        kept = [xz] if memory == "speed" else []
        y = self.buffer("y", *xz.shape[:2], xz.shape[2] // 2)
        for index, half in enumerate(y.chunk(2, -1)):
            keep = memory != "low"
            inputs, _, dt_B_C = self.scan_inputs(rows, xz, index, keep=keep)
            states = self.new_checkpoints(inputs) if keep else None
            self.kernels.scan_forward(inputs, half, states)
            kept += [dt_B_C, states] if keep else []
        # U = windows.values * rms
        out_windows = torch.matmul(
            windows.values,
            self.weights.residual,
            out=self.buffer("out_windows", *windows.values.shape),
        )
        out_windows.mul_(windows.rms)
        out_windows.flatten(0, 1).addmm_(y.flatten(0, 1), self.weights.out_proj)
        self.kernels.overlap_add(
            self.x[rows],
            self.weights.bias,
            out_windows,
            self.config.hop,
            out[rows],
        )
        return kept
