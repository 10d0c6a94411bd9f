"""The global norm is GroupNorm, and blind to padding."""

import torch

from speechbrain_spmamba.nnet.norms import GlobalLayerNorm, normalise_items


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


def test_the_form_for_gpus_has_its_values_and_gradients():
    x = torch.randn(2, 6, 5, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.linspace(-1, 1, x.numel(), dtype=x.dtype).cos().view_as(x)
    found = normalise_items(x, 1e-5)
    expected = torch.nn.functional.layer_norm(x, x.shape[1:], eps=1e-5)
    torch.testing.assert_close(found, expected)
    grads = [
        torch.autograd.grad((out * weights).sum(), x)[0]
        for out in (found, expected)
    ]
    torch.testing.assert_close(*grads)
