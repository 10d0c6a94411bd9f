"""Memory that is used again and again.

Fresh memory can cost more than the arithmetic done in it: the operating system
has to clear every page. Whoever works through a large tensor in parts keeps the
intermediate results of all parts in the same place, which stays in the cache.
"""

import math

import torch


class Buffers:
    """Uninitialised tensors by name; the same name is the same memory.

    Arguments
    ---------
    device : torch.device
        Where the tensors live.

    Example
    -------
    >>> buffers = Buffers(torch.device("cpu"))
    >>> first = buffers("sum", 2, 3, dtype=torch.float32).fill_(1.0)
    >>> buffers("sum", 3, dtype=torch.float32)
    tensor([1., 1., 1.])
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._memory = {}

    def __call__(self, name, *shape, dtype):
        """A tensor of this shape and dtype, over what the name held before."""
        size = math.prod(shape)
        memory = self._memory.get((name, dtype))
        if memory is None or memory.numel() < size:
            memory = torch.empty(size, dtype=dtype, device=self.device)
            self._memory[name, dtype] = memory
        return memory[:size].view(shape)
