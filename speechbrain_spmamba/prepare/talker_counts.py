"""How many talk in a mixture: always as many, or a number that is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


MOST = 100  # talkers in one mixture


@dataclass(frozen=True)
class TalkerCounts:
    """Numbers of talkers, and how often each of them is drawn.

    Arguments
    ---------
    weights : dict
        Number of talkers -> its weight among all; in rising order.

    Example
    -------
    >>> counts = TalkerCounts.of([0, 3])
    >>> counts.least, counts.most, counts.weights
    (0, 3, {0: 1.0, 1: 1.0, 2: 1.0, 3: 1.0})
    """

    weights: dict

    @classmethod
    def of(cls, num_spks: int | list | dict) -> TalkerCounts:
        """Reads a setting.

        Arguments
        ---------
        num_spks : int, list or dict
            A number: always as many. The least and the most, as ``[0, 3]``:
            each number with equal chance. Weights, as ``{1: 1, 2: 3}``: two
            three times as often as one.

        Returns
        -------
        TalkerCounts
            The same.

        Raises
        ------
        ValueError
            None of these, or no talker at all.

        Example
        -------
        >>> TalkerCounts.of({2: 3, 1: 1}).weights
        {1: 1.0, 2: 3.0}
        >>> TalkerCounts.of([3, 0])
        Traceback (most recent call last):
            ...
        ValueError: num_spks is [3, 0]; expected a number of talkers from 1...
        """
        try:
            return cls(_weights(num_spks))
        except (TypeError, ValueError):
            raise ValueError(
                f"num_spks is {num_spks!r}; expected a number of talkers from "
                f"1 to {MOST}, the least and the most as [0, 3], or weights "
                "as {1: 1, 2: 3}"
            ) from None

    @property
    def least(self):
        """The smallest number that is drawn."""
        return min(self.weights)

    @property
    def most(self):
        """The largest: the sources that every item has, silent or not."""
        return max(self.weights)

    def draw(self, rng: np.random.Generator) -> int:
        """Draws a number; where there is one alone, ``rng`` is left as it is.

        Arguments
        ---------
        rng : numpy.random.Generator
            Draws.

        Returns
        -------
        int
            Of talkers.
        """
        if self.least == self.most:
            return self.most
        total = sum(self.weights.values())
        shares = [weight / total for weight in self.weights.values()]
        return int(rng.choice(list(self.weights), p=shares))


def _weights(num_spks):
    """Number -> weight; TypeError or ValueError for what is no setting."""
    if isinstance(num_spks, dict):
        weights = {int(str(k)): float(v) for k, v in num_spks.items()}
        if not all(0 < v < float("inf") for v in weights.values()):
            raise ValueError
    elif isinstance(num_spks, (list, tuple)):
        least, most = num_spks
        weights = dict.fromkeys(range(_whole(least), _whole(most) + 1), 1.0)
    else:
        weights = {_whole(num_spks): 1.0}
    if not 1 <= max(weights) <= MOST or min(weights) < 0:
        raise ValueError
    return dict(sorted(weights.items()))


def _whole(number):
    """A whole number as it is; TypeError for any other thing."""
    if type(number) is not int:
        raise TypeError
    return number
