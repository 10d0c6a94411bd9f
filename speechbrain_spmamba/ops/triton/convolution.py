"""Causal depthwise convolution over time with silu, and its gradients.

A program takes a tile of time steps of BLOCK_D channels and walks through it,
with the last K inputs in registers: each input is read once, and no halo is
exchanged. Steps are counted in the order of the walk, which for ``reverse`` is
the mirrored one; then both directions read, with x = 0 outside of 0 .. L-1,

    v_i = bias + sum over k < K of weight_k x_{i - (K-1) + k},   out = silu(v),

and with e_i = grad_out_i silu'(v_i), the gradient of v_i,

    dx_i      = sum over k of weight_k e_{i + (K-1) - k}
    dweight_k = sum over i of e_i x_{i - (K-1) + k}
    dbias     = sum over i of e_i.
"""

import torch
import triton
import triton.language as tl

from speechbrain_spmamba.ops.triton.device_functions import (
    of_lanes,
    position,
    sigmoid,
    write,
)
from speechbrain_spmamba.ops.triton.layout import (
    Outputs,
    cdiv,
    parameter,
    readable,
    refuse_float64,
    transposed,
)

# The kernels move memory and compute little. A lane reads four neighbouring
# channels at once, 8 or 16 bytes.
BLOCK_D = 128

# Steps of a tile: a program reads K - 1 of them in vain, or in the backward
# pass 2 (K - 1), which is 5 to 10 %; and fewer programs leave fewer parts of
# the sums over time to add up.
TILE = 64

# Steps whose inputs are loaded together, before the first is used.
GROUP = 4


@triton.jit
def read_step(sequence, i, length, exists, REVERSE: tl.constexpr):
    """Step i of a sequence in float32, zero outside of it."""
    place = position(i, length, REVERSE) * sequence.time
    mask = exists & (i >= 0) & (i < length)
    return tl.load(sequence.start + place, mask, 0.0).to(tl.float32)


@triton.jit
def weighted_sum(weights, window, K: tl.constexpr):
    """Sum over k of weights[k] window[k]."""
    total = weights[0] * window[0]
    for k in tl.static_range(1, K):
        total += weights[k] * window[k]
    return total


