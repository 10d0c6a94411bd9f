"""Mean 0 and deviation 1 in, the level of the mixture out."""

import pytest
import torch

from tests.small_models import build_small

MODELS = ["sudormrf", "tdanet"]


@pytest.mark.parametrize("name", MODELS)
def test_it_is_what_callers_do_around_the_network(name):
    model = build_small(name, normalize=True).double()
    plain = build_small(name).double()
    plain.load_state_dict(model.state_dict())
    mix = 0.01 * torch.randn(2, 700, dtype=torch.double) + 0.3
    mean, std = mix.mean(1, keepdim=True), mix.std(1, keepdim=True)
    inner = plain((mix - mean) / (std + 1e-9))
    by_hand = inner * std.unsqueeze(-1) + mean.unsqueeze(-1)
    torch.testing.assert_close(model(mix), by_hand)
    assert not torch.allclose(plain(mix), by_hand, rtol=0.1)


@pytest.mark.parametrize("name", MODELS)
def test_level_and_offset_of_a_mixture_only_pass_through(name):
    model = build_small(name, normalize=True).double()
    mix = torch.randn(1, 700, dtype=torch.double)
    mix = mix - mix.mean()
    moved = model(1e-3 * mix + 5)
    torch.testing.assert_close(moved, 1e-3 * model(mix) + 5, atol=1e-6, rtol=0)
