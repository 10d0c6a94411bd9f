"""A whole path in one call of the C kernels computes what its parts compute."""

import copy
import functools

import pytest
import torch

from speechbrain_spmamba.nnet import folded_forward
from speechbrain_spmamba.nnet.folded_forward import ForwardPass
from speechbrain_spmamba.nnet.mamba_path import MambaPath
from tests.ops.test_cpu import build, needs_kernels  # noqa: F401

# channels, window, hop, positions, and of the Mamba: an inner width below,
# between and above whole stretches of columns; a length below a block of rows,
# of tiles and a rest; windows that end inside a vector
SHAPES = [
    (16, 8, 1, 44, {"expand": 1}),
    (3, 4, 2, 22, {"expand": 3, "d_state": 5}),
    (5, 3, 1, 9, {"expand": 4, "d_conv": 1}),
    (24, 2, 2, 80, {"expand": 1, "d_conv": 15, "d_state": 8}),
    (2, 4, 4, 4, {"expand": 2}),
]


def make_path(channels, size, hop, mamba, **options):
    """A path whose every parameter matters."""
    torch.manual_seed(0)
    path = MambaPath(channels, size, hop, **mamba, **options)
    with torch.no_grad():
        for parameter in path.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    return path


def make_map(positions, channels, rows=5):
    """Its positions do not lie side by side, as those of an inter path."""
    return torch.randn(1, positions, rows, channels).transpose(1, 2)


@functools.cache
@torch.no_grad()
def in_float64(shape, lengths):
    """A path, a map of two items, windows of each, and what comes out."""
    channels, size, hop, positions, mamba = SHAPES[shape]
    path = make_path(channels, size, hop, mamba)
    x = torch.cat([make_map(positions, channels) for _ in range(2)])
    windows = (positions - size) // hop + 1
    count = torch.tensor([windows, windows // 2]) if lengths else None
    return path, x, count, copy.deepcopy(path).double()(x.double(), count)


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("shape", range(len(SHAPES)))
@torch.no_grad()
def test_every_build_matches_float64_for_any_size(build, shape, lengths):  # noqa: F811
    path, x, count, expected = in_float64(shape, lengths)
    error = (path(x, count).double() - expected).abs().max()
    assert error <= 3e-6 * expected.abs().max()


@needs_kernels
def test_what_is_kept_for_the_backward_pass_is_what_the_parts_keep(monkeypatch):
    path, x = make_path(4, 4, 1, {"expand": 2}), make_map(70, 4)
    monkeypatch.setattr(folded_forward, "_BLOCK_CPU", 150)
    kept = []

    def keep(tensor):
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        path(x)
        whole, kept = kept, []
        monkeypatch.setattr(ForwardPass, "runs_whole", lambda *_: False)
        path(x)
    for found, expected in zip(whole, kept, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


@needs_kernels
@torch.no_grad()
def test_the_result_depends_neither_on_threads_nor_on_the_rows_beside_it():
    path, x = make_path(*SHAPES[0][:3], SHAPES[0][4]), make_map(44, 16)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = path(x)
        torch.set_num_threads(3)
        three = path(x)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(one, three)
    x[0, 1] = torch.nan
    spoilt = path(x)
    assert spoilt[0, 1].isnan().all()
    keeps = [0, 2, 3, 4]
    assert torch.equal(spoilt[0, keeps], one[0, keeps])


@needs_kernels
@torch.no_grad()
def test_products_in_half_precision_are_left_to_the_parts():
    path, x = make_path(4, 4, 1, {"expand": 2}), make_map(20, 4)
    expected = path.double()(x.double())
    with torch.autocast("cpu", torch.bfloat16):
        half = path.float()(x)
    torch.testing.assert_close(half.double(), expected, rtol=0.1, atol=0.1)
