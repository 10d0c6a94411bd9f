"""The selective scan in plain torch: a lean loop with its own backward.

The obvious loop is slow and large because autograd keeps several ``[B, D, N]``
tensors of every time step. Here nothing of that size outlives a few steps:

* The scan is cut into tiles (``tiling.py``) whose states stay in cache. The
  work on a tile is done in a few large calls; only the recurrence itself, one
  multiply-add, is called once for each time step.
* The forward pass keeps the state before every tile (a checkpoint); the
  backward pass starts from it and computes the states of the tile again.

The functions are those of ``ops.kernel_interface.Kernels``.

Axes: K steps of a tile or of a part of it, R rows of a block, N states,
D channels.
"""

import torch
from torch.nn import functional as F

from speechbrain_spmamba.ops.kernel_interface import (
    ScanInputs,
    base_two,
    state_dtype,
)
from speechbrain_spmamba.ops.tiling import Tiling
from speechbrain_spmamba.ops.torch_conv import conv_backward, conv_forward
from speechbrain_spmamba.ops.torch_windows import (
    overlap_add,
    windows_backward,
    windows_forward,
)

__all__ = [
    "checkpoint_shape",
    "conv_backward",
    "conv_forward",
    "overlap_add",
    "scan_backward",
    "scan_forward",
    "scan_step",
    "why_not",
    "windows_backward",
    "windows_forward",
]

# Steps that the forward pass expands at once, when the batch fills the cache:
# the fewer, the more rows share a call of the recurrence.
_FORWARD_STEPS = 4


def why_not(u=None, A=None):
    """It runs everywhere."""
    return ""


def checkpoint_shape(u, A):
    """Shape of the states that a forward pass keeps, in the state's dtype."""
    return Tiling.checkpoint_shape(u.shape, A.shape[1])


def scan_forward(inputs, y, checkpoints=None, last_state=None):
    """Selective scan.

    Example
    -------
    >>> u, A = torch.ones(1, 3, 1), torch.tensor([[0.5]]).log()
    >>> y = torch.empty(1, 3, 1)
    >>> scan_forward(ScanInputs(u, u, A, u, u), y)
    >>> y.flatten().tolist()
    [1.0, 1.5, 1.75]
    """
    _Passes(inputs).forward(y, checkpoints, last_state)


def scan_backward(
    inputs, checkpoints, grad_y, grads, y=None, grad_last_state=None
):
    """Gradients of a selective scan."""
    _Passes(inputs).backward(checkpoints, grad_y, grads, y, grad_last_state)


def scan_step(inputs, y):
    """A scan of one time step that updates its initial state."""
    state = inputs.initial_state
    u, step, A, B, C = (t.to(state.dtype) for t in inputs[:5])
    if inputs.delta_bias is not None:
        step = step + inputs.delta_bias
    if inputs.delta_softplus:
        step = F.softplus(step)
    state *= torch.exp2(step.transpose(1, 2) * base_two(A))
    state.addcmul_((step * u).transpose(1, 2), B)
    out = torch.bmm(C, state.transpose(1, 2))  # [B, 1, D]
    if inputs.D is not None:
        out.addcmul_(u, inputs.D.to(state.dtype))
    if inputs.z is not None:
        out *= F.silu(inputs.z.to(state.dtype))
    y.copy_(out)


