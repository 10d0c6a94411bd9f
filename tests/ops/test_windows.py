"""Overlap-add is the transpose of unfold."""

import pytest
import torch

from speechbrain_spmamba.ops.windows import fitted_length, overlap_add


@pytest.mark.parametrize("size, hop", [(8, 1), (4, 2), (4, 4), (5, 3), (3, 4)])
def test_overlap_add_is_the_transpose_of_unfold(size, hop):
    x = torch.randn(2, size + 5 * hop, 3, dtype=torch.float64)
    windows = x.unfold(1, size, hop).transpose(-1, -2)
    other = torch.randn_like(windows)
    there = (windows * other).sum()
    back = (x * overlap_add(other, hop)).sum()
    torch.testing.assert_close(there, back)


@pytest.mark.parametrize("size, hop", [(8, 1), (5, 3)])
def test_overlap_add_adds_one_window_after_the_other(size, hop):
    windows = torch.randn(2, 4, size, 3, dtype=torch.float64)
    expected = torch.zeros(2, 3 * hop + size, 3, dtype=torch.float64)
    for index in range(4):
        expected[:, index * hop : index * hop + size] += windows[:, index]
    torch.testing.assert_close(overlap_add(windows, hop), expected)


def test_overlap_add_has_the_right_gradient():
    windows = torch.randn(2, 3, 5, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: overlap_add(w, 2), [windows])


@pytest.mark.parametrize("length", range(1, 20))
def test_fitted_length_is_the_smallest_that_fits(length):
    size, hop = 4, 3
    fitted = fitted_length(length, size, hop)
    assert fitted >= max(length, size)
    assert (fitted - size) % hop == 0
    assert fitted - hop < max(length, size)
    assert fitted_length(torch.tensor(length), size, hop).item() == fitted