@triton.jit(do_not_specialize=["length"])
def conv_forward_kernel(
    x,
    weight,
    bias,
    out,
    length,
    channels,
    K: tl.constexpr,
    TILE: tl.constexpr,
    GROUP: tl.constexpr,
    BLOCK_D: tl.constexpr,
    REVERSE: tl.constexpr,
):
    """One tile of time and of channels. weight [K, D], bias [D], float32."""
    blocks, tiles = tl.cdiv(channels, BLOCK_D), tl.cdiv(length, TILE)
    batch = (tl.program_id(0) // (blocks * tiles)).to(tl.int64)
    start = tl.program_id(0) // blocks % tiles * TILE
    d = tl.program_id(0) % blocks * BLOCK_D + tl.arange(0, BLOCK_D)
    exists = d < channels
    x = of_lanes(x, batch, d)
    out = of_lanes(out, batch, d)

    shift = tl.load(bias + d, exists, 0.0)
    weights = ()
    for k in tl.static_range(K):
        weights += (tl.load(weight + k * channels + d, exists, 0.0),)
    window = ()
    for k in tl.static_range(K - 1):
        i = start - (K - 1) + k
        window += (read_step(x, i, length, exists, REVERSE),)

    for first in range(start, tl.minimum(start + TILE, length), GROUP):
        new = ()
        for j in tl.static_range(GROUP):
            i = first + j
            new += (read_step(x, i, length, exists, REVERSE),)
        window += new
        for j in tl.static_range(GROUP):
            v = shift + weighted_sum(weights, window[j : j + K], K)
            t = position(first + j, length, REVERSE)
            inside = exists & (first + j < length)
            write(out, t, v * sigmoid(v), inside)
        window = window[GROUP:]


@triton.jit(do_not_specialize=["length"])
def conv_backward_kernel(
    x,
    weight,
    bias,
    grad_out,
    grad_x,
    sums,
    length,
    channels,
    K: tl.constexpr,
    TILE: tl.constexpr,
    GROUP: tl.constexpr,
    BLOCK_D: tl.constexpr,
    REVERSE: tl.constexpr,
):
    """As the forward kernel. The walk goes K - 1 steps beyond the tile, since
    dx of a step waits for e of the next ones.

    sums : [B, tiles, K + 1, D], dweight and dbias of the tile
    """
    blocks, tiles = tl.cdiv(channels, BLOCK_D), tl.cdiv(length, TILE)
    batch = (tl.program_id(0) // (blocks * tiles)).to(tl.int64)
    start = tl.program_id(0) // blocks % tiles * TILE
    end = tl.minimum(start + TILE, length)
    d = tl.program_id(0) % blocks * BLOCK_D + tl.arange(0, BLOCK_D)
    exists = d < channels
    x = of_lanes(x, batch, d)
    grad_out = of_lanes(grad_out, batch, d)
    grad_x = of_lanes(grad_x, batch, d)

    shift = tl.load(bias + d, exists, 0.0)
    zero = tl.zeros((BLOCK_D,), tl.float32)
    # weights from the last tap to the first: e runs against the taps
    weights, mirrored, window, e_window, dweight = (), (), (), (), ()
    for k in tl.static_range(K):
        w_k = tl.load(weight + k * channels + d, exists, 0.0)
        weights += (w_k,)
        mirrored = (w_k,) + mirrored
        dweight += (zero,)
    for k in tl.static_range(K - 1):
        i = start - (K - 1) + k
        window += (read_step(x, i, length, exists, REVERSE),)
        e_window += (zero,)
    dbias = zero

    for first in range(start, end + K - 1, GROUP):
        new, grads = (), ()
        for j in tl.static_range(GROUP):
            i = first + j
            new += (read_step(x, i, length, exists, REVERSE),)
            grads += (read_step(grad_out, i, length, exists, REVERSE),)
        window += new
        for j in tl.static_range(GROUP):
            i = first + j
            v = shift + weighted_sum(weights, window[j : j + K], K)
            s = sigmoid(v)
            e = grads[j] * (s + v * s * (1.0 - s))
            e_window += (e,)
            if grad_x is not None:
                dx = weighted_sum(mirrored, e_window[j : j + K], K)
                ready = i - (K - 1)
                t = position(ready, length, REVERSE)
                mask = exists & (ready >= start) & (ready < end)
                write(grad_x, t, dx, mask)
            # the steps beyond the end are those of the next tile
            e = tl.where(i < end, e, 0.0)
            dbias += e
            more = ()
            for k in tl.static_range(K):
                more += (dweight[k] + e * window[j + k],)
            dweight = more
        window, e_window = window[GROUP:], e_window[GROUP:]

    if sums is not None:
        sums += (tl.program_id(0) // blocks).to(tl.int64) * (K + 1) * channels
        for k in tl.static_range(K):
            tl.store(sums + k * channels + d, dweight[k], exists)
        tl.store(sums + K * channels + d, dbias, exists)


def _arrange(x, weight, bias, reverse):
    """The grid, the parameters as kernels read them, and their constants."""
    refuse_float64(x=x, weight=weight, bias=bias)
    batch, length, channels = x.shape
    programs = batch * cdiv(length, TILE) * cdiv(channels, BLOCK_D)
    tensors = readable(x), transposed(weight, weight.shape[1])
    tensors += (parameter(bias, x),)
    constants = {
        "K": weight.shape[1],
        "TILE": TILE,
        "GROUP": GROUP,
        "BLOCK_D": BLOCK_D,
        "REVERSE": reverse,
        "num_warps": 1,
    }
    return programs, tensors, constants


def conv_forward(x, weight, bias, reverse, out):
    """Convolution; the arguments are those of the package's function."""
    if x.numel() == 0:
        return
    with torch.cuda.device_of(x):
        programs, tensors, constants = _arrange(x, weight, bias, reverse)
        outputs = Outputs()
        conv_forward_kernel[(programs,)](
            *tensors,
            outputs.writable(out),
            *x.shape[1:],
            **constants,
        )
        outputs.finish()


def conv_backward(x, weight, bias, reverse, grad_out, grads):
    """Gradients; the arguments are those of the package's function."""
    if x.numel() == 0:
        return
    with torch.cuda.device_of(x):
        programs, tensors, constants = _arrange(x, weight, bias, reverse)
        batch, length, channels = x.shape
        taps = weight.shape[1]
        outputs = Outputs()
        sums = None
        if grads.keys() & {"weight", "bias"}:
            shape = batch * cdiv(length, TILE), taps + 1, channels
            sums = x.new_empty(shape, dtype=torch.float32)
        conv_backward_kernel[(programs,)](
            *tensors,
            readable(grad_out),
            outputs.writable(grads.get("x")),
            sums,
            length,
            channels,
            **constants,
        )
        outputs.finish()
        if sums is not None:
            sums = sums.sum(0)
            if "weight" in grads:
                grads["weight"].add_(sums[:taps].T)
            if "bias" in grads:
                grads["bias"].add_(sums[taps])
