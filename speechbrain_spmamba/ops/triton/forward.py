"""Selective scan, forward pass.

For each channel of each sequence, over the states and from a state of zero:

    state_t = exp(step_t A) state_{t-1} + step_t u_t B_t
    y_t     = (sum over states of C_t state_t + D u_t) silu(z_t)
"""

import torch
import triton
import triton.language as tl

from speechbrain_spmamba.ops.triton.functions import (
    base_two,
    low_rank_step,
    position,
    sigmoid,
    softplus,
)
from speechbrain_spmamba.ops.triton.layout import (
    INTERVAL,
    Outputs,
    arrange,
    strides,
)


@triton.jit(
    do_not_specialize=["length"],
    do_not_specialize_on_alignment=["weight", "A", "checkpoints"],
)
def scan_forward_kernel(
    u,
    delta,
    weight,
    rows,
    A,
    D,
    z,
    bias,
    y,
    checkpoints,
    u_batch,
    u_time,
    delta_batch,
    delta_time,
    z_batch,
    z_time,
    y_batch,
    y_time,
    length,
    channels,
    BLOCK_N: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_D: tl.constexpr,
    INTERVAL: tl.constexpr,
    SOFTPLUS: tl.constexpr,
    REVERSE: tl.constexpr,
):
    """One sequence and BLOCK_D channels; arguments as ``arrange`` makes them.

    Either ``delta`` is given, or ``weight`` and with it BLOCK_R. ``z`` and
    ``checkpoints`` may be None.
    """
    blocks = tl.cdiv(channels, BLOCK_D)
    # neighbours in the grid share their rows in the L2 cache
    batch = (tl.program_id(0) // blocks).to(tl.int64)
    block = tl.program_id(0) % blocks
    n = tl.arange(0, BLOCK_N)[:, None]
    lane = tl.arange(0, BLOCK_D)
    d = block * BLOCK_D + lane
    exists = d < channels
    # lanes beyond the last channel repeat it; what they find is not stored
    column = tl.minimum(d, channels - 1)

    A2 = base_two(tl.load(A + n * channels + d, exists[None, :], -1.0))
    skip = tl.load(D + column)
    step_bias = tl.load(bias + column)
    if weight is not None:
        r = tl.arange(0, BLOCK_R)[:, None]
        projection = tl.load(weight + r * channels + d, exists[None, :], 0.0)

    ROW: tl.constexpr = 2 * BLOCK_N + BLOCK_R
    rows += batch * length * ROW
    u += batch * u_batch + column
    if weight is None:
        delta += batch * delta_batch + column
    if z is not None:
        z += batch * z_batch + column
    y += batch * y_batch + column
    TILE: tl.constexpr = BLOCK_N * BLOCK_D
    if checkpoints is not None:
        intervals = tl.cdiv(length, INTERVAL)
        checkpoints += (batch * intervals * blocks + block) * TILE

    # What comes from far memory is loaded one step ahead: with few warps on a
    # multiprocessor, none may wait for it. The rows, common to all channels,
    # are in the caches; loading them ahead would cost 40 moves at each step.
    t = position(0, length, REVERSE)
    next_u = tl.load(u + t * u_time)
    if weight is None:
        next_delta = tl.load(delta + t * delta_time)
    if z is not None:
        next_z = tl.load(z + t * z_time)

    state = tl.zeros((BLOCK_N, BLOCK_D), tl.float32)
    for start in range(0, length, INTERVAL):
        if checkpoints is not None:
            tl.store(checkpoints + n * BLOCK_D + lane, state)
            checkpoints += blocks * TILE
        for i in range(start, tl.minimum(start + INTERVAL, length)):
            t = position(i, length, REVERSE)
            B_t = tl.load(rows + t * ROW + n)
            C_t = tl.load(rows + t * ROW + BLOCK_N + n)
            if weight is not None:
                low = rows + t * ROW + 2 * BLOCK_N
                raw = low_rank_step(low, projection, BLOCK_R)

            ahead = position(tl.minimum(i + 1, length - 1), length, REVERSE)
            u_t = next_u.to(tl.float32)
            next_u = tl.load(u + ahead * u_time)
            if weight is None:
                raw = next_delta.to(tl.float32)
                next_delta = tl.load(delta + ahead * delta_time)

            step = raw + step_bias
            if SOFTPLUS:
                step = softplus(step)
            decay = tl.exp2(step[None, :] * A2)
            state = decay * state + (step * u_t)[None, :] * B_t
            out = tl.sum(state * C_t, 0) + skip * u_t
            if z is not None:
                z_t = next_z.to(tl.float32)
                next_z = tl.load(z + ahead * z_time)
                out *= z_t * sigmoid(z_t)
            tl.store(y + t * y_time, out.to(y.dtype.element_ty), exists)


def scan_forward(inputs, y, checkpoints=None):
    """Selective scan; the arguments are those of the package's function."""
    if inputs.u.numel() == 0:
        return
    with torch.cuda.device_of(inputs.u):
        programs, tensors, constants = arrange(inputs)
        outputs = Outputs()
        out = outputs.writable(y)
        scan_forward_kernel[(programs,)](
            *tensors,
            out,
            checkpoints,
            *strides(tensors.u),
            *strides(tensors.delta),
            *strides(tensors.z),
            *strides(out),
            *inputs.u.shape[1:],
            INTERVAL=INTERVAL,
            **constants,
        )
        outputs.finish()
