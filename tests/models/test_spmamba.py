"""SPMamba: microphones, memory, and what it does on a GPU."""

import pytest
import torch


def test_several_microphones(small_model):
    model = small_model(num_mics=3)
    assert model(torch.randn(2, 500, 3)).shape == (2, 500, 2)
    with pytest.raises(ValueError, match="microphones"):
        model(torch.randn(2, 500))


@pytest.mark.parametrize("samples", [1, 800])
def test_a_constant_gives_finite_output(small_model, samples):
    est = small_model()(torch.full((1, samples), 0.7))
    assert torch.isfinite(est).all()


@pytest.mark.parametrize("memory", ["speed", "balanced", "low"])
def test_the_choice_of_memory_changes_no_number(small_model, memory):
    mix = torch.randn(2, 800)
    model, plain = small_model(memory=memory), small_model()
    plain.load_state_dict(model.state_dict())
    for network in (model, plain):
        network(mix).square().sum().backward()
    torch.testing.assert_close(model(mix), plain(mix))
    for ours, theirs in zip(
        model.parameters(), plain.parameters(), strict=True
    ):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_training_step_never_waits_for_the_gpu(small_model):
    model = small_model().cuda()
    mix = torch.randn(2, 800, device="cuda")
    lengths = torch.tensor([1.0, 0.5], device="cuda")
    model(mix, lengths).square().sum().backward()  # compiles the kernels
    torch.cuda.set_sync_debug_mode("error")
    try:
        model(mix, lengths).square().sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("memory", ["speed", "balanced", "low"])
def test_gradients_on_a_gpu_are_bitwise_equal_from_run_to_run(
    small_model, memory, monkeypatch
):
    # Else the gradients of its convolutions may be summed in any order.
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    model = small_model(memory=memory).cuda()
    mix = torch.randn(2, 3000, device="cuda")
    found = []
    for _ in range(2):
        model.zero_grad(set_to_none=True)
        with torch.autocast("cuda", torch.bfloat16):
            est = model(mix)
        est.square().sum().backward()
        found.append([p.grad.clone() for p in model.parameters()])
    assert all(map(torch.equal, *found))
