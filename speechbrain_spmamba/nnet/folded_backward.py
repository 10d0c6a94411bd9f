"""Backward pass of a grid path in its folded form, a block of rows at a time.

A block is computed again as far as it was not kept, then read from its end: the
overlap-add turns into windows, windows into an overlap-add, and each product
into one for its input and one for its matrix.

From `nnet.folded_path`; to the kernels of a backend of `ops`, and back.
"""

import torch

from speechbrain_spmamba.nnet.folded_forward import ForwardPass
from speechbrain_spmamba.nnet.folding import Direction, FoldedWeights
from speechbrain_spmamba.ops.kernel_interface import state_dtype


class BackwardPass(ForwardPass):
    """The backward pass over one path; arguments as for ``ForwardPass``."""

    def run_backward(self, grad, kept, tensors):
        """Gradients of x and of tensors, those of ``FoldedWeights``."""
        grad_x = torch.empty_like(self.x)
        sums = _zeros_like(tensors)
        with torch.autocast(self.x.device.type, enabled=False):
            for rows, of_block in zip(self.blocks(), kept, strict=True):
                self.backward_block(
                    rows,
                    grad[rows],
                    of_block,
                    FoldedWeights.of_tensors(sums),
                    grad_x[rows],
                )
        pairs = zip(sums, tensors, strict=True)
        return grad_x, [total.to(t.dtype) for total, t in pairs]

    def backward_block(self, rows, grad, kept, sums, grad_x):
        """Writes the gradient of ``x[rows]``; adds those of weights to sums."""
        weights, (size, hop) = self.weights, self.config[:2]
        windows = self.take_windows(rows)
        values = windows.values.flatten(0, 1)
        memory = self.config.memory
        xz = kept[0] if memory == "speed" else self.project(windows)

        # [n, L, C, K] -> [n, L, (tap, channel)]
        grad_windows = self.buffer("grad_windows", *windows.values.shape)
        grad_view = grad_windows.unflatten(-1, (size, -1))
        grad_view.copy_(grad.unfold(1, size, hop).transpose(-1, -2))
        if self.valid is not None:
            grad_windows *= self.valid[rows].unsqueeze(-1)

        y = self.buffer("y", *xz.shape[:2], xz.shape[2] // 2)
        grad_y = torch.matmul(
            grad_windows,
            weights.out_proj.t(),
            out=self.buffer("grad_y", *y.shape),
        )
        grad_xz = self.buffer("grad_xz", *xz.shape)
        for index in range(2):
            dt_B_C, states = (
                (None, None)
                if memory == "low"
                else kept[-4:][2 * index : 2 * index + 2]
            )
            self.backward_direction(
                rows,
                index,
                (xz, dt_B_C, states),
                grad_y.chunk(2, -1)[index],
                y.chunk(2, -1)[index],
                grad_xz,
                sums[6 + index],
            )

        flat_grad = grad_windows.flatten(0, 1)
        sums.out_proj.add_(y.flatten(0, 1).t() @ flat_grad)
        sums.in_proj.add_(grad_xz.flatten(0, 1).t() @ values)
        grad_values = self.buffer("grad_values", *windows.values.shape)
        through_rms = torch.mul(grad_windows, windows.rms, out=grad_values)
        sums.residual.add_(values.t() @ through_rms.flatten(0, 1))
        sums.bias.add_(grad.sum((0, 1)))

        torch.matmul(grad_xz, weights.in_proj, out=grad_values)
        self.kernels.windows_backward(
            self.window_inputs(rows),
            windows,
            grad_values,
            grad_windows @ weights.residual.t(),
            grad,
            grad_x,
            {"weight": sums.norm_weight, "bias": sums.norm_bias},
        )

    def backward_direction(
        self,
        rows: slice,
        index: int,
        given: tuple,
        grad_y: torch.Tensor,
        y: torch.Tensor,
        grad_xz: torch.Tensor,
        sums: Direction,
    ) -> None:
        """Back through scan, x_proj and convolution of one direction.

        Arguments
        ---------
        rows : slice
            Of the block.
        index : int
            0 forward, 1 backward.
        given : tuple
            xz; dt, B, C and the checkpoints, or None where not kept.
        grad_y : torch.Tensor
            Gradient of the scan's output, ``[n, L, D]``.
        y : torch.Tensor
            Receives that output.
        grad_xz : torch.Tensor
            Receives the gradients of u and z, ``[n, L, 4 D]``.
        sums : Direction
            Gradients of the weights, added to.
        """
        xz, dt_B_C, states = given
        direction = self.directions[index]
        inputs, conv_in, dt_B_C = self.scan_inputs(rows, xz, index, dt_B_C)
        if states is None:
            states = self.new_checkpoints(inputs)
            self.kernels.scan_forward(inputs, y, states)
        grad_conv_in, grad_z = grad_xz.chunk(4, -1)[2 * index : 2 * index + 2]
        grad_u = self.buffer("grad_u", *y.shape)
        grad_delta = self.buffer("grad_delta", *y.shape)
        grad_dt_B_C = self.buffer("grad_dt_B_C", *dt_B_C.shape)
        rank = direction.dt_weight.shape[1]
        _, grad_B, grad_C = grad_dt_B_C.split(
            [rank, inputs.B.shape[-1], inputs.C.shape[-1]], -1
        )
        grads = {
            "u": grad_u,
            "delta": grad_delta,
            "A": sums.A,
            "B": grad_B,
            "C": grad_C,
            "D": sums.D,
            "z": grad_z,
            "delta_bias": sums.dt_bias,
        }
        self.kernels.scan_backward(inputs, states, grad_y, grads, y)

        dtype = grad_delta.dtype
        flat_u, flat_dt_B_C = inputs.u.flatten(0, 1), grad_dt_B_C.flatten(0, 1)
        flat_delta, flat_dt = (
            grad_delta.flatten(0, 1),
            inputs.delta.flatten(0, 1),
        )
        torch.mm(
            flat_delta,
            direction.dt_weight.to(dtype),
            out=flat_dt_B_C[:, :rank],
        )
        sums.dt_weight.add_(flat_delta.t() @ flat_dt)
        sums.x_proj.add_(flat_dt_B_C.t() @ flat_u)
        grad_u.flatten(0, 1).addmm_(flat_dt_B_C, direction.x_proj)
        if self.valid is not None:
            grad_u *= self.valid[rows].unsqueeze(-1)
        self.kernels.conv_backward(
            conv_in,
            direction.conv_weight,
            direction.conv_bias,
            index == 1,
            grad_u,
            {
                "x": grad_conv_in,
                "weight": sums.conv_weight,
                "bias": sums.conv_bias,
            },
        )


def _zeros_like(tensors):
    """Zeros in the shapes of the tensors of a ``FoldedWeights``.

    Zeroed in two memories. A part of the first becomes the gradient of a
    parameter and keeps all of it; those of the second are folded back and let
    go.
    """
    names = [*FoldedWeights._fields[:6], *Direction._fields * 2]
    folded = [
        name in ("in_proj", "out_proj", "residual", "A") for name in names
    ]
    parts = {}
    for kind in (False, True):
        chosen = [t for t, f in zip(tensors, folded, strict=True) if f == kind]
        sizes = [t.numel() for t in chosen]
        zeros = chosen[0].new_zeros(sum(sizes), dtype=state_dtype(*chosen))
        parts[kind] = iter(zeros.split(sizes))
    return [
        next(parts[kind]).view(tensor.shape)
        for tensor, kind in zip(tensors, folded, strict=True)
    ]
