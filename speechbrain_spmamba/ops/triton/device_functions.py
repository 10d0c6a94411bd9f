"""What the kernels call: sequences, places, step sizes, sums over channels.

A tile is ``[BLOCK_N, BLOCK_D]``: states by channels, each lane of the warp
with its channel's states in registers. Triton chooses such a layout when no
memory access of two axes suggests another, which is why the pointers to tiles
are kept from alignment hints (``do_not_specialize_on_alignment``): from hints
it would build accesses of 16 bytes and spread a channel over four lanes.

All of this is inlined: a function costs no register and no instruction.
"""

import triton
import triton.language as tl

from speechbrain_spmamba.ops.triton.layout import Sequence

LOG2_E = tl.constexpr(1.4426950408889634)
LN_2 = tl.constexpr(0.6931471805599453)
LARGEST = tl.constexpr(3.4028234663852886e38)


@triton.jit
def base_two(rates):
    """rates log2(e), as ``kernel_interface.base_two``: finite where rates."""
    rates = LOG2_E * rates
    rates = tl.where(rates < -LARGEST, -LARGEST, rates)
    return tl.where(rates > LARGEST, LARGEST, rates)


@triton.jit
def log1p(x):
    """log(1 + x) for 0 <= x <= 1, to 2e-7 of its value.

    x (1 + x Q(x)), Q being the minimax polynomial of degree 7. The form
    log2(1 + x) would lose a small x, which is where softplus is most often.
    """
    q = 0.005364725831896067 * x - 0.030065402388572693
    q = q * x + 0.07920391112565994
    q = q * x - 0.13753749430179596
    q = q * x + 0.1915363073348999
    q = q * x - 0.24857157468795776
    q = q * x + 0.333213210105896
    q = q * x - 0.49999648332595825
    return x + x * (x * q)


@triton.jit
def softplus(x):
    """log(1 + exp(x)), without overflow and without loss for small results."""
    return tl.maximum(x, 0.0) + log1p(tl.exp2(-LOG2_E * tl.abs(x)))


@triton.jit
def sigmoid(x):
    """1 / (1 + exp(-x)); an overflow of the exponential gives the right 0.

    By a reciprocal root, to 3e-7 of its value: a division, whose divisor may
    be anything, takes four instructions more.
    """
    root = tl.rsqrt(1.0 + tl.exp2(-LOG2_E * x))
    return root * root


@triton.jit
def position(step, length, REVERSE: tl.constexpr):
    """Index in time of a step of the scan."""
    if REVERSE:
        step = length - 1 - step
    return step


@triton.jit
def offset(pointer, elements):
    """A pointer that many elements further; None stays None."""
    if pointer is not None:
        return pointer + elements


@triton.jit
def of_lanes(sequence, batch, column):
    """An item of a sequence with a pointer for each lane; None stays None."""
    if sequence is not None:
        start = sequence.start + (batch * sequence.batch + column)
        return Sequence(start, sequence.batch, sequence.time)


@triton.jit
def read(sequence, t):
    """The elements of each lane at time t; see ``of_lanes``."""
    return tl.load(sequence.start + t * sequence.time)


@triton.jit
def write(sequence, t, values, mask):
    """Writes one element for each lane at time t, unless it is not wanted."""
    if sequence is not None:
        values = values.to(sequence.start.dtype.element_ty)
        tl.store(sequence.start + t * sequence.time, values, mask)


