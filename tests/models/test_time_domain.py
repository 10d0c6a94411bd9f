"""What the time-domain systems have in common, for each of them."""

import pytest
import torch

from tests.models import test_afrcnn as afrcnn
from tests.models import test_conv_tasnet as conv_tasnet
from tests.models import test_dprnn as dprnn
from tests.models import test_sudormrf as sudormrf

SYSTEMS = [afrcnn, conv_tasnet, dprnn, sudormrf]


@pytest.fixture(params=SYSTEMS, ids=lambda module: module.__name__[18:])
def small(request):
    """Makes a small model of a system."""
    return request.param._small


def test_padding_does_not_change_the_gradient(small):
    model = small().double()
    mix = torch.randn(2, 600, dtype=torch.float64)
    gradients = []
    for part, lengths in (
        (mix[:, :430], None),
        (mix, torch.full((2,), 43 / 60)),
    ):
        model.zero_grad()
        model(part, lengths)[:, :430].square().sum().backward()
        found = [p.grad for p in model.parameters() if p.requires_grad]
        gradients.append([gradient.clone() for gradient in found])
    for alone, in_batch in zip(*gradients, strict=True):
        torch.testing.assert_close(in_batch, alone, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("lengths", [None, torch.tensor([0.5, 1.0])])
def test_silence_in_gives_exact_silence_out(small, lengths):
    mix = torch.randn(2, 800)
    mix[0] = 0
    est = small()(mix, lengths)
    assert (est[0] == 0).all() and est[1].abs().max() > 0


def test_the_output_is_float32_under_autocast(small):
    model, mix = small(), torch.randn(1, 800)
    with torch.no_grad():
        full = model(mix)
        with torch.autocast("cpu", torch.bfloat16):
            low = model(mix)
    assert low.dtype == torch.float32
    assert (low - full).norm() / full.norm() < 0.05
