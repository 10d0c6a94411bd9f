"""The global norm is GroupNorm, and blind to padding."""

import torch

from speechbrain_spmamba.nnet.norms import GlobalLayerNorm


def _norm():
    norm = GlobalLayerNorm(4).double()
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    return norm


def test_it_is_group_norm_with_one_group():
    norm, x = _norm(), torch.randn(2, 6, 5, 4, dtype=torch.float64)
    expected = torch.nn.functional.group_norm(
        x.movedim(-1, 1), 1, norm.weight, norm.bias, norm.eps
    )
    torch.testing.assert_close(norm(x), expected.movedim(1, -1))


def test_what_is_not_valid_does_not_count():
    norm, x = _norm(), torch.randn(2, 6, 5, 4, dtype=torch.float64)
    valid = torch.ones(2, 6, 1, 1, dtype=torch.bool)
    valid[1, 4:] = False
    both = norm(x, valid)
    torch.testing.assert_close(both[:1], norm(x[:1]))
    torch.testing.assert_close(both[1:, :4], norm(x[1:, :4]))
