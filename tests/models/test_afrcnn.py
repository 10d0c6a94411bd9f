"""A-FRCNN: the published network, for every input a user may have."""

import pytest
import torch

from speechbrain_spmamba.models.afrcnn import AFRCNN
from speechbrain_spmamba.published.afrcnn import convert
from speechbrain_spmamba.published.source import Source
from tests.golden import load_case


def _small(**overrides):
    sizes = {"out_channels": 4, "in_channels": 8, "num_blocks": 2}
    sizes |= {"upsampling_depth": 3, "enc_num_basis": 8}
    return AFRCNN(**{**sizes, **overrides})


def test_a_missing_published_weight_is_named():
    _, weights, _, _ = load_case("afrcnn_odd")
    del weights["sm.blocks.fuse_layers.2.0.norm.beta"]
    with pytest.raises(
        ValueError, match="lacks 'sm.blocks.fuse_layers.2.0.norm.beta'"
    ):
        convert(Source("afrcnn", weights))


@pytest.mark.parametrize("samples", [599, 400, 395, 90, 41, 7, 1])
@pytest.mark.parametrize("enc_kernel_size", [21, 49, 16])
def test_padding_does_not_change_the_output(samples, enc_kernel_size):
    model = _small(enc_kernel_size=enc_kernel_size).double()
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


@pytest.mark.parametrize("samples", [1, 5, 9, 10, 11, 21, 39, 41, 333])
def test_short_recordings_keep_their_length(samples):
    est = _small()(torch.randn(1, samples))
    assert est.shape == (1, samples, 2)
    assert torch.isfinite(est).all() and est.abs().max() > 0


def test_stages_that_do_not_halve_are_stretched_as_published():
    model = _small(enc_kernel_size=49, upsampling_depth=4).eval()
    assert not model.block.halves
    mix = torch.randn(1, 700)
    with torch.no_grad():
        est = model(mix)
        model.block.halves = True  # F.interpolate, right for items alone
        assert torch.equal(model(mix), est)
