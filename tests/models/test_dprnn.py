"""DPRNN: the published network, for every input a user may have."""

import pytest
import torch

from speechbrain_spmamba.models.dprnn import DPRNN
from speechbrain_spmamba.published.dprnn import convert
from speechbrain_spmamba.published.source import Source
from tests.golden import load_case


def _small(**overrides):
    sizes = {"n_filters": 8, "feature_dim": 6, "hidden": 5}
    sizes |= {"num_blocks": 2, "chunk_size": 25}
    return DPRNN(**{**sizes, **overrides})


def test_a_missing_published_weight_is_named():
    _, weights, _, _ = load_case("dprnn_odd")
    del weights["separation.dual_rnn.1.inter_norm.bias"]
    with pytest.raises(
        ValueError, match="lacks 'separation.dual_rnn.1.inter_norm.bias'"
    ):
        convert(Source("dprnn", weights))


@pytest.mark.parametrize("samples", [599, 576, 575, 400, 24, 7, 1])
@pytest.mark.parametrize("kernel_size", [5, 2])
def test_padding_does_not_change_the_output(samples, kernel_size):
    model = _small(kernel_size=kernel_size).double()
    batch = torch.randn(3, 600, dtype=torch.float64)
    lengths = torch.tensor([1.0, samples / 600, 0.9], dtype=torch.float64)
    with torch.no_grad():
        est, alone = model(batch, lengths), model(batch[1:2, :samples])
        torch.testing.assert_close(est[:1], model(batch[:1]))
    torch.testing.assert_close(est[1:2, :samples], alone)
    assert (est[1, samples:] == 0).all()


@pytest.mark.parametrize("num_spks", [1, 2, 5])
@pytest.mark.parametrize("lengths", [None, torch.tensor([1.0, 0.6])])
def test_any_number_of_sources_and_a_gradient_everywhere(num_spks, lengths):
    model = _small(num_spks=num_spks)
    est = model(torch.randn(2, 501), lengths)
    assert est.shape == (2, 501, num_spks)
    est.square().sum().backward()
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("samples", [1, 2, 5, 24, 25, 26, 49, 50, 333])
def test_short_recordings_keep_their_length(samples):
    est = _small()(torch.randn(1, samples))
    assert est.shape == (1, samples, 2)
    assert torch.isfinite(est).all()
