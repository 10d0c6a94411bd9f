"""A-FRCNN: stages of any rate."""

import torch

from tests.small_models import build_small


def test_stages_that_do_not_halve_are_stretched_as_published():
    model = build_small("afrcnn", enc_kernel_size=49, upsampling_depth=4)
    assert not model.block.halves
    mix = torch.randn(1, 700)
    with torch.no_grad():
        est = model(mix)
        model.block.halves = True  # F.interpolate, right for items alone
        assert torch.equal(model(mix), est)
