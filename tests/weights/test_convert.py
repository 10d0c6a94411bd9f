"""Published weights load as a whole or not at all."""

import inspect

import pytest
import torch
from safetensors.torch import load_file

from speechbrain_spmamba import cli
from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.models import MODELS
from speechbrain_spmamba.weights.convert import (
    convert_checkpoint,
    convert_state_dict,
)
from speechbrain_spmamba.weights.published.network import find_layout
from tests import published_files
from tests.published_files import CASES, UNTOLD, load_case

# Form -> whether it tells what the shapes of weights do not.
FORMS = {
    "plain": False,
    "look2hear": False,
    "with_arguments": True,
    "lightning": True,
    "distributed": False,
    "espnet": False,
    "safetensors": False,
}


@pytest.fixture
def published():
    return dict(load_case("spmamba_odd")[1])


def _load(folder):
    return WaveformSeparation.from_hparams(folder, run_opts={"device": "cpu"})


def _file(tmp_path, form, name):
    suffix = "safetensors" if form == "safetensors" else "pth"
    path = tmp_path / f"{name}.{suffix}"
    getattr(published_files, form)(path, name)
    return path


def test_every_weight_arrives_once(published):
    converted = convert_state_dict("spmamba", published)
    assert sum(w.numel() for w in converted.values()) == sum(
        w.numel() for w in published.values()
    )
    total = sum(w.double().sum() for w in published.values())
    torch.testing.assert_close(
        sum(w.double().sum() for w in converted.values()), total
    )


@pytest.mark.parametrize(
    "key",
    [
        "conv.1.bias",
        "blocks.0.intra_linear.weight",
        "blocks.1.inter_mamba.backward_blocks.0.mixer.A_log",
        "blocks.0.attn_conv_V_1.2.gamma",
        "blocks.1.attn_concat_proj.1.weight",
        "deconv.bias",
    ],
)
def test_a_missing_key_is_named(published, key):
    del published[key]
    with pytest.raises(ValueError, match=f"lacks '{key}'"):
        convert_state_dict("spmamba", published)


@pytest.mark.parametrize("key", ["extra", "blocks.0.attn_conv_V_2.0.weight"])
def test_an_unknown_key_is_named(published, key):
    published[key] = torch.zeros(1)
    with pytest.raises(ValueError, match=f"1 unknown keys, e.g. '{key}'"):
        convert_state_dict("spmamba", published)


def test_other_models_are_refused():
    with pytest.raises(ValueError, match="known: spmamba"):
        convert_state_dict("resnet", {})


def _convert(capsys, system, path, folder, options):
    """Runs the command; gives what it prints."""
    words = [word for k, v in options.items() for word in (f"--{k}", str(v))]
    with pytest.raises(SystemExit) as stop:
        cli.main(["convert", system, str(path), str(folder), *words])
    assert not stop.value.code
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("name", CASES)
def test_a_converted_file_computes_what_the_published_network_computes(
    tmp_path, capsys, name
):
    _, _, x, y = load_case(f"{name}_odd")
    path = _file(tmp_path, "plain", name)
    lines = _convert(capsys, CASES[name], path, tmp_path / "out", UNTOLD[name])
    assert lines[0] == f"system: {CASES[name]}"
    assert lines[-1] == str(tmp_path / "out")
    model = _load(tmp_path / "out")
    est = model.separate_batch(x)
    assert (est - y).abs().max() / y.abs().max() < 1e-5
    assert model.hparams.num_spks == y.shape[2]


# One of each kind of network; a form knows nothing of what it holds.
IN_ALL_FORMS = ("spmamba", "conv_tasnet", "tdanet")
FORMS_OF = [
    pytest.param(name, marks=() if name in IN_ALL_FORMS else pytest.mark.slow)
    for name in CASES
]


@pytest.mark.parametrize("name", FORMS_OF)
def test_all_forms_of_a_file_give_the_same_model(tmp_path, capsys, name):
    # What the others have of their own is their settings.
    settings = ("plain", "with_arguments", "lightning")
    forms, found = FORMS if name in IN_ALL_FORMS else settings, {}
    for form in forms:
        path, folder = _file(tmp_path, form, name), tmp_path / form
        # Some files tell the system, of others the user has to.
        system = CASES[name] if form in ("plain", "espnet") else "look2hear"
        options = {} if FORMS[form] else UNTOLD[name]
        _convert(capsys, system, path, folder, options)
        text = (folder / "hyperparams.yaml").read_text()
        found[form] = (
            sorted(text.splitlines()),
            (folder / "separator.safetensors").read_bytes(),
        )
    assert all(found[form] == found["plain"] for form in forms), found.keys()


