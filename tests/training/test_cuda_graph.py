"""When a step is recorded and played, with a recorder that is none."""

import pytest
import torch
from torch.autograd.graph import get_gradient_edge

from speechbrain_spmamba.training.cuda_graph import GraphedForward


class Doubled(torch.nn.Module):
    """Twice its input, plus a bias."""

    def __init__(self):
        super().__init__()
        self.bias = torch.nn.Parameter(torch.zeros(()))

    def forward(self, mix):
        return 2 * mix + self.bias


@pytest.fixture
def recorded(monkeypatch):
    """What was recorded; playing it adds one."""
    found = []

    def record(passes, given):
        found.append((given, torch.is_autocast_cache_enabled()))
        return lambda *given: passes(*given) + 1

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", record)
    return found


def test_the_first_shape_is_recorded_once_and_played(recorded):
    graphed = GraphedForward(Doubled())
    found = [graphed(torch.ones(shape)) for shape in [(2, 3), (2, 3)]]
    found += [graphed(torch.ones(1, 3)), graphed(torch.zeros(2, 3))]
    ((mix, _), cached) = recorded.pop()
    assert mix.shape == (2, 3) and not recorded
    # Casts that are kept outside would be missing when it is played.
    assert not cached and torch.is_autocast_cache_enabled()
    assert [y.unique().item() for y in found] == [3, 3, 2, 1]
    assert [y.shape for y in found] == [(2, 3), (2, 3), (1, 3), (2, 3)]


def test_what_is_recorded_shares_nothing_with_a_graph_that_is_kept(recorded):
    module = Doubled()
    kept = module(torch.ones(2, 3))
    graphed = GraphedForward(module)
    graphed(torch.ones(2, 3)).sum().backward()
    (own,) = recorded[0][0][1:]
    assert own.is_leaf and own.requires_grad and own.grad is None
    assert own.data_ptr() == module.bias.data_ptr()
    ((node, _),) = kept.grad_fn.next_functions[1:]
    assert node is get_gradient_edge(module.bias).node
    assert node is not get_gradient_edge(own).node
    # Played, it trains the module; and sees what a step has changed.
    assert module.bias.grad == 6
    with torch.no_grad():
        module.bias += 1
    assert (graphed(torch.ones(2, 3)) == 4).all()


def test_a_step_that_cannot_be_recorded_ends_in_a_line(monkeypatch):
    def record(passes, given):
        try:
            raise RuntimeError("CUDA error: not permitted\nSearch for it in")
        finally:
            raise RuntimeError("CUDA error: a previous error")

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", record)
    with pytest.raises(ValueError, match=r"graph \(.*permitted\); give"):
        GraphedForward(Doubled())(torch.ones(2, 3))
    assert torch.is_autocast_cache_enabled()


def assert_rounded_alike(names, exact, step, played):
    """That two computations in bfloat16 differ as their roundings may.

    What is recorded may multiply by other algorithms, which add up in another
    order. A bound by the size of a tensor, be it bfloat16's spacing of 2**-8,
    does not fit all: a gradient that is a sum of nothing but rounding, as that
    of the bias of attention's keys, differs by all that it is. Its error
    against float32 tells how much that is. On a CPU, products added up of two
    halves differ by up to six such errors in some tensor; gradients of another
    batch by 15 and more in most.
    """
    for name, *tensors in zip(names, exact, step, played, strict=True):
        truth, value, other = (tensor.float() for tensor in tensors)
        error = (value - truth).norm() + 2**-8 * value.norm()
        assert (other - value).norm() <= 8 * error, name


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("is_kept", [False, True])
def test_on_a_gpu_a_played_step_is_the_step(small_model, is_kept):
    model = small_model().cuda()
    graphed, kept = GraphedForward(model), []
    names = ["estimates", *(name for name, _ in model.named_parameters())]
    for seed in range(3):
        torch.manual_seed(seed)
        mix = torch.randn(2, 800, device="cuda")
        found = []
        for separate, is_short in (
            (model, False),
            (model, True),
            (graphed, True),
        ):
            model.zero_grad(set_to_none=True)
            with torch.autocast("cuda", torch.bfloat16, enabled=is_short):
                est = separate(mix)
            est.square().sum().backward()
            values = est.detach().clone()
            found.append([values, *(p.grad for p in model.parameters())])
            # A loss or an estimate keeps the nodes of its parameters.
            if is_kept:
                kept.append(est)
            del est
        assert_rounded_alike(names, *found)
