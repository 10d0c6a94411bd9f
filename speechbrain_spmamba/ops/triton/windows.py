"""Windows of a normalised map, and their overlap-add.

With n = layer norm of the map (over channels) and w_l the windows of n,

    windows_forward      v_l = w_l / rms(w_l)
    windows_backward     the map's gradient from those of v_l and of w_l
    overlap_add          out = x + bias + windows at their places

Each needs the map once and the windows once. The norms are computed again
where they are needed: that is a few instructions for a position, and less than
reading them would cost. A program takes a stretch of one row, a tile of
positions or windows by channels.
"""

import torch
import triton
import triton.language as tl

from speechbrain_spmamba.ops.kernel_interface import Windows
from speechbrain_spmamba.ops.triton.layout import (
    Outputs,
    cdiv,
    next_power_of_2,
    readable,
    refuse_float64,
)

# Positions or windows of a tile, for four warps.
STRETCH = 64
WARPS = 4


@triton.jit
def normalised(pointer, exists, channels, eps):
    """Rows of a tile less their mean, over their deviation, and 1 over it."""
    x = tl.load(pointer, exists, 0.0).to(tl.float32)
    mean = tl.sum(x, 1) / channels
    x = tl.where(exists, x - mean[:, None], 0.0)
    rstd = 1.0 / tl.sqrt(tl.sum(x * x, 1) / channels + eps)
    return x * rstd[:, None], rstd


@triton.jit
def inverse_rms(rms, valid, place, mask):
    """1 / rms of windows; 0 of those that do not exist."""
    scale = 1.0 / tl.load(rms + place, mask, 1.0)
    if valid is not None:
        scale = tl.where(tl.load(valid + place, mask, 0) != 0, scale, 0.0)
    return tl.where(mask, scale, 0.0)


