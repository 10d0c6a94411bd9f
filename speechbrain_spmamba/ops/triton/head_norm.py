"""PReLU and layer norm of an attention's heads, and their gradients.

For each frame and head, over frequencies and channels together,

    p = x where x >= 0, slope x elsewhere,   n = (p - mean) / deviation,
    out = weight n + bias,

written frame by frame as one row, filled up with zeros, in the dtype of the
attention. In the backward pass, with g = grad weight,

    dp = (g - mean(g) - n mean(g n)) / deviation,
    dslope = sum of dp x where x < 0,   dweight = sum of grad n.

A program takes one head of one frame. To add up the sums of several frames in
its registers would take more of these than there are.
"""

import torch
import triton
import triton.language as tl

from speechbrain_spmamba.ops.triton.layout import next_power_of_2


@triton.jit
def load_head(
    x,
    x_strides,
    frames,
    i,
    exists,
    HEADS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """Item, frame and head of a program, and the head's values i of x.

    By frequency, then channel.
    """
    head = tl.program_id(0) % HEADS
    frame = tl.program_id(0) // HEADS % frames
    batch = (tl.program_id(0) // (HEADS * frames)).to(tl.int64)
    place = batch * x_strides[0] + frame * x_strides[1] + head * CHANNELS
    place += (i // CHANNELS) * x_strides[2] + i % CHANNELS
    return batch, frame, head, tl.load(x + place, exists, 0.0).to(tl.float32)


@triton.jit
def normed_head(x, exists, slope, size, eps):
    """n of a head, and 1 over its deviation."""
    p = tl.where(x >= 0, x, slope * x)
    mean = tl.sum(p, 0) / size
    p = tl.where(exists, p - mean, 0.0)
    rstd = 1.0 / tl.sqrt(tl.sum(p * p, 0) / size + eps)
    return p * rstd, rstd


@triton.jit(do_not_specialize=["frames"])
def head_norm_forward_kernel(
    x,
    x_strides,
    slope,
    weight,
    bias,
    out,
    frames,
    size,
    width,
    eps,
    HEADS: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One head of a frame; out [B, H, T, width]."""
    i = tl.arange(0, BLOCK)
    exists = i < size
    batch, frame, head, value = load_head(
        x, x_strides, frames, i, exists, HEADS, CHANNELS
    )
    normed, _ = normed_head(value, exists, tl.load(slope + head), size, eps)
    gain = tl.load(weight + head * size + i, exists, 0.0)
    normed = normed * gain + tl.load(bias + head * size + i, exists, 0.0)
    row = ((batch * HEADS + head) * frames + frame) * width
    tl.store(out + row + i, normed.to(out.dtype.element_ty), i < width)


@triton.jit(do_not_specialize=["frames"])
def head_norm_backward_kernel(
    x,
    x_strides,
    slope,
    weight,
    grad_out,
    grad_strides,
    grad_x,
    sums,
    frames,
    size,
    eps,
    HEADS: tl.constexpr,
    CHANNELS: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """One head of a frame; sums [B, T, H size + H size + H]."""
    i = tl.arange(0, BLOCK)
    exists = i < size
    batch, frame, head, value = load_head(
        x, x_strides, frames, i, exists, HEADS, CHANNELS
    )
    step = tl.load(slope + head)
    normed, rstd = normed_head(value, exists, step, size, eps)
    row = batch * grad_strides[0] + head * grad_strides[1]
    row += frame * grad_strides[2]
    grad = tl.load(grad_out + row + i, exists, 0.0).to(tl.float32)
    sums += (batch * frames + frame) * HEADS * (2 * size + 1)
    of_weight = sums + head * size
    tl.store(of_weight + i, grad * normed, exists)
    tl.store(of_weight + HEADS * size + i, grad, exists)

    grad *= tl.load(weight + head * size + i, exists, 0.0)
    first = tl.sum(grad, 0) / size
    second = tl.sum(grad * normed, 0) / size
    grad = tl.where(exists, (grad - first - normed * second) * rstd, 0.0)
    dslope = tl.sum(tl.where(value < 0, grad * value, 0.0), 0)
    tl.store(sums + 2 * HEADS * size + head, dslope)
    grad = tl.where(value >= 0, grad, step * grad)
    place = (batch * frames + frame) * size * HEADS + head * CHANNELS
    place += (i // CHANNELS) * (HEADS * CHANNELS) + i % CHANNELS
    tl.store(grad_x + place, grad.to(grad_x.dtype.element_ty), exists)


def warps_of(block):
    """Warps of a program: eight values to a lane, up to sixteen warps."""
    return max(1, min(16, block // 256))


def head_norm_forward(
    x: torch.Tensor,
    slope: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor,
    eps: float,
    out: torch.Tensor,
) -> None:
    """Writes ``out``.

    Arguments
    ---------
    x : torch.Tensor
        ``[B, T, F, H C]``, whose last axis is contiguous.
    slope, weight, bias : torch.Tensor
        ``[H]``, ``[H, F, C]`` and ``[H, F, C]``, float32, contiguous.
    eps : float
        Added to the variance.
    out : torch.Tensor
        ``[B, H, T, W]`` with W >= F C, contiguous.
    """
    batch, frames = x.shape[:2]
    heads, _, channels = weight.shape
    block = next_power_of_2(out.shape[-1])
    with torch.cuda.device_of(x):
        head_norm_forward_kernel[(batch * frames * heads,)](
            x,
            x.stride()[:3],
            slope,
            weight,
            bias,
            out,
            frames,
            weight[0].numel(),
            out.shape[-1],
            eps,
            HEADS=heads,
            CHANNELS=channels,
            BLOCK=block,
            num_warps=warps_of(block),
        )


def head_norm_backward(x, slope, weight, eps, grad_out, grad_x):
    """Writes ``grad_x``, contiguous; returns those of slope, weight, bias."""
    batch, frames = x.shape[:2]
    heads, _, channels = weight.shape
    size = weight[0].numel()
    block = next_power_of_2(size)
    # Of each frame as they stand in the parameters, which take such gradients
    # without a copy.
    parts = [heads * size, heads * size, heads]
    shape = batch * frames, sum(parts)
    sums = torch.empty(shape, dtype=torch.float32, device=x.device)
    with torch.cuda.device_of(x):
        head_norm_backward_kernel[(batch * frames * heads,)](
            x,
            x.stride()[:3],
            slope,
            weight,
            grad_out,
            grad_out.stride()[:3],
            grad_x,
            sums,
            frames,
            size,
            eps,
            HEADS=heads,
            CHANNELS=channels,
            BLOCK=block,
            num_warps=warps_of(block),
        )
    of_weight, of_bias, of_slope = sums.sum(0).split(parts)
    return of_slope, of_weight.view(weight.shape), of_bias.view(weight.shape)
