"""Conv-TasNet: what is its own."""

import pytest

from speechbrain_spmamba.models.conv_tasnet import ConvTasNet


def test_a_filter_that_the_hop_does_not_halve_is_an_error():
    with pytest.raises(ValueError, match="kernel_size is 21"):
        ConvTasNet(kernel_size=21)


def test_a_variant_that_is_not_known_is_an_error():
    with pytest.raises(ValueError, match="variant is 'p', expected sudo_rm_rf"):
        ConvTasNet(variant="p")
    with pytest.raises(ValueError, match="mask_act is 'tanh', expected sigm"):
        ConvTasNet(mask_act="tanh")


def test_a_skip_path_that_cannot_be_is_an_error():
    for arguments in (
        {"skip_channels": 3, "variant": "sonicsim"},
        {"skip_channels": 0},
    ):
        with pytest.raises(ValueError, match="skip_channels is .*, expected"):
            ConvTasNet(**arguments)
