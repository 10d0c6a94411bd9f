"""Correlations by blocks are those of the definition, and so are the shares."""

import pytest
import torch

from speechbrain_spmamba.scoring.distortion import (
    BLOCK,
    ROW,
    correlations,
    explained_shares,
)

LAGS = 512


def _noise(count, samples):
    return torch.randn(count, samples, dtype=torch.float64)


def _shifted(signal, lags):
    """The signal behind 0 to lags - 1 zeros, ``[lags, T + lags - 1]``."""
    rows = [
        torch.nn.functional.pad(signal, (lag, lags - 1 - lag))
        for lag in range(lags)
    ]
    return torch.stack(rows)


def _least_squares(sources, estimate, taps):
    """What filtered sources explain of an estimate, of its energy."""
    rows = torch.cat([_shifted(source, taps) for source in sources])
    wanted = torch.nn.functional.pad(estimate, (0, taps - 1))
    solved = torch.linalg.lstsq(rows.T, wanted.unsqueeze(1)).solution
    return (rows.T @ solved).square().sum() / estimate.square().sum()


@pytest.mark.parametrize(
    "samples",
    [
        LAGS,
        BLOCK - LAGS,  # one block and no more
        BLOCK - LAGS + 1,
        2 * (BLOCK - LAGS) + LAGS,  # the last block is all overlap
        (ROW + 1) * (BLOCK - LAGS) - 3,  # two rows of blocks
    ],
)
def test_correlations_by_blocks_are_those_of_the_whole(samples):
    signals = _noise(3, samples)
    found = correlations(signals[:2], signals, LAGS)
    for lag in (0, 1, LAGS // 2, LAGS - 1):
        expected = signals[:2, : samples - lag] @ signals[:, lag:].T
        torch.testing.assert_close(found[..., lag], expected)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_shares_are_those_of_least_squares(count):
    noise = _noise(count + 1, 300)
    sources = noise[:count] * torch.tensor([1.0, 0.01, 30.0])[:count, None]
    estimate = sources.sum(0) + sources[0].roll(3) + 0.3 * noise[-1]
    estimates = torch.stack([estimate, 5 * estimate, sources[-1] + noise[-1]])
    alone, of_all = explained_shares(sources, estimates, 8, together=2)
    assert of_all.shape == (2,)
    groups = [sources[i : i + 1] for i in range(count)] + [sources]
    for row, group in zip([*alone, of_all], groups, strict=True):
        for share, one in zip(row, estimates, strict=False):
            torch.testing.assert_close(share, _least_squares(group, one, 8))
    alone_again, nothing = explained_shares(sources, estimates, 8)
    assert torch.equal(alone_again, alone) and not len(nothing)


def test_nothing_of_a_silent_estimate_is_explained():
    source, estimate = _noise(2, 300)
    found = explained_shares(source[None], 0 * estimate[None], 8, together=1)
    assert [shares.tolist() for shares in found] == [[[0]], [0]]


def test_what_cannot_be_told_apart_is_undefined_but_for_some_noise():
    source = _noise(1, 300)
    sources = torch.cat([source, source])
    alone, of_all = explained_shares(sources, source, 8, together=1)
    assert alone.isfinite().all() and of_all.isnan().all()
    for found in explained_shares(sources, source, 8, 1, loading=1e-12):
        torch.testing.assert_close(found, torch.ones_like(found))
