"""Asteroid's files: what their settings say, and what is refused."""

import pytest
import torch

from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.weights.convert import convert_checkpoint
from tests.golden import load_case

NETWORKS = ("conv_tasnet_asteroid", "dprnn_asteroid")


def _convert(folder, weights, **model_args):
    path = folder / "net.pth"
    torch.save({"state_dict": weights, "model_args": model_args}, path)
    return convert_checkpoint("look2hear", path, folder / "out")


def _load(folder):
    return WaveformSeparation.from_hparams(folder, run_opts={"device": "cpu"})


@pytest.mark.parametrize(
    "name, setting, value",
    [
        *((name, "fb_name", "stft") for name in NETWORKS),
        *((name, "norm_type", "cLN") for name in NETWORKS),
        *((name, "mask_act", "softmax") for name in NETWORKS),
        *((name, "mask_act", None) for name in NETWORKS),
        *((name, "encoder_activation", "relu") for name in NETWORKS),
        *((name, "stride", 4) for name in NETWORKS),
        *((name, "in_chan", 512) for name in NETWORKS),
        *((name, "out_chan", 512) for name in NETWORKS),
        ("conv_tasnet_asteroid", "causal", True),
        ("conv_tasnet_asteroid", "n_blocks", 3),
        ("dprnn_asteroid", "hop_size", 50),
        ("dprnn_asteroid", "chunk_size", 100),
        ("dprnn_asteroid", "rnn_type", "GRU"),
        ("dprnn_asteroid", "use_mulcat", True),
    ],
)
def test_settings_of_a_network_that_no_file_has_are_refused(
    tmp_path, name, setting, value
):
    config, weights, _, _ = load_case(f"{name}_odd")
    with pytest.raises(ValueError, match="net.pth: .*known|multiple") as error:
        _convert(tmp_path, weights, **{**config, setting: value})
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_causal_network_is_called_so_though_its_names_differ(tmp_path):
    config, weights, _, _ = load_case("conv_tasnet_asteroid_odd")
    weights = {
        key.replace("shared_block.3.", "shared_block.3.0."): tensor
        for key, tensor in weights.items()
    }
    with pytest.raises(ValueError, match="causal is 'True'"):
        _convert(tmp_path, weights, **{**config, "causal": True})
    with pytest.raises(ValueError, match="lacks 'masker.TCN.0.shared_block.3"):
        _convert(tmp_path, weights, **config)


def test_spellings_of_the_known_network_are_the_same(tmp_path):
    config, weights, x, y = load_case("dprnn_asteroid_odd")
    config.update(
        fb_name="free",
        encoder_activation="linear",
        hop_size=None,
        sample_rate=16000.0,
    )
    del config["use_mulcat"]  # which old files do not have
    folder, notes = _convert(tmp_path, weights, **config)
    assert notes == ["system: dprnn"]
    model = _load(folder)
    assert model.hparams.sample_rate == 16000
    est = model.separate_batch(x)
    assert (est - y).abs().max() / y.abs().max() < 1e-5


def test_what_an_old_file_leaves_out_is_as_asteroid_takes_it(tmp_path):
    config, weights, _, _ = load_case("conv_tasnet_asteroid_odd")
    del config["sample_rate"], config["encoder_activation"]
    folder, notes = _convert(tmp_path, weights, **config)
    assert any("assumed" in x and "sample_rate = 8000 " in x for x in notes)
    assert _load(folder).hparams.sample_rate == 8000


def test_what_a_bare_state_dict_leaves_out_is_assumed_and_said(tmp_path):
    weights = load_case("dprnn_asteroid_odd")[1]
    _, notes = _convert(tmp_path, weights)
    said = "chunk_size = 100, mask_act = sigmoid, sample_rate = 8000"
    assert any(said in note for note in notes)


def test_one_direction_across_chunks_leaves_two_within(tmp_path):
    config, weights, _, _ = load_case("dprnn_asteroid_odd")
    for key in list(weights):
        if "inter_RNN" in key and key.endswith("_reverse"):
            del weights[key]
        elif "inter_linear.weight" in key:
            weights[key] = weights[key][:, : config["hid_size"]]
    folder, _ = _convert(tmp_path, weights, **config)
    block = _load(folder).mods.separator.blocks[0]
    assert block.intra_rnn.lstm.bidirectional
    assert not block.inter_rnn.lstm.bidirectional
