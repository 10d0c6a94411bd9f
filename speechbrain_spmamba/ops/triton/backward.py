"""Selective scan, backward pass.

The formulas are derived in ``ops/torch_loop.py``, at its backward recurrence;
the names here are the same. With a_t = exp(step_t A), x_t = step_t u_t and dy
the gradient of the output before its gate, backwards in time and from w = 0 or
the gradient of the last state,

    g_t = C_t dy_t + w_{t+1},    w_t = a_t g_t,    h_t = w_t state_{t-1},

and the last w is the gradient of the initial state.

The states are computed once more, on two levels. From the checkpoint before an
interval, a first pass leaves the state before each segment in scratch memory.
Then, from the last segment to the first, its states are computed into
registers and used in the reverse order. The scratch of a program is written
again for each interval and stays in the L2 cache. ``segment.py`` has the work
on one segment.
"""

import torch
import triton
import triton.language as tl

from speechbrain_spmamba.ops.triton.device_functions import (
    base_two,
    load_by_channel,
    load_ordered,
    of_lanes,
    offset,
    scan_program,
    state_order,
    store_ordered,
)
from speechbrain_spmamba.ops.triton.forward import scan_forward
from speechbrain_spmamba.ops.triton.layout import (
    INTERVAL,
    SEGMENT,
    STRETCH,
    Outputs,
    arrange,
    cdiv,
    checkpoint_shape,
    readable,
    states_first,
)
from speechbrain_spmamba.ops.triton.segment import (
    Given,
    Results,
    Sums,
    add_gradients,
    load_segment,
    run_segment,
    store_states,
)


