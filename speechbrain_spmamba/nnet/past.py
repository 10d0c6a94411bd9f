"""What a causal network keeps of its past, so that it can go on.

A past is a dictionary of named tensors, or None: then there was none, and none
is kept, as in training. Nothing in it grows with time.

From and to `nnet.causal_grid` and the modules that it runs.
"""

import torch
import torch.nn.functional as F


def behind_past(
    past: dict | None, name: str, x: torch.Tensor, count: int, axis: int
) -> torch.Tensor:
    """A sequence behind the positions that came before it.

    Arguments
    ---------
    past : dict or None
        Its tensor ``name`` becomes the last ``count`` positions of the result.
    name : str
        What they are kept under.
    x : torch.Tensor
        Any shape, at least one position.
    count : int
        Positions that are put before it; zeros where nothing was.
    axis : int
        That of the positions, not negative.

    Returns
    -------
    torch.Tensor
        Shape of ``x``, longer by ``count``.

    Example
    -------
    >>> past = {}
    >>> behind_past(past, "x", torch.tensor([1.0, 2.0]), 1, axis=0)
    tensor([0., 1., 2.])
    >>> behind_past(past, "x", torch.tensor([3.0]), 1, axis=0)
    tensor([2., 3.])
    """
    if past is None or name not in past:
        x = F.pad(x, (0, 0) * (x.dim() - 1 - axis) + (count, 0))
    else:
        x = torch.cat([past[name], x], axis)
    if past is not None:
        # a copy, for a view would keep all of x
        past[name] = x.narrow(axis, x.shape[axis] - count, count).clone()
    return x


def until_past(
    past: dict | None, name: str, x: torch.Tensor, count: int, axis: int
) -> torch.Tensor:
    """The first positions of a sequence that may still grow; the rest waits.

    Each piece overlaps the next by ``count`` positions, which add up.

    Arguments
    ---------
    past : dict or None
        Its tensor ``name`` becomes the last ``count`` positions.
    name, x, count, axis
        As in ``behind_past``; ``x`` is longer than ``count``.

    Returns
    -------
    torch.Tensor
        Shape of ``x``, shorter by ``count``.

    Example
    -------
    >>> past = {}
    >>> until_past(past, "x", torch.tensor([1.0, 2.0]), 1, axis=0)
    tensor([1.])
    >>> until_past(past, "x", torch.tensor([1.0, 2.0]), 1, axis=0)
    tensor([3.])
    """
    if past is not None and name in past:
        first, rest = x.tensor_split([count], axis)
        x = torch.cat([first + past[name], rest], axis)
    done = x.shape[axis] - count
    if past is not None:
        past[name] = x.narrow(axis, done, count).clone()
    return x.narrow(axis, 0, done)
