"""When a step is recorded and played, with a recorder that is none."""

import pytest
import torch

from speechbrain_spmamba.training.cuda_graph import GraphedForward


@pytest.fixture
def recorded(monkeypatch):
    """What was recorded; playing it adds one."""
    found = []

    def record(module, given):
        found.append((given[0].shape, torch.is_autocast_cache_enabled()))
        return lambda mix: module.separator(mix) + 1

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", record)
    return found


def test_the_first_shape_is_recorded_once_and_played(recorded):
    graphed = GraphedForward(lambda mix: 2 * mix)
    found = [graphed(torch.ones(shape)) for shape in [(2, 3), (2, 3)]]
    found += [graphed(torch.ones(1, 3)), graphed(torch.zeros(2, 3))]
    # Casts that are kept outside would be missing when it is played.
    assert recorded == [((2, 3), False)]
    assert torch.is_autocast_cache_enabled()
    assert [y.unique().item() for y in found] == [3, 3, 2, 1]
    assert [y.shape for y in found] == [(2, 3), (2, 3), (1, 3), (2, 3)]


def test_a_module_stays_as_it_is(recorded):
    module = torch.nn.Linear(3, 3)
    GraphedForward(module)(torch.ones(2, 3))
    assert "forward" not in vars(module)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_on_a_gpu_a_played_step_is_the_step(small_model):
    model = small_model().cuda()
    graphed = GraphedForward(model)
    for seed in range(3):
        torch.manual_seed(seed)
        mix = torch.randn(2, 800, device="cuda")
        found = []
        for separate in (model, graphed):
            model.zero_grad(set_to_none=True)
            with torch.autocast("cuda", torch.bfloat16):
                est = separate(mix)
            est.square().sum().backward()
            found.append([est.clone(), *(p.grad for p in model.parameters())])
        torch.testing.assert_close(*found, rtol=1e-3, atol=1e-5)