@triton.jit(
    do_not_specialize=["length"],
    do_not_specialize_on_alignment=[
        "weight",
        "A",
        "checkpoints",
        "scratch",
        "totals",
        "grad_last_state",
        "grad_initial_state",
    ],
)
def scan_backward_kernel(
    # the inputs, as arrange makes them; delta or weight and z may be None
    u,
    delta,
    z,
    rows,
    weight,
    A,
    D,
    bias,
    # read too; the scratch is [programs, INTERVAL / SEGMENT, BLOCK_N, BLOCK_D]
    checkpoints,
    grad_y,
    scratch,
    # Results; dA, dD and ddelta_bias of an item, [B, BLOCK_N + 2, D], or None
    results,
    totals,
    # [B, BLOCK_N, D], read and written; each may be None
    grad_last_state,
    grad_initial_state,
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
    """One item and BLOCK_D channels of it."""
    batch, block, d = scan_program(channels, BLOCK_D)
    blocks = tl.cdiv(channels, BLOCK_D)
    n = state_order(BLOCK_N, BLOCK_D)
    exists = d < channels
    # lanes beyond the last channel repeat it; their dy and w are zero, and
    # with them all that they add to sums over channels
    column = tl.minimum(d, channels - 1)

    ROW: tl.constexpr = 2 * BLOCK_N + BLOCK_R
    given = Given(
        u=of_lanes(u, batch, column),
        delta=of_lanes(delta, batch, column),
        z=of_lanes(z, batch, column),
        grad_y=of_lanes(grad_y, batch, column),
        rows=rows + batch * length * ROW + BLOCK_R,
        projection=load_by_channel(weight, d, channels, 0.0, BLOCK_R),
        A2=base_two(load_ordered(A + n * channels + column[:, None, None])),
        skip=tl.load(D + column),
        step_bias=tl.load(bias + column),
        exists=exists,
        length=length,
        blocks=blocks,
        last_state=grad_last_state,
    )
    part = (batch * length * blocks + block) * BLOCK_N
    results = Results(
        y=of_lanes(results.y, batch, column),
        u=of_lanes(results.u, batch, column),
        delta=of_lanes(results.delta, batch, column),
        z=of_lanes(results.z, batch, column),
        B=offset(results.B, part),
        C=offset(results.C, part),
    )

    TILE: tl.constexpr = BLOCK_N * BLOCK_D
    intervals = tl.cdiv(length, INTERVAL)
    checkpoints += (batch * intervals * blocks + block) * TILE
    scratch += tl.program_id(0).to(tl.int64) * (INTERVAL // SEGMENT * TILE)
    lane = tl.arange(0, BLOCK_D)
    place = tl.arange(0, BLOCK_N)[:, None] * BLOCK_D + lane

    zeros = tl.zeros((BLOCK_N, BLOCK_D), tl.float32)
    zero = tl.zeros((BLOCK_D,), tl.float32)
    w = zeros
    if grad_last_state is not None:
        grad_last_state += batch * BLOCK_N * channels
        by_state = grad_last_state + n * channels + column[:, None, None]
        w = tl.where(exists[None, :], load_ordered(by_state), 0.0)
    sums = Sums(w=w, dA=zeros, dD=zero, dbias=zero)
    for passed in range(intervals):
        interval = intervals - 1 - passed
        start = interval * INTERVAL
        segments = tl.cdiv(tl.minimum(length - start, INTERVAL), SEGMENT)
        saved = checkpoints + tl.cast(interval, tl.int64) * blocks * TILE
        store_states(
            given,
            start,
            segments,
            load_ordered(saved + n * BLOCK_D + lane[:, None, None]),
            scratch,
            place,
            SEGMENT,
            ROW,
            SOFTPLUS,
            REVERSE,
        )
        # Each lane reads what it wrote; the barrier is for the compiler, which
        # does not promise that.
        tl.debug_barrier()
        for done in range(segments):
            segment = segments - 1 - done
            first = start + segment * SEGMENT
            loaded = load_segment(given, first, SEGMENT, ROW, REVERSE)
            states = run_segment(
                given,
                loaded,
                first,
                tl.load(scratch + segment * TILE + place),
                results,
                SEGMENT,
                ROW,
                SOFTPLUS,
                REVERSE,
            )
            sums = add_gradients(
                given,
                loaded,
                states,
                first,
                sums,
                results,
                SEGMENT,
                ROW,
                SOFTPLUS,
                REVERSE,
            )

    if grad_initial_state is not None:
        grad_initial_state += batch * BLOCK_N * channels
        by_state = grad_initial_state + n * channels + d[:, None, None]
        store_ordered(by_state, sums.w, exists[:, None, None])
    if totals is not None:
        totals += batch * (BLOCK_N + 2) * channels
        by_state = totals + n * channels + d[:, None, None]
        store_ordered(by_state, sums.dA, exists[:, None, None])
        tl.store(totals + BLOCK_N * channels + d, sums.dD, exists)
        tl.store(totals + (BLOCK_N + 1) * channels + d, sums.dbias, exists)


@triton.jit(do_not_specialize=["length"])
def add_parts_kernel(
    # parts of all blocks of channels, [B, L, blocks, BLOCK_N], and their sums,
    # [B, L, states]; those of B or of C may be None
    parts_B,
    parts_C,
    sum_B,
    sum_C,
    length,
    blocks,
    states,
    BLOCK_N: tl.constexpr,
    STRETCH: tl.constexpr,
):
    """A stretch of steps of an item."""
    stretches = tl.cdiv(length, STRETCH)
    batch = (tl.program_id(0) // stretches).to(tl.int64)
    t = tl.program_id(0) % stretches * STRETCH + tl.arange(0, STRETCH)
    n = tl.arange(0, BLOCK_N)[None, :]
    inside = (t < length)[:, None]
    place = (batch * length + t)[:, None] * blocks * BLOCK_N + n
    add_parts(parts_B, place, sum_B, batch, t, n, inside, blocks, states)
    add_parts(parts_C, place, sum_C, batch, t, n, inside, blocks, states)


@triton.jit
def add_parts(parts, place, out, batch, t, n, inside, blocks, states):
    """Adds the parts of a stretch; None is left alone."""
    if parts is not None:
        total = tl.zeros(place.shape, tl.float32)
        for block in range(blocks):
            part = parts + place + block * place.shape[1]
            total += tl.load(part, inside, 0.0)
        start = out.start + batch * out.batch + (t * out.time)[:, None] + n
        total = total.to(out.start.dtype.element_ty)
        tl.store(start, total, inside & (n < states))


def scan_backward(
    inputs, checkpoints, grad_y, grads, y=None, grad_last_state=None
):
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
        blocks = cdiv(channels, block_d)
        parts = {
            name: new(batch, length, blocks, block_n)
            for name in ("B", "C")
            if name in grads
        }
        totals = None
        if grads.keys() & {"A", "D", "delta_bias"}:
            totals = new(batch, block_n + 2, channels)
        outputs = Outputs()
        results = Results(
            outputs.writable(y),
            *(
                outputs.writable(grads.get(name))
                for name in ("u", "delta", "z")
            ),
            *(parts.get(name) for name in ("B", "C")),
        )
        scan_backward_kernel[(programs,)](
            *tensors,
            checkpoints,
            readable(grad_y),
            new(programs, INTERVAL // SEGMENT, block_n, block_d),
            results,
            totals,
            states_first(grad_last_state, block_n),
            outputs.states_first(grads.get("initial_state"), block_n),
            length,
            channels,
            INTERVAL=INTERVAL,
            SEGMENT=SEGMENT,
            **constants,
        )
        if parts:
            add_parts_kernel[(batch * cdiv(length, STRETCH),)](
                parts.get("B"),
                parts.get("C"),
                outputs.writable(grads.get("B")),
                outputs.writable(grads.get("C")),
                length,
                blocks,
                states,
                BLOCK_N=block_n,
                STRETCH=STRETCH,
            )
        outputs.finish()
        if totals is not None:
            totals = totals.sum(0)
            sums = {"A": totals[:states].T}
            sums["D"], sums["delta_bias"] = totals[block_n:]
            for name in grads.keys() & sums.keys():
                grads[name].add_(sums[name])
