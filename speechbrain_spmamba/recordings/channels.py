"""Several channels become one: their mean, or one of them.

Channels of opposite sign, from a cable or a microphone wired the wrong way
round, cancel in the mean. Energies are added up while the blocks go by, so
that it can be said at the end.
"""

import logging

import numpy as np

logger = logging.getLogger(__name__)

CANCELLED = 100.0  # times softer (20 dB) than the mean of unrelated channels
ADVICE = (
    "the channels cancel in their mean, so that little is left; --channel 1 "
    "(channel=1) takes one of them"
)


class Mixdown:
    """Makes blocks of a recording mono.

    Arguments
    ---------
    channel : int, optional
        The channel to take, counted from 1; by default the mean of all.

    Raises
    ------
    ValueError
        No number of a channel.

    Example
    -------
    >>> mixdown = Mixdown()
    >>> mixdown(np.array([[0.5, -0.5], [0.2, -0.2]]))
    array([0., 0.])
    >>> mixdown.cancels
    True
    """

    def __init__(self, channel=None):
        if channel is not None and channel < 1:
            raise ValueError(
                f"channel is {channel}; channels are counted from 1"
            )
        self.channel, self.channels = channel, 1
        self.own = self.mean = 0.0  # energies: of a channel, of the mean

    def __call__(self, block):
        """Takes ``[n, C]``, gives ``[n]``."""
        self.channels = block.shape[1]
        if self.channel is not None:
            if self.channel > self.channels:
                raise ValueError(
                    f"channel {self.channel} was asked for, and there are "
                    f"{self.channels}; give 1 to {self.channels}"
                )
            return block[:, self.channel - 1]
        if self.channels == 1:
            return block[:, 0]
        mean = block.mean(1)
        self.own += np.square(block, dtype=np.float64).mean(1).sum()
        self.mean += np.square(mean, dtype=np.float64).sum()
        return mean

    @property
    def cancels(self):
        """Whether the mean has lost what is in the channels."""
        return bool(self.mean * self.channels * CANCELLED < self.own)

    def warn(self, name):
        """Says so where the channels cancel.

        Arguments
        ---------
        name : str
            What they belong to.
        """
        if self.cancels:
            logger.warning("%s: %s", name, ADVICE)
