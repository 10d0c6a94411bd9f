"""The windows of ``ops.kernel_interface.Kernels`` in plain torch.

For all devices but those with kernels of their own; in the dtype of the map.
"""

import torch

from speechbrain_spmamba.ops import windows as plain
from speechbrain_spmamba.ops.kernel_interface import Windows


def windows_forward(inputs, values):
    """Windows of the normalised map over their root mean square."""
    channels = inputs.x.shape[-1]
    normed, mean, rstd = torch.native_layer_norm(
        inputs.x, [channels], inputs.weight, inputs.bias, inputs.norm_eps
    )
    size, hop = inputs.size, inputs.hop
    energy = normed.square().mean(-1).unfold(1, size, hop).mean(-1, True)
    rms = (energy + inputs.rms_eps).sqrt_()
    scale = rms.reciprocal()
    if inputs.valid is not None:
        scale *= inputs.valid.unsqueeze(-1)
    windows = normed.unfold(1, size, hop).transpose(-1, -2)
    torch.mul(
        windows, scale.unsqueeze(-1), out=values.unflatten(-1, (size, channels))
    )
    return Windows(values, rms, (mean, rstd, scale))


def windows_backward(
    inputs, windows, grad_values, grad_windows, grad_out, grad_x, grads
):
    """Gradients of ``windows_forward``."""
    values, _, (mean, rstd, scale) = windows
    # With v = U / rms:  dU = (dv - v mean(dv v)) / rms, and U's own part.
    along = (grad_values * values).mean(-1, True, dtype=scale.dtype)
    grad = torch.addcmul(grad_values, values, -along) * scale
    grad += grad_windows
    grad = grad.to(inputs.x.dtype).unflatten(-1, (inputs.size, -1))
    found = torch.ops.aten.native_layer_norm_backward(
        plain.overlap_add(grad, inputs.hop),
        inputs.x,
        [inputs.x.shape[-1]],
        mean,
        rstd,
        inputs.weight,
        inputs.bias,
        [True, True, True],
    )
    torch.add(found[0], grad_out, out=grad_x)
    grads["weight"].add_(found[1])
    grads["bias"].add_(found[2])


def overlap_add(x, bias, windows, hop, out):
    """The map and its bias, with the windows added at their places."""
    windows = windows.to(x.dtype).unflatten(-1, (-1, x.shape[-1]))
    torch.add(x, plain.overlap_add(windows, hop).add_(bias), out=out)
