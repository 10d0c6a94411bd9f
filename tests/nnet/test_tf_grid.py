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