@pytest.mark.parametrize("name", CASES)
def test_shapes_tell_the_arguments(tmp_path, name):
    config, weights, _, _ = load_case(f"{name}_odd")
    system = CASES[name]
    path = _file(tmp_path, "plain", name)
    convert_checkpoint(system, path, tmp_path / "out", **UNTOLD[name])
    text = (tmp_path / "out" / "hyperparams.yaml").read_text()
    names = find_layout(system, weights).NAMES
    known = inspect.signature(MODELS[system]).parameters
    ours = {names.get(key, key): value for key, value in config.items()}
    ours = {key: value for key, value in ours.items() if key in known}
    assert len(ours) >= 6
    for key, value in ours.items():
        assert f"    {key}: {value}\n".lower() in text.lower(), key


def test_what_is_assumed_is_said(tmp_path):
    path = _file(tmp_path, "look2hear", "afrcnn")
    _, notes = convert_checkpoint("look2hear", path, tmp_path / "out")
    assert any("num_blocks = 16, sample_rate = 16000" in x for x in notes)
    _, notes = convert_checkpoint(
        "look2hear", path, tmp_path / "b", num_blocks=3, sample_rate=8000
    )
    assert notes == ["system: afrcnn"]
    assert _load(tmp_path / "b").hparams.sample_rate == 8000


def test_the_settings_that_came_with_the_weights_are_taken(tmp_path):
    path = _file(tmp_path, "look2hear", "spmamba")
    config = tmp_path / "conf.yml"
    config.write_text(
        "audionet:\n  audionet_config:\n    stride: 16\n    emb_hs: 2\n"
        "    n_srcs: 7\noptimizer:\n  eps: 0.5\n"
        "datamodule:\n  data_config:\n    sample_rate: 8000\n"
    )
    _, notes = convert_checkpoint(
        "spmamba", path, tmp_path / "out", config=config
    )
    separator = _load(tmp_path / "out").mods.separator
    assert separator.stft.hop_length == 16 and separator.sample_rate == 8000
    assert separator.blocks[0].intra.emb_hs == 2
    assert notes[1:] == [
        "num_spks = 3, as the weights have it, not 7, as the settings say"
    ]


