"""When a talker of a fresh mixture speaks: turns and pauses."""

import numpy as np

FADE = 0.02  # seconds, as where conversations are cut


def draw_turns(
    samples: int,
    sample_rate: int,
    seconds: tuple[float, float],
    share: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draws turns, each with a pause behind it, for the time of a mixture.

    Arguments
    ---------
    samples, sample_rate : int
        Length of the mixture, and its rate in Hz.
    seconds : tuple of float
        Range of the length of a turn. A pause is one, too, drawn anew and
        made longer or shorter so that turns have their share.
    share : float
        Of the time, on the average, above 0; 1 is all of it.
    rng : numpy.random.Generator
        Draws everything.

    Returns
    -------
    numpy.ndarray
        Gains from 0 to 1, shape ``[samples]``.

    Example
    -------
    >>> rng = np.random.default_rng(0)
    >>> gains = draw_turns(800_000, 8000, (1.0, 3.0), 0.4, rng)
    >>> bool(0.3 < gains.mean() < 0.5), gains.min().item(), gains.max().item()
    (True, 0.0, 1.0)
    """
    if share >= 1:
        return np.ones(samples)
    gains = np.zeros(samples)
    # It began long ago, and so begins anywhere within a turn or a pause.
    end = -rng.uniform(4, 8) * seconds[1] / share
    while end * sample_rate < samples:
        start = end + rng.uniform(*seconds) * (1 - share) / share
        end = start + rng.uniform(*seconds)
        first, last = (round(t * sample_rate) for t in (start, end))
        ramp = np.arange(max(first, 0), max(min(last, samples), 0))
        fade = max(1, round(FADE * sample_rate))
        nearest = np.minimum(ramp - first, last - 1 - ramp) + 0.5
        gains[ramp] = np.clip(nearest / fade, 0, 1)
    return gains
