"""A published state dict, every tensor of which gets a name of ours."""

import re


def same(*names):
    """Names of tensors that a layer has here as there."""
    return {name: name for name in names}


# What a layer's tensors are called here, and what there.
SAME = same("weight", "bias")
WEIGHT = same("weight")
GAMMA_BETA = {"weight": "gamma", "bias": "beta"}


class PublishedWeights:
    """A state dict from which every key is taken exactly once.

    Arguments
    ---------
    model_name : str
        The system, for messages.
    state_dict : dict
        Tensors under the names of the published code; those that are not
        taken yet are in ``left``, what became of the others in ``converted``.

    Example
    -------
    >>> import torch
    >>> weights = PublishedWeights("dprnn", {"ln.gamma": torch.zeros(4)})
    >>> weights.shape("ln.gamma"), weights.count(r"blocks\\.(\\d+)\\.")
    ((4,), 0)
    >>> weights.move("ln", "input_norm", {"weight": "gamma"})
    >>> list(weights.converted), weights.left
    (['input_norm.weight'], {})
    """

    def __init__(self, model_name: str, state_dict: dict) -> None:
        self.problem = f"state dict is not a published {model_name}"
        self.left = dict(state_dict)
        self.converted = {}

    def take(self, key):
        """Removes and returns a tensor."""
        self.shape(key)
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

    def move(self, theirs: str, ours: str, names: dict = SAME) -> None:
        """Gives the tensors of a layer our names.

        Arguments
        ---------
        theirs, ours : str
            The layer's published name, and its name here.
        names : dict
            Our names of its tensors, and the published ones.
        """
        for name, published in names.items():
            tensor = self.take(f"{theirs}.{published}")
            self.converted[f"{ours}.{name}"] = tensor

    def check_empty(self) -> None:
        """Complains of what no one took."""
        if self.left:
            keys = ", ".join(f"'{key}'" for key in sorted(self.left)[:3])
            raise ValueError(
                f"{self.problem}: {len(self.left)} unknown keys, e.g. {keys}"
            )
