"""SPMamba: the published network, for every input a user may have."""

import pytest
import torch

from speechbrain_spmamba.convert import convert_state_dict
from speechbrain_spmamba.models import MODELS, build_model
from tests.golden import load_case

PUBLISHED_ARGUMENTS = {
    "n_srcs": "num_spks",
    "stride": "hop_length",
    "n_layers": "num_blocks",
    "attn_n_head": "num_heads",
    "attn_approx_qk_dim": "attn_qk_dim",
}


def _published():
    config, weights, x, y = load_case("spmamba_odd")
    names = {PUBLISHED_ARGUMENTS.get(k, k): v for k, v in config.items()}
    model = build_model("spmamba", **names).eval()
    model.load_state_dict(convert_state_dict("spmamba", weights))
    return model, x, y


def test_the_default_has_the_published_number_of_parameters():
    model = build_model("spmamba")
    assert sum(p.numel() for p in model.parameters()) == 6_141_826


def test_it_computes_what_the_published_network_computes():
    model, x, y = _published()
    with torch.no_grad():
        est = model(x)
    assert est.shape == y.shape
    assert (est - y).abs().max() / y.abs().max() < 1e-5


@pytest.mark.parametrize("samples", [1500, 900, 100, 40, 33, 1])
@pytest.mark.parametrize("emb_hs", [1, 2, 3])
def test_padding_does_not_change_the_output(small_model, samples, emb_hs):
    model = small_model(emb_hs=emb_hs).double()
    short = torch.randn(1, samples, dtype=torch.float64)
    batch = torch.randn(3, 1500, dtype=torch.float64)
    batch[1, :samples] = short
    lengths = torch.tensor([1.0, samples / 1500, 0.9], dtype=torch.float64)
    with torch.no_grad():
        est, alone = model(batch, lengths), model(short)
        torch.testing.assert_close(est[:1], model(batch[:1]))
    torch.testing.assert_close(est[1:2, :samples], alone)
    assert (est[1, samples:] == 0).all()


def test_padding_does_not_change_the_gradient(small_model):
    model = small_model().double()
    short = torch.randn(1, 700, dtype=torch.float64)
    padded = torch.cat([short, torch.randn(1, 500).double()], 1)
    gradients = []
    for mix, lengths in ((short, None), (padded, torch.tensor([700 / 1200]))):
        model.zero_grad()
        model(mix, lengths)[:, :700].square().sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    for alone, in_batch in zip(*gradients, strict=True):
        torch.testing.assert_close(in_batch, alone, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("num_spks", [1, 2, 5])
@pytest.mark.parametrize("emb_ks, emb_hs", [(8, 1), (4, 2), (3, 3), (3, 4)])
def test_any_number_of_sources_and_any_hop(
    small_model, num_spks, emb_ks, emb_hs
):
    model = small_model(num_spks=num_spks, emb_ks=emb_ks, emb_hs=emb_hs)
    est = model(torch.randn(2, 1001))
    assert est.shape == (2, 1001, num_spks)
    est.square().sum().backward()
    assert all(p.grad is not None for p in model.parameters())


def test_several_microphones(small_model):
    model = small_model(num_mics=3)
    assert model(torch.randn(2, 500, 3)).shape == (2, 500, 2)
    with pytest.raises(ValueError, match="microphones"):
        model(torch.randn(2, 500))


@pytest.mark.parametrize("samples", [1, 5, 32, 33, 63, 64, 65, 200])
def test_short_recordings_keep_their_length(small_model, samples):
    est = small_model()(torch.randn(1, samples))
    assert est.shape == (1, samples, 2)
    assert torch.isfinite(est).all()


def test_silence_in_gives_exact_silence_out(small_model):
    mix = torch.randn(2, 800)
    mix[0] = 0
    est = small_model()(mix)
    assert (est[0] == 0).all() and est[1].abs().max() > 0


@pytest.mark.parametrize("samples", [1, 800])
def test_a_constant_gives_finite_output(small_model, samples):
    est = small_model()(torch.full((1, samples), 0.7))
    assert torch.isfinite(est).all()


def test_the_output_follows_the_level_of_the_input(small_model):
    model, mix = small_model(), torch.randn(1, 800)
    est = model(mix)
    for gain in (1e-6, 1e4):
        torch.testing.assert_close(
            model(gain * mix) / gain, est, rtol=1e-3, atol=1e-4
        )


def test_the_item_that_is_not_finite_is_named(small_model):
    mix = torch.randn(3, 800)
    mix[1, 5] = float("nan")
    with pytest.raises(ValueError, match="item 1 "):
        small_model()(mix)


def test_the_output_is_float32_under_autocast(small_model):
    model, mix = small_model(), torch.randn(1, 800)
    with torch.no_grad():
        full = model(mix)
        with torch.autocast("cpu", torch.bfloat16):
            low = model(mix)
    assert low.dtype == torch.float32
    assert (low - full).norm() / full.norm() < 0.05


def test_unknown_names_and_arguments_are_errors_that_list_the_known():
    with pytest.raises(ValueError, match="known models: spmamba"):
        build_model("spmambo")
    with pytest.raises(ValueError, match="no argument 'n_blocks'.*num_blocks"):
        build_model("spmamba", n_blocks=2)


@pytest.mark.parametrize("name", MODELS)
def test_models_say_their_rate_and_number_of_sources(name):
    model = build_model(name, num_spks=3, sample_rate=8000)
    assert (model.num_spks, model.sample_rate) == (3, 8000)


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
    small_model, memory
):
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
