"""Conv-TasNet: the published network, for every input a user may have."""

import pytest
import torch

from speechbrain_spmamba.models.conv_tasnet import ConvTasNet
from speechbrain_spmamba.published.conv_tasnet import convert
from speechbrain_spmamba.published.source import Source
from tests.golden import load_case


def _small(**overrides):
    sizes = {"n_filters": 8, "bottleneck": 4, "hidden": 8}
    sizes |= {"n_layers": 3, "n_stacks": 2}
    return ConvTasNet(**{**sizes, **overrides})


def test_a_missing_published_weight_is_named():
    _, weights, _, _ = load_case("conv_tasnet_odd")
    del weights["TCN.TCN.3.reg1.bias"]
    with pytest.raises(ValueError, match="lacks 'TCN.TCN.3.reg1.bias'"):
        convert(Source("conv_tasnet", weights))


@pytest.mark.parametrize("samples", [599, 400, 393, 100, 8, 7, 1])
@pytest.mark.parametrize("kernel_size", [16, 2])
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
    for name, parameter in model.named_parameters():
        # The last residual is published, and leads nowhere.
        wanted = not name.startswith("blocks.5.residual")
        assert (parameter.grad is not None) == wanted, name


@pytest.mark.parametrize("samples", [1, 5, 7, 8, 9, 15, 16, 17, 333])
def test_short_recordings_keep_their_length(samples):
    est = _small()(torch.randn(1, samples))
    assert est.shape == (1, samples, 2)
    assert torch.isfinite(est).all() and est.abs().max() > 0


def test_a_filter_that_the_hop_does_not_halve_is_an_error():
    with pytest.raises(ValueError, match="kernel_size is 21"):
        ConvTasNet(kernel_size=21)
