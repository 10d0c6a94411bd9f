"""Selective scan, forward pass.

For each channel of each sequence, over the states and from a state of zero or
one that is given:

    state_t = exp(step_t A) state_{t-1} + step_t u_t B_t
    y_t     = (sum over states of C_t state_t + D u_t) silu(z_t)
"""

import torch
import triton
import triton.language as tl

from speechbrain_spmamba.ops.triton.device_functions import (
    base_two,
    load_by_channel,
    low_rank_step,
    of_lanes,
    position,
    read,
    scan_program,
    sigmoid,
    step_size,
    write,
)
from speechbrain_spmamba.ops.triton.layout import (
    INTERVAL,
    Outputs,
    arrange,
    forward_options,
    states_first,
)


@triton.jit(
    do_not_specialize=["length"],
    do_not_specialize_on_alignment=[
        "weight",
        "A",
        "checkpoints",
        "initial_state",
        "last_state",
    ],
)
def scan_forward_kernel(
    # the inputs, as arrange makes them; delta or weight and z may be None
    u,
    delta,
    z,
    rows,
    weight,
    A,
    D,
    bias,
    # the outputs; checkpoints may be None
    y,
    checkpoints,
    # [B, BLOCK_N, D], read and written; each may be None
    initial_state,
    last_state,
    length,
    channels,
    # states, low-rank row and channels of a program
    BLOCK_N: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_D: tl.constexpr,
    INTERVAL: tl.constexpr,
    SOFTPLUS: tl.constexpr,
    REVERSE: tl.constexpr,
):
    """One item and BLOCK_D channels of it."""
    batch, block, d = scan_program(channels, BLOCK_D)
    blocks = tl.cdiv(channels, BLOCK_D)
    n = tl.arange(0, BLOCK_N)[:, None]
    lane = tl.arange(0, BLOCK_D)
    exists = d < channels
    # lanes beyond the last channel repeat it; what they find is not stored
    column = tl.minimum(d, channels - 1)

    A2 = base_two(load_by_channel(A, d, channels, -1.0, BLOCK_N))
    skip = tl.load(D + column)
    step_bias = tl.load(bias + column)
    projection = load_by_channel(weight, d, channels, 0.0, BLOCK_R)

    ROW: tl.constexpr = 2 * BLOCK_N + BLOCK_R
    rows += batch * length * ROW + BLOCK_R  # to B; delta lies before it
    u = of_lanes(u, batch, column)
    delta = of_lanes(delta, batch, column)
    z = of_lanes(z, batch, column)
    y = of_lanes(y, batch, column)
    TILE: tl.constexpr = BLOCK_N * BLOCK_D
    if checkpoints is not None:
        intervals = tl.cdiv(length, INTERVAL)
        checkpoints += (batch * intervals * blocks + block) * TILE

    # What comes from far memory is loaded one step ahead: with few warps on a
    # multiprocessor, none may wait for it. The rows, common to all channels,
    # are in the caches; loading them ahead would cost 40 moves at each step.
    t = position(0, length, REVERSE)
    next_u = read(u, t)
    if delta is not None:
        next_delta = read(delta, t)
    if z is not None:
        next_z = read(z, t)

    if initial_state is not None:
        initial_state += batch * BLOCK_N * channels
        state = load_by_channel(initial_state, d, channels, 0.0, BLOCK_N)
    else:
        state = tl.zeros((BLOCK_N, BLOCK_D), tl.float32)
    for start in range(0, length, INTERVAL):
        if checkpoints is not None:
            tl.store(checkpoints + n * BLOCK_D + lane, state)
            checkpoints += blocks * TILE
        for i in range(start, tl.minimum(start + INTERVAL, length)):
            t = position(i, length, REVERSE)
            B_t = tl.load(rows + t * ROW + n)
            C_t = tl.load(rows + t * ROW + BLOCK_N + n)
            if projection is not None:
                low = rows + t * ROW - BLOCK_R
                raw = low_rank_step(low, projection)

            ahead = position(tl.minimum(i + 1, length - 1), length, REVERSE)
            u_t = next_u.to(tl.float32)
            next_u = read(u, ahead)
            if delta is not None:
                raw = next_delta
                next_delta = read(delta, ahead)

            step = step_size(raw, step_bias, SOFTPLUS)
            decay = tl.exp2(step[None, :] * A2)
            state = decay * state + (step * u_t)[None, :] * B_t
            out = tl.sum(state * C_t, 0) + skip * u_t
            if z is not None:
                z_t = next_z.to(tl.float32)
                next_z = read(z, ahead)
                out *= z_t * sigmoid(z_t)
            write(y, t, out, exists)
    if last_state is not None:
        last_state += batch * BLOCK_N * channels
        tl.store(last_state + n * channels + d, state, exists[None, :])


def scan_forward(inputs, y, checkpoints=None, last_state=None):
    """Selective scan; the arguments are those of the package's function."""
    if inputs.u.numel() == 0:
        return
    with torch.cuda.device_of(inputs.u):
        programs, tensors, constants = arrange(inputs)
        outputs = Outputs()
        block_n = constants["BLOCK_N"]
        scan_forward_kernel[(programs,)](
            *tensors,
            outputs.writable(y),
            checkpoints,
            states_first(inputs.initial_state, block_n),
            outputs.states_first(last_state, block_n),
            *inputs.u.shape[1:],
            INTERVAL=INTERVAL,
            **constants,
            **forward_options(constants),
        )
        outputs.finish()
