"""Conv-TasNet: what is its own."""

import pytest

from speechbrain_spmamba.models.conv_tasnet import ConvTasNet


def test_a_filter_that_the_hop_does_not_halve_is_an_error():
    with pytest.raises(ValueError, match="kernel_size is 21"):
        ConvTasNet(kernel_size=21)
