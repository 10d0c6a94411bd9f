"""Grids with masks: shares of the mixture, half and half at first."""

import pytest
import torch

from tests.small_models import build_small


@pytest.fixture(
    params=[
        ("spmamba", {}),
        ("spmamba", {"band": 4, "emb_ks": 1}),
        ("spmamba", {"band": 5}),
        ("tf_gridnet", {}),
        ("tf_gridnet", {"band": 4, "emb_ks": 1}),
    ],
    ids=str,
)
def model(request):
    name, sizes = request.param
    return build_small(name, masks=True, **sizes)


def test_estimates_add_up_to_the_mixture(model):
    with torch.no_grad():
        model.output_conv.weight.normal_()
    mix = torch.randn(2, 700)
    est = model(mix)
    assert (est[..., 0] - est[..., 1]).abs().max() > 0.1
    torch.testing.assert_close(est.sum(-1), mix, rtol=1e-4, atol=1e-4)


def test_at_first_each_estimate_is_about_half_of_the_mixture(model):
    mix = torch.randn(2, 700)
    off = model(mix) - mix.unsqueeze(-1) / 2
    assert off.square().mean() < 0.01 * mix.square().mean()


@pytest.mark.parametrize("name", ["spmamba", "tf_gridnet"])
@pytest.mark.parametrize("causal", [False, True])
def test_with_a_rest_all_talkers_may_be_silent(name, causal):
    model = build_small(name, masks=True, rest=True, causal=causal)
    mix = torch.randn(1, 700)
    at_first = model(mix).sum(-1)
    torch.testing.assert_close(at_first, 0.97 * mix, rtol=0.2, atol=0.1)
    with torch.no_grad():
        model.output_conv.weight.zero_()
        model.output_conv.bias.fill_(-20.0)
    assert model(mix).abs().max() < 1e-5 * mix.abs().max()


def test_a_rest_without_masks_is_refused():
    with pytest.raises(ValueError, match="rest is a share of masks; set masks"):
        build_small("spmamba", rest=True)


def test_an_item_of_a_batch_is_separated_as_if_it_were_alone(model):
    with torch.no_grad():
        model.output_conv.weight.normal_()
    mix = torch.randn(2, 700)
    est = model(mix, torch.tensor([1.0, 0.6]))
    torch.testing.assert_close(
        est[1:, :420], model(mix[1:, :420]), rtol=1e-3, atol=1e-5
    )
    assert not est[1, 420:].any()


def test_estimates_follow_the_level_of_the_mixture(model):
    mix = torch.randn(1, 700)
    torch.testing.assert_close(
        model(1e-3 * mix), 1e-3 * model(mix), rtol=1e-3, atol=1e-8
    )


def test_silence_gives_silence_and_finite_gradients(model):
    est = model(torch.zeros(1, 700))
    assert not est.any()
    est.sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())
