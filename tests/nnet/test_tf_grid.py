"""The grid's map: bins for themselves, or bands of them."""

import pytest
import torch

from tests.small_models import build_small


@pytest.mark.parametrize("band", [1, 2, 5, 33])
def test_bands_cover_all_bins_each_once(band):
    model = build_small("spmamba", band=band, emb_ks=1)
    assert model.stft.n_fft // 2 + 1 == 33
    maps = []
    model.blocks[0].register_forward_hook(lambda _, __, x: maps.append(x))
    assert model(torch.randn(1, 640)).shape == (1, 640, 2)
    assert maps[0].shape == (1, 21, -(-33 // band), 4)


def test_an_item_of_a_batch_is_separated_as_if_it_were_alone():
    model, mix = build_small("spmamba", band=5, emb_ks=1), torch.randn(2, 700)
    est = model(mix, torch.tensor([1.0, 0.6]))
    torch.testing.assert_close(
        est[1:, :420], model(mix[1:, :420]), rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize("band", [0, 34])
def test_a_band_that_is_none_is_refused(band):
    with pytest.raises(ValueError, match=f"band is {band}; choose 1 to"):
        build_small("tf_gridnet", band=band)


def test_windows_may_not_hop_over_more_bands_than_there_are():
    with pytest.raises(ValueError, match="emb_hs is 8; choose 1 to 7, the wid"):
        build_small("spmamba", band=5, emb_hs=8)


GROWN = pytest.mark.parametrize(
    "kind",
    [
        {"masks": masks, "causal": causal}
        for masks in (False, True)
        for causal in (False, True)
    ],
    ids=str,
)
NAMES = pytest.mark.parametrize("name", ["spmamba", "tf_gridnet"])


@NAMES
@GROWN
def test_a_model_grows_by_outputs_that_begin_as_the_mean(name, kind):
    two = build_small(name, num_spks=2, **kind)
    four = build_small(name, num_spks=4, rest=kind["masks"], **kind)
    four.load_state_dict(four.grown(two.state_dict()))
    mix = torch.randn(1, 700)
    known, found = two(mix), four(mix)
    torch.testing.assert_close(found[..., 2], found[..., 3])
    if not kind["masks"]:
        torch.testing.assert_close(found[..., :2], known)
        torch.testing.assert_close(found[..., 2], known.mean(-1))
    else:  # what the two share is what they leave of it
        assert found[..., 2].square().mean() > 0.01 * mix.square().mean()


@NAMES
@GROWN
def test_a_model_grows_by_blocks_that_change_nothing_at_first(name, kind):
    one, three = (build_small(name, num_blocks=n, **kind) for n in (1, 3))
    with torch.no_grad():
        for parameter in one.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    three.load_state_dict(three.grown(one.state_dict()))
    mix = torch.randn(1, 700)
    torch.testing.assert_close(three(mix), one(mix), rtol=1e-4, atol=1e-5)
    three(mix).square().sum().backward()
    for block in three.blocks:  # and all of them learn
        assert block.intra.deconv.weight.grad.abs().max() > 0


def test_weights_that_fit_or_are_of_another_network_stay_what_they_are():
    two = build_small("spmamba", num_spks=2)
    state = two.state_dict()
    assert two.grown(state) == dict(state)
    other = {"a": torch.zeros(1), "output_conv.bias": torch.zeros(1, 1)}
    assert two.grown(other) == other
