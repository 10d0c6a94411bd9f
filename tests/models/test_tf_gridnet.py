"""TF-GridNet: weights of both versions, and an LSTM that stops in time."""

import zlib

import numpy as np
import pytest
import torch

from speechbrain_spmamba.models.tf_gridnet import TFGridNet
from speechbrain_spmamba.nnet.recurrent import BLSTM
from speechbrain_spmamba.weights.convert import convert_state_dict
from tests.golden import formula, load_case
from tests.small_models import build_small


def _first_version(model):
    """Names and shapes that the first published version gives its weights."""
    size, bins = model.input_conv.out_channels, model.stft.n_fft // 2 + 1
    attention = model.blocks[0].attention
    shapes = {
        "conv.0.weight": [size, 2, 3, 3],
        "conv.0.bias": [size],
        "conv.1.weight": [size],
        "conv.1.bias": [size],
        "deconv.weight": list(model.output_conv.weight.shape),
        "deconv.bias": list(model.output_conv.bias.shape),
    }
    for index, grid in enumerate(model.blocks):
        block = f"blocks.{index}"
        for path in ("intra", "inter"):
            name, ours = f"{block}.{path}", getattr(grid, path)
            shapes[f"{name}_norm.gamma"] = [1, size, 1, 1]
            shapes[f"{name}_norm.beta"] = [1, size, 1, 1]
            for key, weight in ours.mixer.lstm.named_parameters():
                shapes[f"{name}_rnn.{key}"] = list(weight.shape)
            shapes[f"{name}_linear.weight"] = list(ours.deconv.weight.shape)
            shapes[f"{name}_linear.bias"] = [size]
        heads = {f"{block}.attn_concat_proj": size}
        for role, width in zip("QKV", attention.head_sizes, strict=True):
            for head in range(attention.num_heads):
                heads[f"{block}.attn_conv_{role}_{head}"] = width
        for name, width in heads.items():
            shapes[f"{name}.0.weight"] = [width, size, 1, 1]
            shapes[f"{name}.0.bias"] = [width]
            shapes[f"{name}.1.weight"] = [1]
            shapes[f"{name}.2.gamma"] = [1, width, 1, bins]
            shapes[f"{name}.2.beta"] = [1, width, 1, bins]
    return shapes


def _seeded(key, shape):
    """The weights under which the first version's output was written down."""
    rng = np.random.RandomState(zlib.crc32(key.encode()))
    x = rng.uniform(-1, 1, size=shape)
    if key.endswith("gamma"):
        x = 1 + 0.1 * x
    elif key.endswith("weight") and len(shape) == 1:
        x = (0.25 if shape == [1] else 1) + 0.1 * x
    elif key.endswith("beta") or len(shape) == 1:
        x = 0.1 * x
    else:
        x = x * np.sqrt(3 * shape[0] / x.size)
    return torch.from_numpy(x.astype(np.float32))


@pytest.mark.slow
def test_the_default_computes_what_the_first_version_computes():
    model = TFGridNet()
    shapes = _first_version(model)
    weights = {key: _seeded(key, shape) for key, shape in shapes.items()}
    model.load_state_dict(convert_state_dict("tf_gridnet", weights))
    time = np.arange(8000) / 16000
    mix = 0.5 * np.sin(2 * np.pi * 440 * time)
    mix += 0.3 * np.sin(2 * np.pi * 1130 * time + 0.5)
    mix += 0.1 * np.random.RandomState(7).uniform(-1, 1, 8000)
    with torch.no_grad():
        est = model(torch.from_numpy(mix.astype(np.float32))[None])[0]
    assert model.version == 1
    found = est[[10, 100, 1000, 4000, 7990]].T
    published = torch.tensor(
        [
            [-1.18886e-01, 1.84204e-01, 1.89696e-01, -1.19325e-01, 1.85758e-01],
            [-1.87979e-01, 6.62895e-02, 7.23388e-02, 3.25173e-01, 1.46050e-01],
        ]
    )
    torch.testing.assert_close(found, published, rtol=1e-5, atol=1e-6)
    rms = est.square().mean(0).sqrt()
    published = torch.tensor([1.882893e-01, 1.554611e-01])
    torch.testing.assert_close(rms, published, rtol=1e-5, atol=0)


def test_weights_of_the_first_version_load_and_keep_it():
    model = build_small("tf_gridnet")
    shapes = _first_version(model)
    weights = {key: formula(key, shape) for key, shape in shapes.items()}
    model = build_small("tf_gridnet", version=2)
    model.load_state_dict(convert_state_dict("tf_gridnet", weights))
    assert model.version == 1
    other = build_small("tf_gridnet")
    other.load_state_dict(model.state_dict())
    mix = torch.randn(1, 500)
    torch.testing.assert_close(other(mix), model(mix))
    del weights["blocks.1.inter_rnn.bias_hh_l0_reverse"]
    with pytest.raises(ValueError, match="bias_hh_l0_reverse"):
        convert_state_dict("tf_gridnet", weights)


def test_weights_of_the_second_version_load_and_keep_it():
    weights = load_case("tf_gridnet_odd")[1]
    weights = convert_state_dict("tf_gridnet", weights)
    model = build_small("tf_gridnet")
    model.set_extra_state(weights["_extra_state"])
    assert model.version == 2


def test_the_versions_differ_and_unknown_ones_are_refused():
    first, second = (
        build_small("tf_gridnet"),
        build_small("tf_gridnet", version=2),
    )
    mix = torch.randn(1, 500)
    state = first.state_dict()
    state["_extra_state"] = second.get_extra_state()
    second.load_state_dict(state)
    assert (first(mix) - second(mix)).abs().max() > 1e-4
    with pytest.raises(ValueError, match="1 and 2"):
        build_small("tf_gridnet", version=3)


def test_the_lstm_never_reads_padding():
    mixer = BLSTM(3, hidden=4)
    x = torch.randn(2, 9, 3)
    out = mixer(x, torch.tensor([9, 5]))
    assert mixer(x, torch.tensor([9, 9])).equal(mixer(x))
    torch.testing.assert_close(out[1, :5], mixer(x[1:, :5])[0])
    assert (out[1, 5:] == 0).all()
