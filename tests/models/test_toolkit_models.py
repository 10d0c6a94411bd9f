"""SpeechBrain's own systems are the toolkit's, and keep our promises."""

import pytest
import torch
from speechbrain.lobes.models.dual_path import (
    Decoder,
    Encoder,
    SepformerWrapper,
)

from speechbrain_spmamba.models import TOOLKIT_MODELS, build_model
from tests.small_models import build_small

# Of the toolkit's recipes for two talkers.
PARAMETERS = {
    "sepformer": 25_679_361,
    "resepformer": 7_955_201,
    "skim": 14_506_753,
}


def test_all_are_there():
    assert list(TOOLKIT_MODELS) == list(PARAMETERS)


@pytest.mark.parametrize("name", TOOLKIT_MODELS)
def test_the_default_has_the_number_of_parameters_of_the_toolkit(name):
    with torch.device("meta"):
        model = build_model(name)
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS[name]


def test_sepformer_computes_what_the_toolkit_computes():
    theirs = SepformerWrapper(
        encoder_out_nchannels=8,
        masknet_chunksize=10,
        intra_numlayers=1,
        inter_numlayers=1,
        intra_nhead=2,
        inter_nhead=2,
        intra_dffn=8,
        inter_dffn=8,
    ).eval()
    model, mix = build_small("sepformer"), torch.randn(2, 400)
    state = theirs.state_dict()
    state["encoder.weight"] = state.pop("encoder.conv1d.weight")
    model.load_state_dict(state)
    torch.testing.assert_close(model(mix), theirs(mix))


@pytest.mark.parametrize("name", TOOLKIT_MODELS)
@pytest.mark.parametrize("frames", [4, 30, 49])
def test_the_mask_network_computes_what_the_toolkit_computes(name, frames):
    network = build_small(name).masknet
    theirs = next(
        kind
        for kind in type(network).__mro__
        if kind.__module__.startswith("speechbrain.")
    )
    features = torch.randn(1, 8, frames)
    expected = theirs.forward(network, features)
    torch.testing.assert_close(network(features), expected)


def test_an_item_of_resepformer_does_not_hear_its_neighbour():
    network, features = (
        build_small("resepformer").masknet,
        torch.randn(2, 8, 49),
    )
    alone = [network(item) for item in features.split(1)]
    torch.testing.assert_close(network(features), torch.cat(alone, 1))


@pytest.mark.parametrize("name", TOOLKIT_MODELS)
def test_around_the_mask_network_all_is_as_in_the_toolkits_recipes(name):
    model, mix = build_small(name), torch.randn(1, 400)
    encoder = Encoder(kernel_size=16, out_channels=8)
    decoder = Decoder(8, 1, kernel_size=16, stride=8, bias=False)
    encoder.conv1d.weight = model.encoder.weight
    decoder.weight = model.decoder.weight
    features = encoder(mix)
    masks = model.masknet(features)
    waves = [decoder(features * mask) for mask in masks]
    torch.testing.assert_close(model(mix), torch.stack(waves, -1))


def test_items_of_one_length_are_computed_together():
    model, calls = build_small("skim"), []
    model.masknet.register_forward_hook(lambda *_: calls.append(None))
    model(torch.randn(3, 400), torch.full((3,), 0.5))
    assert len(calls) == 1
    model(torch.randn(3, 400), torch.tensor([1.0, 0.5, 1.0]))
    assert len(calls) == 1 + 3


def test_sepformer_says_that_a_recording_is_too_long():
    model = build_small("sepformer", chunk_size=2, kernel_size=2)
    limit = 2498  # so many frames make 2500 chunks
    with torch.no_grad():
        assert model(torch.randn(1, limit + 1)).shape == (1, limit + 1, 2)
    with pytest.raises(ValueError, match="2502 chunks.*2500: separate it in"):
        model(torch.randn(1, limit + 3))


@pytest.mark.parametrize(
    "name, wrong, message",
    [
        ("sepformer", {"chunk_size": 25}, "chunk_size is 25; give an even"),
        ("sepformer", {"chunk_size": 2502}, "from 2 to 2500"),
        ("skim", {"kernel_size": 15}, "kernel_size is 15; give an even"),
    ],
)
def test_impossible_sizes_are_errors_that_say_why(name, wrong, message):
    with pytest.raises(ValueError, match=message):
        build_small(name, **wrong)


def test_skim_is_causal_if_asked():
    model = build_small("skim", causal=True).eval()
    mix = torch.randn(1, 400)
    other = mix.clone()
    other[:, 200:] = torch.randn(1, 200)
    with torch.no_grad():
        change = (model(other) - model(mix)).abs().amax((0, 2))
    latency = model.encoder.kernel_size[0]
    assert not change[: 200 - latency].any() and change[200:].any()
    both = build_small("skim").eval()
    with torch.no_grad():
        assert (both(other) - both(mix))[:, : 200 - latency].any()
