"""The parts of the backward scan: what it does with one segment of time.

``backward.py`` has the formulas, whose names stand here, and calls these. Time
is walked in segments of SEGMENT steps; a tuple ``x_s`` has a value for each of
them. ROW is the width of a row of low-rank step sizes, B and C; `rows` points
to the B of the first. Results that are None are not wanted.
"""

from typing import NamedTuple

import triton
import triton.language as tl

from speechbrain_spmamba.ops.triton.device_functions import (
    LN_2,
    load_ordered,
    low_rank_step,
    position,
    read,
    sigmoid,
    state_order,
    step_size,
    sum_channels,
    write,
)
from speechbrain_spmamba.ops.triton.layout import Sequence


class Given(NamedTuple):
    """What a program reads, each lane its channel."""

    u: Sequence
    delta: Sequence | None
    z: Sequence | None
    grad_y: Sequence
    rows: tl.tensor
    projection: tl.tensor | None
    A2: tl.tensor
    skip: tl.tensor
    step_bias: tl.tensor
    exists: tl.tensor
    length: tl.tensor
    blocks: tl.tensor
    last_state: tl.tensor | None  # its gradient


class Results(NamedTuple):
    """What a program writes for each step.

    Of B and C the parts that its block adds: [B, L, blocks, BLOCK_N], float32.
    """

    y: Sequence | None
    u: Sequence | None
    delta: Sequence | None
    z: Sequence | None
    B: tl.tensor | None
    C: tl.tensor | None


class Loaded(NamedTuple):
    """What is loaded of a segment, as it is in memory."""

    u: tuple
    raw: tuple
    z: tuple
    grad_y: tuple


class States(NamedTuple):
    """What a segment's states, computed again, leave for the gradients."""

    step: tuple
    dy: tuple
    before: tuple
    decay: tuple


class Sums(NamedTuple):
    """What is carried from segment to segment: w, and sums over time."""

    w: tl.tensor
    dA: tl.tensor
    dD: tl.tensor
    dbias: tl.tensor


@triton.jit
def step_or_last(given, i, REVERSE: tl.constexpr):
    """Index in time of step i, and whether there is one; else of the last.

    Steps past the end get size 0 and dy = 0, with which they change nothing
    but, under a gradient of the last state, that of their own size.
    """
    t = position(tl.minimum(i, given.length - 1), given.length, REVERSE)
    return t, i < given.length


@triton.jit
def write_part(pointer, index, row, mask):
    """Writes one of the rows [BLOCK_N] that begin at the pointer."""
    place = pointer + index * row.shape[0] + tl.arange(0, row.shape[0])
    tl.store(place, row, mask)


@triton.jit
def load_steps(given, first, SEGMENT: tl.constexpr, REVERSE: tl.constexpr):
    """u and, unless they have to be projected, step sizes of a segment."""
    u_s, delta_s = (), ()
    for j in tl.static_range(SEGMENT):
        t, _ = step_or_last(given, first + j, REVERSE)
        u_s += (read(given.u, t),)
        if given.delta is not None:
            delta_s += (read(given.delta, t),)
    return u_s, delta_s


@triton.jit
def store_states(
    given,
    start,
    segments,
    state,
    scratch,
    place,
    SEGMENT: tl.constexpr,
    ROW: tl.constexpr,
    SOFTPLUS: tl.constexpr,
    REVERSE: tl.constexpr,
):
    """First level: writes the state before each segment of an interval.

    start, state : the first step and the state before it
    scratch, place : a pointer, and [BLOCK_N, BLOCK_D] offsets from it
    """
    n = state_order(state.shape[0], state.shape[1])
    tl.store(scratch + place, state)
    next_u, next_delta = load_steps(given, start, SEGMENT, REVERSE)
    for segment in range(1, segments):
        first = start + (segment - 1) * SEGMENT
        u_s, delta_s = next_u, next_delta
        # a segment ahead, as in the forward kernel a step
        next_u, next_delta = load_steps(
            given, first + SEGMENT, SEGMENT, REVERSE
        )
        for j in tl.static_range(SEGMENT):
            row = given.rows + position(first + j, given.length, REVERSE) * ROW
            B_t = load_ordered(row + n)
            if given.projection is not None:
                low = row - given.projection.shape[0]
                raw = low_rank_step(low, given.projection)
            else:
                raw = delta_s[j]
            step = step_size(raw, given.step_bias, SOFTPLUS)
            x = step * u_s[j].to(tl.float32)
            decay = tl.exp2(step[None, :] * given.A2)
            state = decay * state + x[None, :] * B_t
        tl.store(scratch + segment * state.numel + place, state)


