"""Correlations by blocks are those of the definition, and so is the share."""

import pytest
import torch

from speechbrain_spmamba.scoring.distortion import (
    BLOCK,
    ROW,
    correlations,
    explained_share,
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
def test_a_correlation_by_blocks_is_that_of_the_whole(samples):
    first, second = signals = _noise(2, samples)
    found = correlations(signals, LAGS)
    for lag in (0, 1, LAGS // 2, LAGS - 1):
        head = first[: samples - lag]
        expected = torch.stack([head @ first[lag:], head @ second[lag:]])
        torch.testing.assert_close(found[:, lag], expected)


def test_the_share_is_that_of_least_squares():
    source, noise = _noise(2, 300)
    estimate = source + source.roll(3) + 0.3 * noise
    rows = _shifted(source, 8)
    wanted = torch.nn.functional.pad(estimate, (0, 7))
    nearest = rows.T @ torch.linalg.lstsq(rows.T, wanted.unsqueeze(1)).solution
    expected = nearest.square().sum() / estimate.square().sum()
    found = explained_share(torch.stack([source, estimate, 5 * estimate]), 8)
    torch.testing.assert_close(found, expected.expand(2))


def test_nothing_of_a_silent_estimate_is_explained():
    source, estimate = _noise(2, 300)
    found = explained_share(torch.stack([source, 0 * estimate]), 8)
    assert found.tolist() == [0]
