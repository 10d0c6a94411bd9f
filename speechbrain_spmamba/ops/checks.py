"""What a selective scan may be given: the first argument that is not is named.

``selective_scan.py`` and ``selective_scan_step.py`` call these.
"""

import torch

_OPTIONAL = ("D", "z", "delta_bias", "initial_state")


def check_scan(
    u: torch.Tensor,
    delta: torch.Tensor,
    A: torch.Tensor,
    B: torch.Tensor,
    C: torch.Tensor,
    D: torch.Tensor | None,
    z: torch.Tensor | None,
    delta_bias: torch.Tensor | None,
    initial_state: torch.Tensor | None,
) -> None:
    """Raises ValueError for the first argument that breaks the contract.

    Arguments
    ---------
    u, delta, A, B, C, D, z, delta_bias, initial_state
        As in ``ops.selective_scan``.

    Example
    -------
    >>> u = torch.ones(1, 3, 4)
    >>> check_scan(u, u, torch.ones(3, 2), u, u, None, None, None, None)
    Traceback (most recent call last):
    ...
    ValueError: A has shape [3, 2], expected [D, N] with D = 4 as in u ...
    """
    check_tensor("u", u, u)
    if u.dim() != 3:
        raise ValueError(
            f"u has shape {list(u.shape)}, expected [B, L, D]: batch, time, "
            "channels; transpose channels-first input"
        )
    check_rates(A, u)
    batch, length, channels = u.shape
    states = A.shape[1]
    state = [batch, channels, states]
    check_shapes(
        u,
        A,
        ("delta", delta, "[B, L, D]", [batch, length, channels]),
        ("B", B, *_weights_shape(B, batch, length, channels, states)),
        ("C", C, *_weights_shape(C, batch, length, channels, states)),
        ("D", D, "[D]", [channels]),
        ("z", z, "[B, L, D]", [batch, length, channels]),
        ("delta_bias", delta_bias, "[D]", [channels]),
        ("initial_state", initial_state, "[B, D, N]", state),
    )


def check_tensor(name, tensor, u):
    """Raises ValueError unless ``tensor`` is a real tensor on u's device."""
    if not isinstance(tensor, torch.Tensor):
        raise ValueError(
            f"{name} is {type(tensor).__name__}, expected a torch.Tensor"
        )
    if not tensor.is_floating_point():
        hint = "convert it with .float()"
        if tensor.is_complex():
            hint = "scans of complex numbers are left out"
        raise ValueError(
            f"{name} has dtype {tensor.dtype}, expected a real floating point "
            f"dtype; {hint}"
        )
    if tensor.device != u.device:
        raise ValueError(
            f"{name} is on {tensor.device}, expected {u.device} as u; move it "
            "with .to(u.device)"
        )


def check_rates(A, u):
    """Raises ValueError unless A is [D, N] for u [..., D]."""
    check_tensor("A", A, u)
    if A.dim() != 2 or A.shape[0] != u.shape[-1]:
        raise ValueError(
            f"A has shape {list(A.shape)}, expected [D, N] with D = "
            f"{u.shape[-1]} as in u {list(u.shape)}; pass -exp(A_log)"
        )


def check_shapes(u: torch.Tensor, A: torch.Tensor, *expected: tuple) -> None:
    """Raises ValueError for the first tensor that is not of its shape.

    Arguments
    ---------
    u, A : torch.Tensor
        Where the sizes come from.
    *expected : tuple
        Name, tensor, its axes in words, its shape. What is optional may be
        None.
    """
    for name, tensor, axes, shape in expected:
        if tensor is None and name in _OPTIONAL:
            continue
        check_tensor(name, tensor, u)
        if list(tensor.shape) != shape:
            raise ValueError(
                f"{name} has shape {list(tensor.shape)}, expected {axes} = "
                f"{shape} from u {list(u.shape)} and A {list(A.shape)}; all "
                "sequences are channels-last"
            )


def _weights_shape(weights, batch, length, channels, states):
    """Axes and shape that B or C should have, by their number of axes."""
    axes = getattr(weights, "ndim", 3)
    if axes == 2:
        return "[D, N]", [channels, states]
    if axes != 4:
        return "[B, L, N]", [batch, length, states]
    groups = weights.shape[2]
    if groups and channels % groups == 0:
        return "[B, L, G, N]", [batch, length, groups, states]
    return (
        f"[B, L, G, N] with a G that divides D = {channels}",
        [batch, length, 1, states],
    )