@pytest.mark.parametrize(
    "system, options, message",
    [
        ("tdanet", {}, "weights of dprnn; expected tdanet"),
        ("dprnn", {"hidden": 3}, "--hidden is 3.*hidden = 20"),
        ("dprnn", {"hop": 3}, "dprnn has no argument --hop"),
        ("dprnn", {"sample_rate": "8k"}, "--sample_rate is '8k', expected a"),
        ("sepformer", {}, "no published weights are known for 'sepformer'"),
        ("dprnn", {"prefix": "ema."}, "no network that is known"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(
    tmp_path, system, options, message
):
    path = _file(tmp_path, "plain", "dprnn")
    with pytest.raises(ValueError, match=message) as error:
        convert_checkpoint(system, path, tmp_path / "out", **options)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("change", ["shape", "lacks", "nan", "layers"])
@pytest.mark.parametrize("name", ["conv_tasnet", "tf_gridnet"])
def test_weights_of_another_network_are_refused(tmp_path, name, change):
    weights = dict(load_case(f"{name}_odd")[1])
    key = next(iter(weights))
    if change == "shape":
        weights[key] = weights[key][:1]
    elif change == "lacks":
        del weights[key]
    elif change == "nan":
        weights[key] = weights[key] + float("nan")
    else:
        weights = {k: w for k, w in weights.items() if ".0." in k}
    path = tmp_path / "net.pth"
    torch.save(weights, path)
    with pytest.raises(ValueError, match="net.pth") as error:
        convert_checkpoint(name, path, tmp_path / "out", **UNTOLD[name])
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_one_of_several_networks_is_chosen(tmp_path):
    weights = load_case("dprnn_odd")[1]
    both = {f"net.{k}": w for k, w in weights.items()}
    both |= {f"ema.{k}": w + 1 for k, w in weights.items()}
    torch.save(both, tmp_path / "net.pth")
    arguments = ("dprnn", tmp_path / "net.pth", tmp_path / "out")
    with pytest.raises(ValueError, match="'ema.' and 'net.'.*--prefix"):
        convert_checkpoint(*arguments)
    _, notes = convert_checkpoint(*arguments, prefix="ema.")
    found = load_file(tmp_path / "out" / "separator.safetensors")
    torch.testing.assert_close(
        found["encoder.weight"], weights["encoder.conv1d.weight"] + 1
    )
    assert f"left out: {len(weights)} other tensors" in notes


def test_the_version_of_tf_gridnet_survives_safetensors(tmp_path):
    path = _file(tmp_path, "plain", "tf_gridnet")
    convert_checkpoint("tf_gridnet", path, tmp_path / "out", emb_hs=2)
    state = load_file(tmp_path / "out" / "separator.safetensors")
    separator = MODELS["tf_gridnet"](
        **{**SMALL_GRID, "num_spks": 3, "lstm_hidden": 12}
    )
    assert separator.version == 1
    separator.load_state_dict(state)
    assert separator.version == 2


SMALL_GRID = {
    "n_fft": 128,
    "hop_length": 32,
    "num_blocks": 2,
    "emb_dim": 8,
    "emb_ks": 4,
    "emb_hs": 2,
    "num_heads": 2,
    "attn_qk_dim": 128,
}


KEY = "separation.conv1d.weight"
ODD = {
    "sparse": ({KEY: lambda w: w.to_sparse()}, f"'{KEY}', no plain tensor"),
    "meta": ({KEY: lambda w: w.to("meta")}, "no plain tensor"),
    "nested": (
        {KEY: lambda w: torch.nested.nested_tensor([w[0], w[1]])},
        "no plain tensor",
    ),
    "bool": ({KEY: lambda w: w > 0}, "torch.bool, expected torch.float32"),
    "small floats": ({KEY: lambda w: w.to(torch.float8_e5m2)}, "float8_e5m2"),
    "repeated": (
        {KEY: lambda w: torch.zeros(()).expand(10**5, 10**5, 1)},
        "claims to hold",
    ),
    "number": ({5: lambda _: torch.zeros(1)}, "which is no text"),
    "bytes": ({b"a": lambda _: torch.zeros(1)}, "which is no text"),
    "lines": ({"a\nb": lambda _: torch.zeros(1)}, r"keys, e.g. 'a\\nb'"),
    "long": ({"x" * 10**5: lambda _: torch.zeros(1)}, "1 unknown keys"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_weight_is_one_short_line(tmp_path, kind):
    changes, message = ODD[kind]
    weights = dict(load_case("dprnn_odd")[1])
    for key, change in changes.items():
        weights[key] = change(weights.get(key))
    torch.save(weights, tmp_path / "net.pth")
    with pytest.raises(ValueError, match=message) as error:
        convert_checkpoint("dprnn", tmp_path / "net.pth", tmp_path / "out")
    assert len(str(error.value)) < 1000 and str(error.value).isprintable()
    assert not (tmp_path / "out").exists()


RATES = [0, -8000, 8000.5, float("nan"), 10**400, 1e300]


@pytest.mark.parametrize("rate", RATES)
def test_a_rate_that_no_model_has_is_refused_wherever_it_stands(tmp_path, rate):
    path = tmp_path / "net.pth"
    state = load_case("dprnn_odd")[1]
    torch.save({"state_dict": state, "model_args": {"sample_rate": rate}}, path)
    with pytest.raises(ValueError, match="its sample_rate .* set --sample_"):
        convert_checkpoint("dprnn", path, tmp_path / "out")
    with pytest.raises(ValueError, match="--sample_rate is .* whole number"):
        convert_checkpoint("dprnn", path, tmp_path / "out", sample_rate=rate)
    options = {**UNTOLD["dprnn"], "sample_rate": 8000}
    convert_checkpoint("dprnn", path, tmp_path / "out", **options)


def test_settings_that_hold_themselves_are_refused(tmp_path):
    path, settings = tmp_path / "net.pth", {}
    settings["model"] = settings
    state = load_case("dprnn_odd")[1]
    torch.save({"state_dict": state, "model_args": settings}, path)
    with pytest.raises(ValueError, match="net.pth: its settings .* end"):
        convert_checkpoint("dprnn", path, tmp_path / "out")