class _Passes(Tiling):
    """The forward and the backward pass of one scan, tile by tile."""

    def __init__(self, inputs: ScanInputs):
        u, self.delta, A, self.B, self.C, D, self.z, bias = inputs[:8]
        self.u = u
        dtype = state_dtype(*inputs[:9])
        if inputs.delta_weight is not None:
            weight = inputs.delta_weight.to(dtype)
            self.delta = F.linear(self.delta.to(dtype), weight)
        self.delta_softplus = inputs.delta_softplus
        self.initial_state = inputs.initial_state
        super().__init__(u, A.shape[1], dtype, inputs.reverse)

        self.A = A.t().to(dtype).contiguous()  # [N, D]
        # exp2 takes a third of the time of exp on a CPU, and much less when
        # the result underflows; the change of base is paid once, on A.
        self.A2 = base_two(self.A)
        self.D = None if D is None else D.to(dtype)
        self.bias = None if bias is None else bias.to(dtype)

    def load_step(self, name, tile):
        """delta + delta_bias of a tile, [K, R, D], before the softplus."""
        raw = self.load(name, self.delta, tile)
        return raw if self.bias is None else raw.add_(self.bias)

    def load_tile(self, tile):
        """What both passes need of a tile: u, step, drive = step u, B, C."""
        u = self.load("u", self.u, tile)
        step = self.load_step("step", tile)
        if self.delta_softplus:
            _softplus_(step, self.buffer("spare", *u.shape))
        drive = torch.mul(step, u, out=self.buffer("drive", *u.shape))
        B, C = self.load("B", self.B, tile), self.load("C", self.C, tile)
        return u, step, drive, B, C

    def run_segment(self, state, step, drive, B):
        """Runs the recurrence over the steps of a tile or of a part of it.

        Arguments
        ---------
        state : torch.Tensor
            The state before the segment, [R, N, D].
        step, drive, B : torch.Tensor
            step and step * u, [K, R, D], and B, [K, R, N], of the segment.

        Returns
        -------
        tuple
            The decays exp(step A), the states before and the states after
            every step, all [K, R, N, D], and the last state, [R, N, D].
        """
        shape = (*B.shape, step.shape[-1])
        decay = self.buffer("decay", *shape)
        torch.mul(step[:, :, None], self.A2, out=decay)
        torch.exp2(decay, out=decay)

        # one slot more than steps, at the end where the scan starts
        slots = self.buffer("states", shape[0] + 1, *shape[1:])
        self.steps(slots)[0].copy_(state)
        before, after = slots[:-1], slots[1:]
        if self.reverse:
            before, after = after, before
        torch.mul(drive[:, :, None], B[..., None], out=after)
        slots = self.steps(slots)
        for decay_t, previous, state in zip(
            self.steps(decay), slots[:-1], slots[1:], strict=True
        ):
            state.addcmul_(decay_t, previous)
        return decay, before, after, slots[-1]

    def carried(self, state, rows):
        """Of a state [B, D, N] its rows, [R, N, D]; of None a zero."""
        if state is None:
            return self.A.new_zeros(())
        return state[rows].transpose(1, 2)

    def forward(self, y, checkpoints=None, last_state=None):
        """Writes y; fills ``checkpoints`` and ``last_state`` when given."""
        row_blocks, steps = self.row_blocks(_FORWARD_STEPS)
        for rows in row_blocks:
            state = self.carried(self.initial_state, rows)
            for tile in self.tiles(rows):
                u, step, drive, B, C = self.load_tile(tile)
                out = self.buffer("y", *u.shape)
                if checkpoints is not None:
                    self.checkpoint(checkpoints, tile).copy_(state)
                for part in self.parts(0, len(u), steps):
                    _, _, states, state = self.run_segment(
                        state, step[part], drive[part], B[part]
                    )
                    _weigh(C[part], states, out=out[part])
                if self.D is not None:
                    out.addcmul_(u, self.D)
                if self.z is not None:
                    out *= F.silu(self.load("z", self.z, tile), inplace=True)
                self.store(out, y, tile)
            if last_state is not None:
                self.carried(last_state, rows).copy_(state)

    # The backward recurrence. With a_t = exp(step_t A), x_t = step_t u_t,
    # s_t = a_t s_{t-1} + x_t B_t and y_t = sum_n C_t s_t, let dy_t be the
    # gradient of y_t and g_t that of s_t. The state s_t acts on y_t and on
    # s_{t+1}, hence, backwards in time and from w = 0, or from the gradient
    # of the last state,
    #
    #     g_t = C_t dy_t + w_{t+1},        w_t = a_t g_t.
    #
    # The last w is the gradient of the initial state. Everything else is local
    # in time:
    #
    #     dC_t = sum_d dy_t s_t            dB_t = sum_d x_t g_t
    #     dx_t = sum_n B_t g_t             h_t  = w_t s_{t-1}
    #     dA   = sum_{b,t} step_t h_t      dstep_t = sum_n A h_t + u_t dx_t
    #     du_t = step_t dx_t + D dy_t      dD   = sum_{b,t} u_t dy_t
    #
    # h_t is the gradient of step_t A, since d a_t = a_t d(step_t A). Around
    # the scan: for out = y silu(z), dy = grad_y silu(z) and
    # dz = grad_y y silu'(z), silu'(z) = sigmoid(z) (1 + z (1 - sigmoid(z)));
    # for step = softplus(r), dr = dstep sigmoid(r); ddelta_bias = sum_{b,t} dr.

    def backward(self, checkpoints, grad_y, grads, y, grad_last_state):
        """Fills the tensors of ``grads``, and y when given."""
        # Those of parameters are sums over the tiles, in the state's dtype.
        zeros = self.A.new_zeros(self.channels)
        sums = {"A": torch.zeros_like(self.A), "D": zeros}
        sums["delta_bias"] = zeros.clone()
        wanted = grads if y is None else {**grads, "y": y}
        wanted = {k: v for k, v in wanted.items() if k != "initial_state"}
        for rows in self.row_blocks(self.interval)[0]:
            w_next = self.carried(grad_last_state, rows)
            for tile in reversed(self.tiles(rows)):
                state = self.checkpoint(checkpoints, tile)
                found, w_next = self.backward_tile(
                    tile, grad_y, state, w_next, wanted
                )
                for name in wanted:
                    if name in sums:
                        sums[name] += found[name]
                    else:
                        self.store(found[name], wanted[name], tile)
            if "initial_state" in grads:
                self.carried(grads["initial_state"], rows).copy_(w_next)
        sums["A"] = sums["A"].t()
        for name in sums.keys() & grads.keys():
            grads[name] += sums[name]

    def backward_tile(self, tile, grad_y, state, w_next, wanted):
        """Gradients from one tile.

        Arguments
        ---------
        tile : tuple
            The slices of the batch and of the time.
        grad_y : torch.Tensor
            The gradient of the output, [B, L, D].
        state : torch.Tensor
            The state before the tile, [R, N, D].
        w_next : torch.Tensor
            w of the step after the tile, [R, N, D]; zero after the last one.
        wanted : collection
            The names of the gradients to compute, and "y" for the output.

        Returns
        -------
        tuple
            A dict with at least the gradients wanted: of sequences
            [K, R, *], of A [N, D] and of D and delta_bias [D] the sums over
            the tile, and the output "y"; and w of the first step of the tile.
        """
        u, step, drive, B, C = self.load_tile(tile)
        decay, before, after, _ = self.run_segment(state, step, drive, B)
        dy = self.load("dy", grad_y, tile)
        grads = {}
        if "y" in wanted or "z" in wanted:
            y = _weigh(C, after, out=self.buffer("y", *u.shape))
            if self.D is not None:
                y.addcmul_(u, self.D)
            grads["y"] = y
        if self.z is not None:
            z = self.load("z", self.z, tile)
            gate = torch.sigmoid(z, out=self.buffer("gate", *z.shape))
            if "z" in wanted:
                slope = gate * (1 + z * (1 - gate))
                grads["z"] = slope.mul_(y).mul_(dy)
            z.mul_(gate)
            dy *= z
            if "y" in wanted:
                y.mul_(z)
        if "C" in wanted:
            grads["C"] = _project(dy, after, self.buffer("dC", *C.shape))
        if "D" in wanted:
            grads["D"] = (u * dy).sum((0, 1))

        g = self.buffer("g", *decay.shape)
        torch.mul(C[..., None], dy[:, :, None], out=g)
        decays, gs = self.steps(decay)[::-1], self.steps(g)[::-1]
        gs[0].add_(w_next)
        for g_t, g_next, decay_next in zip(
            gs[1:], gs[:-1], decays[:-1], strict=True
        ):
            g_t.addcmul_(decay_next, g_next)
        dx = _weigh(B, g, out=self.buffer("dx", *u.shape))
        if "B" in wanted:
            grads["B"] = _project(drive, g, self.buffer("dB", *B.shape))

        w = decay.mul_(g)
        w_next = self.buffer("w", *decays[-1].shape).copy_(decays[-1])
        h = w.mul_(before)
        if "A" in wanted:
            grads["A"] = torch.mul(h, step[:, :, None], out=g).sum((0, 1))
        dstep = self.buffer("dstep", *u.shape)
        torch.sum(h.mul_(self.A), 2, out=dstep).addcmul_(u, dx)
        if self.delta_softplus:
            raw = self.load_step("spare", tile)
            dstep *= torch.sigmoid(raw, out=raw)
        grads["delta"] = dstep
        if "delta_bias" in wanted:
            grads["delta_bias"] = dstep.sum((0, 1))
        du = grads["u"] = dx.mul_(step)
        if self.D is not None:
            du.addcmul_(dy, self.D)
        return grads, w_next


