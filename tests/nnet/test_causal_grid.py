"""Causal grids: gradients, batches, and what they refuse."""

import pytest
import torch

from tests.small_models import build_small


@pytest.mark.parametrize("system", ["spmamba", "tf_gridnet"])
def test_all_parameters_learn(system):
    model = build_small(system, causal=True, lookahead=1)
    model(torch.randn(2, 500)).square().mean().backward()
    silent = [n for n, p in model.named_parameters() if not p.grad.any()]
    # softmax forgives a shift of all keys
    assert {n.rpartition(".")[2] for n in silent} <= {"bias"}


@pytest.mark.parametrize("memory", ["speed", "balanced", "low"])
def test_gradients_do_not_depend_on_what_is_kept(memory):
    found = []
    for kept in ("speed", memory):
        torch.manual_seed(0)
        model = build_small("spmamba", causal=True, memory=kept)
        model(torch.randn(1, 500)).square().sum().backward()
        found.append({n: p.grad for n, p in model.named_parameters()})
    largest = max(grad.abs().max() for grad in found[0].values())
    for name, grad in found[0].items():
        assert (found[1][name] - grad).abs().max() <= 1e-5 * largest, name


def test_an_item_of_a_batch_is_separated_as_if_it_were_alone():
    model = build_small("spmamba", causal=True, lookahead=2)
    mix = torch.randn(2, 700)
    est = model(mix, torch.tensor([1.0, 0.6]))
    assert not est[1, 420:].any()
    alone = model(mix[1:, :420])
    torch.testing.assert_close(est[1:, :420], alone, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("level", [1e-6, 1.0, 1e4])
def test_the_level_of_a_mixture_is_that_of_its_estimates(level):
    model, mix = build_small("spmamba", causal=True), torch.randn(1, 700)
    with torch.no_grad():
        torch.testing.assert_close(
            model(mix * level) / level, model(mix), rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize("samples", [1, 31, 32, 33, 65])
def test_any_length_comes_back_as_long(samples):
    model = build_small("spmamba", causal=True, lookahead=1)
    assert model(torch.randn(1, samples)).shape == (1, samples, 2)


def test_the_default_has_no_trace_of_it():
    names = set(build_small("spmamba").state_dict())
    assert names == set(build_small("spmamba", causal=False).state_dict())
    assert any("backward_branch" in name for name in names)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"lookahead": -1, "causal": True}, "lookahead is -1; give 0 frames"),
        ({"attn_context": -1, "causal": True}, "attn_context is -1; give 0"),
        ({"lookahead": 1}, "of causal models; add causal=True"),
        ({"synthesis_length": 32}, "of causal models; add causal=True"),
        (
            {"causal": True, "synthesis_length": 16},
            "hop_length is 32, synthesis_length 16 and n_fft 64; each must",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(options, reason):
    with pytest.raises(ValueError, match=reason):
        build_small("spmamba", **options)


def test_tf_gridnet_is_causal_in_its_first_version():
    with pytest.raises(ValueError, match="no causal form; give version 1"):
        build_small("tf_gridnet", causal=True, version=2)
