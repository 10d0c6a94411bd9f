"""Runs of the Triton kernels that work on a map, and what they should give.

Windows with their norm, the overlap-add, and the norm of an attention's heads;
``runs.py`` has those of the scan, and calls these.
"""

import torch

from speechbrain_spmamba.nnet.attention import HeadNorm
from speechbrain_spmamba.ops import torch_windows
from speechbrain_spmamba.ops import triton as backend
from speechbrain_spmamba.ops.kernel_interface import WindowInputs
from tests.ops.test_selective_scan import assert_close

# Of the sizes, 4 positions or windows are a stretch.
STRETCH = 4
WINDOWS = {
    "hop of one": {"count": 6, "size": 3},
    "hop of the size": {"count": 5, "size": 2, "hop": 2},
    "hop between, some missing": {"count": 5, "size": 5, "hop": 2, "ends": 3},
    "a single window": {"count": 1, "size": 4, "channels": 16},
    "one position each": {"count": 3, "size": 1},
    "a map transposed": {"count": 4, "size": 3, "layout": "transposed"},
    "bfloat16 products": {"count": 6, "size": 3, "dtype": torch.bfloat16},
}

HEADS = {
    "two heads": {},
    "one head": {"heads": 1, "channels": 4},
    "filled up": {"width": 16},
    "a part of a wider product": {"beside": 7},
    "bfloat16": {"dtype": torch.bfloat16},
}


def weights_like(tensor):
    """A gradient for ``tensor``: not the same for every element."""
    weights = torch.linspace(-1, 1, tensor.numel(), dtype=torch.float64).cos()
    return weights.view(tensor.shape).to(tensor.device, tensor.dtype)


def window_inputs(
    count,
    size,
    hop=1,
    channels=5,
    ends=None,
    dtype=torch.float32,
    layout="contiguous",
):
    """A map and its norm, and the dtype of products; random numbers."""
    torch.manual_seed(0)
    x = torch.randn(2, (count - 1) * hop + size, channels)
    if layout == "transposed":
        x = x.transpose(0, 1).contiguous().transpose(0, 1)
    valid = None
    if ends is not None:
        valid = torch.arange(count) < torch.tensor([[count], [ends]])
    weight, bias = torch.randn(channels), torch.randn(channels)
    norm = weight, bias, valid, size, hop, 1e-5, 1e-4
    return WindowInputs(x, *norm), dtype


def run_windows(inputs, dtype, kernels=backend):
    """All that comes of windows, and gradients; those of the norm, to ones."""
    size, hop = inputs.size, inputs.hop
    rows, positions, channels = inputs.x.shape
    count = (positions - size) // hop + 1
    new = inputs.x.new_empty
    windows = kernels.windows_forward(
        inputs, new(rows, count, size * channels, dtype=dtype)
    )
    added = torch.empty_like(inputs.x)
    kernels.overlap_add(inputs.x, inputs.bias, windows.values, hop, added)
    past = weights_like(windows.values.flip(0))
    if inputs.valid is not None:
        past = past * inputs.valid.unsqueeze(-1)
    grad_x = torch.empty_like(inputs.x)
    grads = {
        name: torch.ones_like(inputs.weight) for name in ("weight", "bias")
    }
    kernels.windows_backward(
        inputs,
        windows,
        weights_like(windows.values),
        past.contiguous(),
        weights_like(inputs.x),
        grad_x,
        grads,
    )
    found = {"values": windows.values, "rms": windows.rms, "added": added}
    return {**found, "x": grad_x, **grads}


def expected_windows(inputs):
    """What ``run_windows`` should return, in float64 by plain torch."""
    double = [t.double() if t is not inputs.valid else t for t in inputs[:4]]
    inputs = WindowInputs(*double, *inputs[4:])
    return run_windows(inputs, torch.float64, torch_windows)


def head_inputs(
    heads=2, channels=3, bins=5, width=None, beside=0, dtype=torch.float32
):
    """x, slopes, weight, bias of a norm of heads, and the width of its rows."""
    torch.manual_seed(0)
    x = torch.randn(2, 4, bins, heads * channels + beside).to(dtype)
    parameters = torch.randn(heads), *torch.randn(2, heads, bins, channels)
    return x[..., : heads * channels], *parameters, width or bins * channels


def run_head_norm(x, slope, weight, bias, width):
    """Value and gradients by the Triton backend."""
    out = x.new_full((len(x), len(slope), x.shape[1], width), 7.0)
    backend.head_norm_forward(x, slope, weight, bias, 1e-5, out)
    # An attention on a GPU lays gradients out as [B, T, H, W].
    grad = weights_like(out).transpose(1, 2).contiguous().transpose(1, 2)
    grad_x = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    grads = backend.head_norm_backward(x, slope, weight, 1e-5, grad, grad_x)
    names = "slope", "weight", "bias"
    return {"out": out, "x": grad_x, **dict(zip(names, grads, strict=True))}


def expected_head_norm(x, slope, weight, bias, width):
    """What it should return, in float64 by autograd."""
    norm = HeadNorm(*weight.shape).double()
    with torch.no_grad():
        for name, given in (
            ("slope", slope),
            ("weight", weight),
            ("bias", bias),
        ):
            getattr(norm, name).copy_(given)
    dtype, x = x.dtype, x.double().requires_grad_()
    out = norm(x, width)
    out.backward(weights_like(out.to(dtype)).double())
    grads = {name: p.grad for name, p in norm.named_parameters()}
    return {"out": out.detach(), "x": x.grad, **grads}


def assert_heads_close(found, expected, tensors, tolerance):
    """As ``assert_close``; the gradients of slopes by what they are sums of.

    Terms of both signs add up to as little as a fifty-thousandth of them, and
    float32 leaves rounding of each: from seed to seed, autograd's own gradient
    in float32 differs from float64 by 1e-9 to 4e-5 of itself, and adding the
    same terms up in float64 changes nothing. So errors are relative to the sum
    of absolute terms, and then two roundings are all there may be.
    """
    x, slope = (tensor.double() for tensor in tensors[:2])
    terms = (expected["x"] * x.clamp(max=0)).unflatten(-1, (len(slope), -1))
    scale = terms.abs().sum((0, 1, 2, 4)) / slope.abs()
    error = (found["slope"].double() - expected["slope"]).abs() / scale
    assert error.max() <= 2 * torch.finfo(torch.float32).eps
    rest = found | {"slope": expected["slope"]}
    assert_close(rest, expected, tolerance)
