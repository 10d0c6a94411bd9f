"""A causal model at work: what comes of a stream, and when."""

import random

import pytest
import torch

from tests.small_models import build_small

CAUSAL = {
    "mamba": ("spmamba", {}),
    "masks": ("spmamba", {"masks": True, "band": 8, "emb_ks": 1}),
    "no attention": ("spmamba", {"attn_context": 0}),
    "ahead": ("spmamba", {"lookahead": 3, "synthesis_length": 40}),
    "two microphones": ("spmamba", {"num_mics": 2, "lookahead": 1}),
    "short windows": ("spmamba", {"hop_length": 24, "synthesis_length": 24}),
    "lstm": ("tf_gridnet", {"lookahead": 1}),
}


def build(name, **more):
    system, options = CAUSAL[name]
    options = {"causal": True, "attn_context": 5, **options, **more}
    return build_small(system, **options).eval()


def in_blocks(mix, draw):
    """A mixture in blocks of random sizes, of none and of many hops too."""
    at = 0
    while at < mix.shape[1]:
        size = draw.choice([0, 1, draw.randint(2, 40), draw.randint(41, 500)])
        yield mix[:, at : at + size]
        at += size


@pytest.mark.parametrize("name", CAUSAL)
@pytest.mark.parametrize("seed", range(3))
def test_streamed_equals_offline(name, seed):
    draw = random.Random(seed)
    more = {
        "lookahead": draw.randint(0, 4),
        "synthesis_length": draw.randint(32, 64),
    }
    model = build(name, **more)
    mix = torch.randn(2, draw.randint(1, 1500), model.num_mics)
    mix[1] *= 30
    stream = model.stream()
    parts = [stream.feed(block) for block in in_blocks(mix, draw)]
    est = torch.cat([*parts, stream.flush()], 1)
    expected = model(mix)
    assert est.shape == expected.shape
    error = (est - expected).abs().amax((1, 2))
    assert (error <= 1e-5 * expected.abs().amax((1, 2))).all()


@pytest.mark.parametrize("name", CAUSAL)
def test_no_sample_waits_longer_than_the_latency(name):
    """... nor hears more of the future."""
    model = build(name)
    mix = torch.randn(1, 900, model.num_mics)
    other = mix.clone()
    other[:, 500:] = torch.randn(1, 400, model.num_mics)
    with torch.no_grad():
        change = (model(other) - model(mix)).abs().amax((0, 2))
    assert not change[: 500 - model.latency_samples].any()
    assert change[500:].any()
    stream, fed = model.stream(), 0
    for block in mix.split(7, 1):
        stream.feed(block)
        fed += block.shape[1]
        assert fed - stream.given < model.latency_samples


@pytest.mark.parametrize("name", CAUSAL)
def test_a_state_goes_on_in_another_stream(name, tmp_path):
    model = build(name)
    mix = torch.randn(1, 800, model.num_mics)
    first = model.stream()
    first.feed(mix[:, :333])
    torch.save(first.state_dict(), tmp_path / "state.pt")
    second = model.stream()
    second.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    rest = [
        torch.cat([stream.feed(mix[:, 333:]), stream.flush()], 1)
        for stream in (first, second)
    ]
    assert torch.equal(*rest)


@pytest.mark.parametrize("name", CAUSAL)
def test_memory_does_not_grow_with_time(name):
    model = build(name)
    stream, sizes = model.stream(), []
    for _ in range(4):
        for _ in range(20):
            stream.feed(torch.randn(1, 50, model.num_mics))
        state = stream.state_dict()
        state.pop("waiting")
        sizes.append(
            {n: t.untyped_storage().nbytes() for n, t in state.items()}
        )
    assert sizes[1] == sizes[2] == sizes[3]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("name", CAUSAL)
def test_on_a_gpu_streamed_equals_offline(name):
    model = build(name).cuda()
    mix = torch.randn(2, 900, model.num_mics)
    stream = model.stream()
    parts = [stream.feed(block) for block in in_blocks(mix, random.Random(0))]
    est = torch.cat([*parts, stream.flush()], 1)
    expected = model(mix.cuda())
    assert (est - expected).abs().max() <= 1e-4 * expected.abs().max()


def test_a_stream_without_axes_is_that_of_one_item():
    model, mix = build("mamba"), torch.randn(500)
    stream = model.stream()
    est = torch.cat(
        [stream.feed(mix[:70]), stream.feed(mix[70:]), stream.flush()]
    )
    torch.testing.assert_close(est, model(mix[None])[0], rtol=0, atol=1e-5)


def test_an_emptied_stream_begins_anew():
    model, mix = build("ahead"), torch.randn(500)
    stream = model.stream()
    first = torch.cat([stream.feed(mix), stream.flush()])
    assert torch.equal(torch.cat([stream.feed(mix), stream.flush()]), first)


def test_silence_gives_silence_and_what_follows_is_heard():
    model = build("masks")
    stream = model.stream()
    assert not stream.feed(torch.zeros(800)).any()
    est = torch.cat([stream.feed(torch.randn(800)), stream.flush()])
    assert est.isfinite().all() and est[-400:].abs().mean() > 0.01


def test_wrong_samples_are_one_line_and_change_nothing():
    model = build("mamba")
    stream = model.stream()
    with pytest.raises(ValueError, match="nothing was fed"):
        stream.flush()
    with pytest.raises(ValueError, match=r"\[1, 7, 2\]; expected \[n\] or"):
        stream.feed(torch.randn(1, 7, 2))
    stream.feed(torch.randn(2, 50))
    before = stream.state_dict()
    with pytest.raises(ValueError, match="expected 2 axes and 2 streams"):
        stream.feed(torch.randn(50))
    with pytest.raises(ValueError, match="a block has NaN or infinite"):
        stream.feed(torch.full((2, 50), torch.nan))
    after = stream.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_model_that_hears_everything_has_no_stream():
    with pytest.raises(ValueError, match="this SPMamba hears all of a record"):
        build_small("spmamba").stream()