@triton.jit
def scan_program(channels, BLOCK_D: tl.constexpr):
    """Of a program of a scan: its item, block, and channels [BLOCK_D]."""
    blocks = tl.cdiv(channels, BLOCK_D)
    # neighbours in the grid share their rows in the L2 cache
    batch = (tl.program_id(0) // blocks).to(tl.int64)
    block = tl.program_id(0) % blocks
    return batch, block, block * BLOCK_D + tl.arange(0, BLOCK_D)


@triton.jit
def load_by_channel(pointer, d, channels, other, ROWS: tl.constexpr):
    """[ROWS, BLOCK_D] of a matrix [ROWS, D]; None if there is none."""
    if pointer is not None:
        row = tl.arange(0, ROWS)[:, None]
        mask = (d < channels)[None, :]
        return tl.load(pointer + row * channels + d, mask, other)


@triton.jit
def low_rank_step(pointer, projection):
    """Step sizes [BLOCK_D] from their row [BLOCK_R] and [BLOCK_R, BLOCK_D]."""
    low = tl.load(pointer + tl.arange(0, projection.shape[0])[:, None])
    return tl.sum(low * projection, 0)


@triton.jit
def step_size(raw, bias, SOFTPLUS: tl.constexpr):
    """The step from what is read or projected, in float32."""
    step = raw.to(tl.float32) + bias
    if SOFTPLUS:
        step = softplus(step)
    return step


@triton.jit
def state_order(BLOCK_N: tl.constexpr, BLOCK_D: tl.constexpr):
    """Which states a lane has in its registers, [BLOCK_D, quads, 4].

    Four neighbours, which one access brings, stay neighbours; the fours of 16
    states stand in lane d in the order 0 ^ q, 1 ^ q, 2 ^ q, 3 ^ q, q being
    d // 4 % 4. ``sum_channels`` says what for.
    """
    QUAD: tl.constexpr = min(BLOCK_N, 4)
    QUADS: tl.constexpr = BLOCK_N // QUAD
    quad = tl.arange(0, QUADS)[None, :, None]
    if BLOCK_N <= BLOCK_D:
        quad ^= (tl.arange(0, BLOCK_D) // QUAD % QUADS)[:, None, None]
    else:
        quad += tl.zeros((BLOCK_D, 1, 1), tl.int32)
    return quad * QUAD + tl.arange(0, QUAD)[None, None, :]


@triton.jit
def load_ordered(pointers):
    """A tile from pointers in the form of ``state_order``."""
    values = tl.permute(tl.load(pointers), (1, 2, 0))
    return tl.reshape(
        values, (values.shape[0] * values.shape[1], values.shape[2])
    )


@triton.jit
def store_ordered(pointers, tile, mask):
    """Writes a tile to pointers in the form of ``state_order``."""
    D: tl.constexpr = pointers.shape[0]
    values = tl.reshape(tile, (pointers.shape[1], pointers.shape[2], D))
    tl.store(pointers, tl.permute(values, (2, 0, 1)), mask)


@triton.jit
def sum_channels(tile):
    """Sums a tile over its channels: [BLOCK_N, BLOCK_D] -> [BLOCK_N].

    The tile is ordered as ``state_order`` says, the sums are not. Reducing each
    row over the lanes would take 5 exchanges between lanes for each of 16
    rows. Here the lanes share the work: in each round a lane gives half of its
    rows to another one for the other half of that one's. That is 8 + 4 + 2 + 1
    exchanges, and one for the rest. In the rounds of fours of rows, 8 + 4, all
    lanes give the second half of their registers, since in that order it holds
    the rows which the other lane has in its first half; in the others, even
    lanes give odd rows and odd lanes even ones, and each value is selected.
    """
    BLOCK_N: tl.constexpr = tile.shape[0]
    BLOCK_D: tl.constexpr = tile.shape[1]
    lane = tl.arange(0, BLOCK_D)
    if BLOCK_N <= BLOCK_D:
        for level in tl.static_range(4, -1, -1):
            if (4 << level) < BLOCK_N:
                rows = tl.reshape(tile, (2, 4 << level, BLOCK_D))
                kept, given = tl.split(tl.permute(rows, (1, 2, 0)))
                tile = kept + from_lane(given, lane ^ (4 << level))
        for level in tl.static_range(2):
            if (1 << level) < BLOCK_N:
                rows = tl.reshape(tile, (tile.shape[0] // 2, 2, BLOCK_D))
                even, odd = tl.split(tl.permute(rows, (0, 2, 1)))
                is_odd = (((lane >> level) & 1) != 0)[None, :]
                kept = tl.where(is_odd, odd, even)
                given = tl.where(is_odd, even, odd)
                tile = kept + from_lane(given, lane ^ (1 << level))
        # now lane d has the sum of row d % BLOCK_N over some of the channels
        tile = tl.reshape(tile, (BLOCK_D // BLOCK_N, BLOCK_N))
        return tl.sum(tile, 0)
    else:
        return tl.sum(tile, 1)


@triton.jit
def from_lane(tile, lanes):
    """For each lane the column of a tile that another one has."""
    return tl.gather(tile, tl.broadcast_to(lanes[None, :], tile.shape), 1)