@triton.jit
def load_segment(
    given,
    first,
    SEGMENT: tl.constexpr,
    ROW: tl.constexpr,
    REVERSE: tl.constexpr,
):
    """Loads what a segment needs of each channel.

    All of it before anything is computed: one wait for memory, not SEGMENT.
    """
    u_s, raw_s, z_s, grad_y_s = (), (), (), ()
    for j in tl.static_range(SEGMENT):
        t, inside = step_or_last(given, first + j, REVERSE)
        u_s += (read(given.u, t),)
        if given.projection is not None:
            low = given.rows + t * ROW - given.projection.shape[0]
            raw_s += (low_rank_step(low, given.projection),)
        else:
            raw_s += (read(given.delta, t),)
        if given.z is not None:
            z_s += (read(given.z, t),)
        place = given.grad_y.start + t * given.grad_y.time
        grad_y_s += (tl.load(place, given.exists & inside, 0.0),)
    return Loaded(u_s, raw_s, z_s, grad_y_s)


@triton.jit
def run_segment(
    given,
    loaded,
    first,
    state,
    results,
    SEGMENT: tl.constexpr,
    ROW: tl.constexpr,
    SOFTPLUS: tl.constexpr,
    REVERSE: tl.constexpr,
):
    """Second level, forwards in time: ``States``; writes y, dz and dC."""
    BLOCK_N: tl.constexpr = state.shape[0]
    n = state_order(BLOCK_N, state.shape[1])
    step_s, dy_s, state_s, decay_s = (), (), (), ()
    for j in tl.static_range(SEGMENT):
        t, inside = step_or_last(given, first + j, REVERSE)
        B_t = load_ordered(given.rows + t * ROW + n)
        C_t = load_ordered(given.rows + t * ROW + BLOCK_N + n)
        u_t = loaded.u[j].to(tl.float32)
        dy = loaded.grad_y[j].to(tl.float32)
        step = step_size(loaded.raw[j], given.step_bias, SOFTPLUS)
        step = tl.where(inside, step, 0.0)
        decay = tl.exp2(step[None, :] * given.A2)
        step_s += (step,)
        state_s += (state,)
        decay_s += (decay,)
        state = decay * state + (step * u_t)[None, :] * B_t

        if (results.y is not None) or (results.z is not None):
            out = tl.sum(state * C_t, 0) + given.skip * u_t
        if given.z is not None:
            z_t = loaded.z[j].to(tl.float32)
            gate = sigmoid(z_t)
            silu = z_t * gate
            if results.z is not None:
                dz = dy * out * (gate + silu * (1.0 - gate))
                write(results.z, t, dz, given.exists & inside)
            if results.y is not None:
                out *= silu
            dy *= silu
        dy_s += (dy,)
        if results.y is not None:
            write(results.y, t, out, given.exists & inside)
        if results.C is not None:
            dC = sum_channels(dy[None, :] * state)
            write_part(results.C, t * given.blocks, dC, inside)
    return States(step_s, dy_s, state_s, decay_s)


@triton.jit
def add_gradients(
    given,
    loaded,
    states,
    first,
    sums,
    results,
    SEGMENT: tl.constexpr,
    ROW: tl.constexpr,
    SOFTPLUS: tl.constexpr,
    REVERSE: tl.constexpr,
):
    """Second level, backwards in time: new ``Sums``; writes dB, ddelta, du."""
    w, dA, dD, dbias = sums
    BLOCK_N: tl.constexpr = w.shape[0]
    n = state_order(BLOCK_N, w.shape[1])
    for j in tl.static_range(SEGMENT - 1, -1, -1):
        t, inside = step_or_last(given, first + j, REVERSE)
        B_t = load_ordered(given.rows + t * ROW + n)
        C_t = load_ordered(given.rows + t * ROW + BLOCK_N + n)
        u_t = loaded.u[j].to(tl.float32)
        step, dy = states.step[j], states.dy[j]

        g = w + dy[None, :] * C_t
        if results.B is not None:
            x = step * u_t
            dB = sum_channels(x[None, :] * g)
            write_part(results.B, t * given.blocks, dB, inside)
        dx = tl.sum(g * B_t, 0)
        w = states.decay[j] * g
        h = w * states.before[j]
        dA += step[None, :] * h
        dstep = LN_2 * tl.sum(h * given.A2, 0) + u_t * dx
        if SOFTPLUS:
            dstep *= sigmoid(loaded.raw[j].to(tl.float32) + given.step_bias)
        if given.last_state is not None:
            dstep = tl.where(inside, dstep, 0.0)
        dbias += dstep
        write(results.delta, t, dstep, given.exists & inside)
        dD += u_t * dy
        if results.u is not None:
            du = step * dx + given.skip * dy
            write(results.u, t, du, given.exists & inside)
    return Sums(w, dA, dD, dbias)
