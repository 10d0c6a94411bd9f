"""The level of a signal so far, by which a causal model normalises.

A model that hears all of a recording divides it by its standard deviation;
one that speaks as it listens knows the past alone, and of that the last
seconds count most:

    energy_t = sum over i <= t of decay^(t - i) e_i / sum of decay^(t - i)

with e_i the mean square of what came in with frame i. Numerator and denominator
go on from where they were: each is ``decay^(t + 1)`` times its last value and a
sum over the new frames.

From and to `nnet.causal_grid`.
"""

import torch

SECONDS = 3.0  # after which a sound counts 1 / e of what it did


@torch.no_grad()
def running_level(
    wave: torch.Tensor,
    hop_length: int,
    sample_rate: int,
    past: dict | None = None,
) -> torch.Tensor:
    """Root of the running mean square, once a hop.

    Arguments
    ---------
    wave : torch.Tensor
        Shape ``[B, K * hop_length, M]``; float32 or float64.
    hop_length, sample_rate : int
        Samples of a hop, and of a second.
    past : dict, optional
        Of the hops before, see ``nnet.past``.

    Returns
    -------
    torch.Tensor
        Shape ``[B, K]``; zero as long as all is silent.

    Example
    -------
    >>> running_level(torch.full((1, 8, 1), 0.5), 2, 8000)
    tensor([[0.5000, 0.5000, 0.5000, 0.5000]])
    """
    energy = wave.unflatten(1, (-1, hop_length)).square().mean((2, 3))
    frames = torch.arange(energy.shape[1] + 1.0, device=wave.device)
    rate = hop_length / (SECONDS * sample_rate)
    # weights[i, t] of what frame i adds to frame t
    age = frames[:-1] - frames[:-1, None]
    weights = torch.exp(-rate * age).triu().to(energy)
    sums = torch.stack([energy, torch.ones_like(energy)]) @ weights
    if past is not None:
        if "level" in past:
            fading = torch.exp(-rate * frames[1:]).to(energy)
            sums = sums + past["level"].unsqueeze(-1) * fading
        past["level"] = sums[..., -1].clone()
    return (sums[0] / sums[1]).sqrt()