@triton.jit
def tile_of_row(count, STRETCH: tl.constexpr, BLOCK_C: tl.constexpr):
    """Row of a program, its stretch [STRETCH] and all channels [BLOCK_C]."""
    stretches = tl.cdiv(count, STRETCH)
    row = (tl.program_id(0) // stretches).to(tl.int64)
    first = tl.program_id(0) % stretches * STRETCH
    return row, first + tl.arange(0, STRETCH), tl.arange(0, BLOCK_C)


@triton.jit(do_not_specialize=["count"])
def windows_forward_kernel(
    x,
    weight,
    bias,
    valid,
    values,
    rms,
    count,
    channels,
    norm_eps,
    rms_eps,
    SIZE: tl.constexpr,
    HOP: tl.constexpr,
    STRETCH: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """A stretch of windows."""
    row, window, c = tile_of_row(count, STRETCH, BLOCK_C)
    exists = (window < count)[:, None] & (c < channels)[None, :]
    gain = tl.load(weight + c, c < channels, 0.0)[None, :]
    shift = tl.load(bias + c, c < channels, 0.0)[None, :]
    start = x.start + row * x.batch + c[None, :]

    energy = tl.zeros((STRETCH,), tl.float32)
    for k in tl.static_range(SIZE):
        place = start + (window * HOP + k)[:, None] * x.time
        normed, _ = normalised(place, exists, channels, norm_eps)
        normed = normed * gain + shift
        energy += tl.sum(normed * normed, 1)
    root = tl.sqrt(energy / (SIZE * channels) + rms_eps)
    index = row * count + window
    tl.store(rms + index, root, window < count)
    scale = 1.0 / root
    if valid is not None:
        is_valid = tl.load(valid + index, window < count, 0)
        scale = tl.where(is_valid != 0, scale, 0.0)

    for k in tl.static_range(SIZE):
        place = start + (window * HOP + k)[:, None] * x.time
        normed, _ = normalised(place, exists, channels, norm_eps)
        normed = (normed * gain + shift) * scale[:, None]
        out = values + (index * SIZE + k)[:, None] * channels + c[None, :]
        tl.store(out, normed.to(values.dtype.element_ty), exists)


@triton.jit(do_not_specialize=["count"])
def along_kernel(
    values,
    grads,
    along,
    count,
    width,
    STRETCH: tl.constexpr,
    BLOCK_W: tl.constexpr,
):
    """Of each window the mean of its values times their gradients."""
    index = tl.program_id(0).to(tl.int64) * STRETCH + tl.arange(0, STRETCH)
    column = tl.arange(0, BLOCK_W)
    exists = (index < count)[:, None] & (column < width)[None, :]
    place = index[:, None] * width + column[None, :]
    value = tl.load(values + place, exists, 0.0).to(tl.float32)
    grad = tl.load(grads + place, exists, 0.0).to(tl.float32)
    tl.store(along + index, tl.sum(value * grad, 1) / width, index < count)


@triton.jit(do_not_specialize=["count", "positions"])
def windows_backward_kernel(
    x,
    weight,
    valid,
    values,
    rms,
    along,
    grad_values,
    grad_windows,
    grad_out,
    grad_x,
    sums,
    count,
    positions,
    channels,
    norm_eps,
    SIZE: tl.constexpr,
    HOP: tl.constexpr,
    STRETCH: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """A stretch of positions: overlap-add of gradients, then the norm's."""
    row, q, c = tile_of_row(positions, STRETCH, BLOCK_C)
    exists = (q < positions)[:, None] & (c < channels)[None, :]
    grad = tl.zeros((STRETCH, BLOCK_C), tl.float32)
    for j in range((SIZE + HOP - 1) // HOP):
        window, k = q // HOP - j, q % HOP + j * HOP
        inside = (window >= 0) & (window < count) & (k < SIZE)
        inside = inside & (q < positions)
        index = row * count + window
        scale = inverse_rms(rms, valid, index, inside)
        mean = tl.load(along + index, inside, 0.0)
        mask = inside[:, None] & (c < channels)[None, :]
        place = (index * SIZE + k)[:, None] * channels + c[None, :]
        value = tl.load(values + place, mask, 0.0).to(tl.float32)
        through = tl.load(grad_values + place, mask, 0.0).to(tl.float32)
        through = (through - value * mean[:, None]) * scale[:, None]
        past = tl.load(grad_windows + place, mask, 0.0).to(tl.float32)
        grad += through + past

    start = x.start + row * x.batch + c[None, :] + q[:, None] * x.time
    normed, rstd = normalised(start, exists, channels, norm_eps)
    part = sums + tl.program_id(0) * 2 * channels + c
    tl.store(part, tl.sum(grad * normed, 0), c < channels)
    tl.store(part + channels, tl.sum(grad, 0), c < channels)
    grad *= tl.load(weight + c, c < channels, 0.0)[None, :]
    first = tl.sum(grad, 1) / channels
    second = tl.sum(grad * normed, 1) / channels
    grad = (grad - first[:, None] - normed * second[:, None]) * rstd[:, None]
    place = row * grad_out.batch + q[:, None] * grad_out.time + c[None, :]
    grad += tl.load(grad_out.start + place, exists, 0.0).to(tl.float32)
    place = row * grad_x.batch + q[:, None] * grad_x.time + c[None, :]
    grad = grad.to(grad_x.start.dtype.element_ty)
    tl.store(grad_x.start + place, grad, exists)


@triton.jit(do_not_specialize=["count", "positions"])
def overlap_add_kernel(
    x,
    bias,
    windows,
    out,
    count,
    positions,
    channels,
    SIZE: tl.constexpr,
    HOP: tl.constexpr,
    STRETCH: tl.constexpr,
    BLOCK_C: tl.constexpr,
):
    """A stretch of positions."""
    row, q, c = tile_of_row(positions, STRETCH, BLOCK_C)
    exists = (q < positions)[:, None] & (c < channels)[None, :]
    place = row * x.batch + q[:, None] * x.time + c[None, :]
    total = tl.load(x.start + place, exists, 0.0).to(tl.float32)
    total += tl.load(bias + c, c < channels, 0.0)[None, :]
    for j in tl.static_range((SIZE + HOP - 1) // HOP):
        window, k = q // HOP - j, q % HOP + j * HOP
        inside = (window >= 0) & (window < count) & (k < SIZE)
        mask = inside[:, None] & exists
        place = ((row * count + window) * SIZE + k)[:, None] * channels
        part = tl.load(windows + place + c[None, :], mask, 0.0)
        total += part.to(tl.float32)
    place = row * out.batch + q[:, None] * out.time + c[None, :]
    tl.store(out.start + place, total.to(out.start.dtype.element_ty), exists)


def windows_forward(inputs, values):
    """Windows; the arguments are those of ``kernel_interface.Kernels``."""
    refuse_float64(x=inputs.x, values=values)
    rows, count, _ = values.shape
    rms = values.new_empty(rows, count, 1, dtype=torch.float32)
    with torch.cuda.device_of(values):
        windows_forward_kernel[(rows * cdiv(count, STRETCH),)](
            *_map_and_norm(inputs),
            inputs.bias.float(),
            inputs.valid,
            values,
            rms,
            count,
            inputs.x.shape[2],
            inputs.norm_eps,
            inputs.rms_eps,
            **_constants(inputs),
        )
    return Windows(values, rms, None)


def windows_backward(
    inputs, windows, grad_values, grad_windows, grad_out, grad_x, grads
):
    """Gradients; the arguments are those of ``kernel_interface.Kernels``."""
    values, rms, _ = windows
    rows, count, width = values.shape
    positions, channels = inputs.x.shape[1:]
    programs = rows * cdiv(positions, STRETCH)
    sums = rms.new_empty(programs, 2, channels)
    along = torch.empty_like(rms)
    stretch = max(1, STRETCH * 16 // next_power_of_2(width))
    outputs = Outputs()
    with torch.cuda.device_of(values):
        along_kernel[(cdiv(rows * count, stretch),)](
            values,
            grad_values,
            along,
            rows * count,
            width,
            STRETCH=stretch,
            BLOCK_W=next_power_of_2(width),
            num_warps=WARPS,
        )
        windows_backward_kernel[(programs,)](
            *_map_and_norm(inputs),
            inputs.valid,
            values,
            rms,
            along,
            grad_values,
            grad_windows,
            readable(grad_out),
            outputs.writable(grad_x),
            sums,
            count,
            positions,
            channels,
            inputs.norm_eps,
            **_constants(inputs),
        )
        outputs.finish()
        for name, total in zip(("weight", "bias"), sums.sum(0), strict=True):
            grads[name].add_(total)


def overlap_add(x, bias, windows, hop, out):
    """``x + bias +`` the windows; see ``kernel_interface.Kernels``."""
    rows, count, width = windows.shape
    positions, channels = x.shape[1:]
    outputs = Outputs()
    with torch.cuda.device_of(windows):
        overlap_add_kernel[(rows * cdiv(positions, STRETCH),)](
            readable(x),
            bias.float(),
            windows,
            outputs.writable(out),
            count,
            positions,
            channels,
            SIZE=width // channels,
            HOP=hop,
            STRETCH=STRETCH,
            BLOCK_C=next_power_of_2(channels),
            num_warps=WARPS,
        )
        outputs.finish()


def _map_and_norm(inputs):
    return readable(inputs.x), inputs.weight.float()


def _constants(inputs):
    return {
        "SIZE": inputs.size,
        "HOP": inputs.hop,
        "STRETCH": STRETCH,
        "BLOCK_C": next_power_of_2(inputs.x.shape[2]),
        "num_warps": WARPS,
    }