def _softplus_(x, spare):
    """softplus(x) in place; ``spare`` is overwritten.

    softplus(x) = max(x, 0) + log(1 + exp(-|x|)), and the second term is
    2 atanh(1 / (1 + 2 exp(|x|))), accurate for every x. log1p is not
    vectorised on a CPU and takes three times as long as all of this.
    """
    torch.exp(torch.abs(x, out=spare), out=spare)
    spare.mul_(2).add_(1).reciprocal_().atanh_()
    return x.clamp_(min=0).add_(spare, alpha=2)


def _weigh(weights, states, out):
    """sum_n weights[K, R, n] states[K, R, n, D] -> out [K, R, D]."""
    k, rows, count, channels = states.shape
    torch.bmm(
        weights.view(k * rows, 1, count),
        states.view(k * rows, count, channels),
        out=out.view(k * rows, 1, channels),
    )
    return out


def _project(weights, states, out):
    """sum_d weights[K, R, d] states[K, R, N, d] -> out [K, R, N]."""
    k, rows, count, channels = states.shape
    # a row vector times a transpose: the matrix-vector form of bmm takes
    # eight times as long on a CPU
    torch.bmm(
        weights.view(k * rows, 1, channels),
        states.view(k * rows, count, channels).transpose(1, 2),
        out=out.view(k * rows, 1, count),
    )
    return out
