"""A published state dict, from which a converter takes every key once."""

import re


class Source:
    """A state dict from which every key is taken exactly once.

    Arguments
    ---------
    model_name : str
        The system, for messages.
    state_dict : dict
        Tensors under the names of the published code.

    Example
    -------
    >>> import torch
    >>> source = Source("dprnn", {"decoder.weight": torch.zeros(4, 1, 2)})
    >>> source.shape("decoder.weight"), source.count(r"blocks\\.(\\d+)\\.")
    ((4, 1, 2), 0)
    """

    def __init__(self, model_name, state_dict):
        self.problem = f"state dict is not a published {model_name}"
        self.left = dict(state_dict)

    def take(self, key):
        """Removes and returns a tensor."""
        if key not in self.left:
            raise ValueError(f"{self.problem}: lacks '{key}'")
        return self.left.pop(key)

    def shape(self, key):
        """The shape of a tensor, as a tuple; the tensor stays."""
        if key not in self.left:
            raise ValueError(f"{self.problem}: lacks '{key}'")
        return tuple(self.left[key].shape)

    def count(self, pattern):
        """How many of the indices 0, 1, 2 ... ``pattern`` finds in keys."""
        found = (re.match(pattern, key) for key in self.left)
        return 1 + max((int(m.group(1)) for m in found if m), default=-1)

    def check_empty(self):
        """Complains of what no one took."""
        if self.left:
            keys = ", ".join(f"'{key}'" for key in sorted(self.left)[:3])
            raise ValueError(
                f"{self.problem}: {len(self.left)} unknown keys, e.g. {keys}"
            )
