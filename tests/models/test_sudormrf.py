"""SudoRM-RF: what is its own."""

import pytest
import torch

from speechbrain_spmamba.models.sudormrf import SudoRMRF
from speechbrain_spmamba.nnet.u_blocks import ChannelMasks, upsample_and_add


def test_a_variant_that_is_not_known_is_an_error():
    with pytest.raises(ValueError, match="variant is 'v2', expected improved"):
        SudoRMRF(variant="v2")


def test_an_odd_number_of_filters_is_no_first_version():
    with pytest.raises(ValueError, match="enc_num_basis is 7.*even"):
        SudoRMRF(variant="first", enc_num_basis=7)


def test_rates_are_added_each_to_all_finer_ones():
    maps = [torch.zeros(1, 1, 5), torch.ones(1, 1, 3), torch.ones(1, 1, 2)]
    assert upsample_and_add(maps).tolist() == [[[2.0, 2.0, 2.0, 2.0, 2.0]]]


def test_masks_are_a_convolution_along_the_filters():
    masks, x = ChannelMasks(6, 6, 2), torch.randn(1, 6, 3)
    kernel = masks.conv.weight[:, 0, :, 0]  # [S, N + 1], its centre at N / 2
    padded = torch.zeros(1, 12, 3).index_copy(1, torch.arange(3, 9), x)
    slow = torch.stack(
        [kernel @ padded[0, n : n + 7] for n in range(6)], 1
    )  # [S, N, L]
    slow = (slow + masks.conv.bias[:, None, None]).softmax(0).flatten(0, 1)
    torch.testing.assert_close(masks(x)[0], slow)


def test_one_channel_number_needs_no_layer_between():
    assert isinstance(ChannelMasks(6, 6, 2).expand, torch.nn.Identity)
    assert isinstance(ChannelMasks(4, 6, 2).expand, torch.nn.Conv1d)
