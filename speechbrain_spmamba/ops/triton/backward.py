"""Selective scan, backward pass.

The formulas are derived in ``ops/torch_loop.py``, at its backward recurrence;
the names here are the same. With a_t = exp(step_t A), x_t = step_t u_t and dy
the gradient of the output before its gate, backwards in time and from w = 0,

    g_t = C_t dy_t + w_{t+1},    w_t = a_t g_t,    h_t = w_t state_{t-1}.

The states are computed once more, on two levels. From the checkpoint before an
interval, a first pass leaves the state before each segment in scratch memory.
Then, from the last segment to the first, its states are computed into
registers and used in the reverse order. The scratch of a program is written
again for each interval and stays in the L2 cache.
"""

import torch
import triton
import triton.language as tl

from speechbrain_spmamba.ops.triton.forward import scan_forward
from speechbrain_spmamba.ops.triton.functions import (
    LN_2,
    base_two,
    low_rank_step,
    position,
    sigmoid,
    softplus,
    sum_channels,
)
from speechbrain_spmamba.ops.triton.layout import (
    INTERVAL,
    SEGMENT,
    Outputs,
    arrange,
    cdiv,
    checkpoint_shape,
    readable,
    strides,
)


@triton.jit(
    do_not_specialize=["length"],
    do_not_specialize_on_alignment=[
        "weight",
        "A",
        "checkpoints",
        "scratch",
        "sums",
    ],
)
def scan_backward_kernel(
    u,
    delta,
    weight,
    rows,
    A,
    D,
    z,
    bias,
    checkpoints,
    scratch,
    grad_y,
    grad_u,
    grad_delta,
    grad_z,
    grad_B,
    grad_C,
    sums,
    y,
    u_batch,
    u_time,
    delta_batch,
    delta_time,
    z_batch,
    z_time,
    grad_y_batch,
    grad_y_time,
    grad_u_batch,
    grad_u_time,
    grad_delta_batch,
    grad_delta_time,
    grad_z_batch,
    grad_z_time,
    y_batch,
    y_time,
    length,
    channels,
    BLOCK_N: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_D: tl.constexpr,
    INTERVAL: tl.constexpr,
    SEGMENT: tl.constexpr,
    SOFTPLUS: tl.constexpr,
    REVERSE: tl.constexpr,
):
    """One sequence and BLOCK_D channels; inputs as in the forward kernel.

    scratch : [programs, INTERVAL / SEGMENT, BLOCK_N, BLOCK_D]
    grad_B, grad_C : [B, L, blocks, BLOCK_N], the part of these channels
    sums : [B, BLOCK_N + 2, D], dA, dD and ddelta_bias of this sequence

    All gradients and ``y`` may be None.
    """
    blocks = tl.cdiv(channels, BLOCK_D)
    batch = (tl.program_id(0) // blocks).to(tl.int64)
    block = tl.program_id(0) % blocks
    n = tl.arange(0, BLOCK_N)[:, None]
    lane = tl.arange(0, BLOCK_D)
    d = block * BLOCK_D + lane
    exists = d < channels
    # lanes beyond the last channel repeat it; their dy is zero, and with it
    # all that they add to sums over channels
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
    grad_y += batch * grad_y_batch + column
    if weight is None:
        delta += batch * delta_batch + column
    if z is not None:
        z += batch * z_batch + column
    if grad_u is not None:
        grad_u += batch * grad_u_batch + column
    if grad_delta is not None:
        grad_delta += batch * grad_delta_batch + column
    if grad_z is not None:
        grad_z += batch * grad_z_batch + column
    if y is not None:
        y += batch * y_batch + column
    if grad_B is not None:
        grad_B += (batch * length * blocks + block) * BLOCK_N
    if grad_C is not None:
        grad_C += (batch * length * blocks + block) * BLOCK_N

    TILE: tl.constexpr = BLOCK_N * BLOCK_D
    intervals = tl.cdiv(length, INTERVAL)
    checkpoints += (batch * intervals * blocks + block) * TILE
    scratch += tl.program_id(0).to(tl.int64) * (INTERVAL // SEGMENT * TILE)
    place = n * BLOCK_D + lane

    w = tl.zeros((BLOCK_N, BLOCK_D), tl.float32)
    dA = tl.zeros((BLOCK_N, BLOCK_D), tl.float32)
    dD = tl.zeros((BLOCK_D,), tl.float32)
    dbias = tl.zeros((BLOCK_D,), tl.float32)
    for passed in range(intervals):
        interval = intervals - 1 - passed
        start = interval * INTERVAL
        segments = tl.cdiv(tl.minimum(length - start, INTERVAL), SEGMENT)

        # First level: the state before each segment.
        saved = checkpoints + tl.cast(interval, tl.int64) * blocks * TILE
        state = tl.load(saved + place)
        tl.store(scratch + place, state)
        next_u, next_delta = (), ()
        for j in tl.static_range(SEGMENT):
            t = position(tl.minimum(start + j, length - 1), length, REVERSE)
            next_u += (tl.load(u + t * u_time),)
            if weight is None:
                next_delta += (tl.load(delta + t * delta_time),)
        for segment in range(1, segments):
            first = start + (segment - 1) * SEGMENT
            u_s, delta_s = next_u, next_delta
            next_u, next_delta = (), ()
            for j in tl.static_range(SEGMENT):
                t = tl.minimum(first + SEGMENT + j, length - 1)
                t = position(t, length, REVERSE)
                next_u += (tl.load(u + t * u_time),)
                if weight is None:
                    next_delta += (tl.load(delta + t * delta_time),)
            for j in tl.static_range(SEGMENT):
                t = position(first + j, length, REVERSE)
                B_t = tl.load(rows + t * ROW + n)
                if weight is not None:
                    low = rows + t * ROW + 2 * BLOCK_N
                    raw = low_rank_step(low, projection, BLOCK_R)
                else:
                    raw = delta_s[j].to(tl.float32)
                step = raw + step_bias
                if SOFTPLUS:
                    step = softplus(step)
                x = step * u_s[j].to(tl.float32)
                state = tl.exp2(step[None, :] * A2) * state + x[None, :] * B_t
            tl.store(scratch + segment * TILE + place, state)

        # Second level. Each lane reads what it wrote; the barrier is for the
        # compiler, which does not promise that.
        tl.debug_barrier()
        for done in range(segments):
            segment = segments - 1 - done
            first = start + segment * SEGMENT
            # What the segment needs of each channel is loaded before anything
            # is computed: one wait for memory instead of SEGMENT. Steps past
            # the end read the last one; of size 0 and with dy = 0, they change
            # nothing.
            u_s, raw_s, z_s, grad_y_s = (), (), (), ()
            for j in tl.static_range(SEGMENT):
                inside = first + j < length
                t = tl.minimum(first + j, length - 1)
                t = position(t, length, REVERSE)
                u_s += (tl.load(u + t * u_time),)
                if weight is not None:
                    low = rows + t * ROW + 2 * BLOCK_N
                    raw_s += (low_rank_step(low, projection, BLOCK_R),)
                else:
                    raw_s += (tl.load(delta + t * delta_time),)
                if z is not None:
                    z_s += (tl.load(z + t * z_time),)
                grad = tl.load(grad_y + t * grad_y_time, exists & inside, 0.0)
                grad_y_s += (grad,)

            step_s, dy_s, state_s, decay_s = (), (), (), ()
            state = tl.load(scratch + segment * TILE + place)
            for j in tl.static_range(SEGMENT):
                inside = first + j < length
                t = tl.minimum(first + j, length - 1)
                t = position(t, length, REVERSE)
                B_t = tl.load(rows + t * ROW + n)
                C_t = tl.load(rows + t * ROW + BLOCK_N + n)
                u_t = u_s[j].to(tl.float32)
                dy = grad_y_s[j].to(tl.float32)
                step = raw_s[j].to(tl.float32) + step_bias
                if SOFTPLUS:
                    step = softplus(step)
                step = tl.where(inside, step, 0.0)
                decay = tl.exp2(step[None, :] * A2)
                step_s += (step,)
                state_s += (state,)
                decay_s += (decay,)
                state = decay * state + (step * u_t)[None, :] * B_t

                if (y is not None) or (grad_z is not None):
                    out = tl.sum(state * C_t, 0) + skip * u_t
                if z is not None:
                    z_t = z_s[j].to(tl.float32)
                    gate = sigmoid(z_t)
                    silu = z_t * gate
                    if grad_z is not None:
                        grad = dy * out * (gate + silu * (1.0 - gate))
                        grad = grad.to(grad_z.dtype.element_ty)
                        place_z = grad_z + t * grad_z_time
                        tl.store(place_z, grad, exists & inside)
                    if y is not None:
                        out *= silu
                    dy *= silu
                dy_s += (dy,)
                if y is not None:
                    out = out.to(y.dtype.element_ty)
                    tl.store(y + t * y_time, out, exists & inside)
                if grad_C is not None:
                    dC = sum_channels(dy[None, :] * state, BLOCK_N, BLOCK_D)
                    place_C = grad_C + t * blocks * BLOCK_N
                    tl.store(place_C + tl.arange(0, BLOCK_N), dC, inside)

            for j in tl.static_range(SEGMENT - 1, -1, -1):
                inside = first + j < length
                t = tl.minimum(first + j, length - 1)
                t = position(t, length, REVERSE)
                B_t = tl.load(rows + t * ROW + n)
                C_t = tl.load(rows + t * ROW + BLOCK_N + n)
                u_t = u_s[j].to(tl.float32)
                step, dy = step_s[j], dy_s[j]

                g = w + dy[None, :] * C_t
                if grad_B is not None:
                    x = step * u_t
                    dB = sum_channels(x[None, :] * g, BLOCK_N, BLOCK_D)
                    place_B = grad_B + t * blocks * BLOCK_N
                    tl.store(place_B + tl.arange(0, BLOCK_N), dB, inside)
                dx = tl.sum(g * B_t, 0)
                w = decay_s[j] * g
                h = w * state_s[j]
                dA += step[None, :] * h
                grad = LN_2 * tl.sum(h * A2, 0) + u_t * dx
                if SOFTPLUS:
                    grad *= sigmoid(raw_s[j].to(tl.float32) + step_bias)
                dbias += grad
                if grad_delta is not None:
                    grad = grad.to(grad_delta.dtype.element_ty)
                    place_delta = grad_delta + t * grad_delta_time
                    tl.store(place_delta, grad, exists & inside)
                dD += u_t * dy
                if grad_u is not None:
                    grad = step * dx + skip * dy
                    grad = grad.to(grad_u.dtype.element_ty)
                    tl.store(grad_u + t * grad_u_time, grad, exists & inside)

    if sums is not None:
        sums += batch * (BLOCK_N + 2) * channels + d
        tl.store(sums + n * channels, dA, exists[None, :])
        tl.store(sums + BLOCK_N * channels, dD, exists)
        tl.store(sums + (BLOCK_N + 1) * channels, dbias, exists)


def scan_backward(inputs, checkpoints, grad_y, grads, y=None):
    """Gradients; the arguments are those of the package's function."""
    if inputs.u.numel() == 0:
        return
    with torch.cuda.device_of(inputs.u):
        if checkpoints is None:
            checkpoints = inputs.u.new_empty(
                checkpoint_shape(inputs.u, inputs.A), dtype=torch.float32
            )
            scan_forward(inputs, torch.empty_like(inputs.u), checkpoints)
        batch, length, channels = inputs.u.shape
        states = inputs.A.shape[1]
        programs, tensors, constants = arrange(inputs)
        block_n, block_d = constants["BLOCK_N"], constants["BLOCK_D"]
        new = tensors.A.new_empty
        scratch = new(programs, INTERVAL // SEGMENT, block_n, block_d)
        parts = {
            name: new(batch, length, cdiv(channels, block_d), block_n)
            for name in ("B", "C")
            if name in grads
        }
        sums = None
        if grads.keys() & {"A", "D", "delta_bias"}:
            sums = new(batch, block_n + 2, channels)
        outputs = Outputs()
        written = [
            outputs.writable(grads.get(name)) for name in ("u", "delta", "z")
        ]
        y = outputs.writable(y)
        grad_y = readable(grad_y)
        scan_backward_kernel[(programs,)](
            *tensors,
            checkpoints,
            scratch,
            grad_y,
            *written,
            parts.get("B"),
            parts.get("C"),
            sums,
            y,
            *strides(tensors.u),
            *strides(tensors.delta),
            *strides(tensors.z),
            *strides(grad_y),
            *(stride for tensor in written for stride in strides(tensor)),
            *strides(y),
            length,
            channels,
            INTERVAL=INTERVAL,
            SEGMENT=SEGMENT,
            **constants,
        )
        outputs.finish()
        for name, part in parts.items():
            grads[name].copy_(part.sum(2)[..., :states])
        if sums is not None:
            sums = sums.sum(0)
            parts = {"A": sums[:states].T}
            parts["D"], parts["delta_bias"] = sums[block_n:]
            for name in grads.keys() & parts.keys():
                grads[name].add_(parts[name])
