"""Unmodified parts of SpeechBrain get what the model itself computes."""

import re

import pytest
import torch
from speechbrain.inference.separation import SepformerSeparation

from speechbrain_spmamba.models import MODELS, build_model
from speechbrain_spmamba.models.toolkit import (
    RatioMasks,
    SpectrumDecoder,
    SpectrumEncoder,
    as_encoder_masknet_decoder,
)
from tests import ROOT
from tests.small_models import SMALL
from tests.toolkit_runs import (
    RECIPES,
    make_brain,
    read_recipe,
    recipe_forward,
)

# What recipes/<recipe>/separation/train.py of the toolkit looks up.
RECIPE_KEYS = """
    data_folder skip_prep num_spks sample_rate output_folder save_folder
    dynamic_mixing base_folder_dm train_data valid_data test_data
    limit_training_signal_len training_signal_len dataloader_opts modules
    optimizer checkpointer epoch_counter pretrained_separator use_speedperturb
    use_rand_shift min_shift max_shift use_wavedrop drop_chunk drop_freq
    speed_perturb Encoder MaskNet Decoder loss threshold_byloss threshold
    loss_upper_lim clip_grad_norm save_audio lr_scheduler train_logger
""".split()
FURTHER_KEYS = {"LibriMix": ["use_wham_noise"]}
# The tables that its prepare_data.py writes, for two talkers and for three.
TABLES = {
    "LibriMix": ("libri2mix_train-360", "libri3mix_train-360"),
    "WSJ0Mix": ("wsj_tr", "wsj_tr"),
    "WHAMandWHAMR": ("whamorg_tr",),
}
INFERENCE_YAML = """
sample_rate: 8000
num_spks: 2
separator: !new:speechbrain_spmamba.models.conv_tasnet.ConvTasNet
    n_filters: 8
    hidden: 8
    n_layers: 1
modules:
    encoder: !new:speechbrain_spmamba.models.toolkit.SpectrumEncoder
    masknet: !new:speechbrain_spmamba.models.toolkit.RatioMasks
        model: !ref <separator>
    decoder: !new:speechbrain_spmamba.models.toolkit.SpectrumDecoder
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        separator: !ref <separator>
"""


def _stock(model):
    names = "encoder", "masknet", "decoder"
    return SepformerSeparation(
        modules=dict(
            zip(names, as_encoder_masknet_decoder(model), strict=True)
        ),
        hparams={"num_spks": model.num_spks},
    )


@pytest.mark.parametrize("samples", [1, 127, 1000, 1024])
@pytest.mark.parametrize("name", MODELS)
def test_the_stock_class_returns_what_the_model_returns(name, samples):
    torch.manual_seed(0)
    model = build_model(name, **SMALL[name]).eval()
    mix = 0.1 * torch.randn(2, samples)
    with torch.no_grad():
        wanted = model(mix)
        found = _stock(model).separate_batch(mix)
    # Of the mixture's level: the offset is rounded at that level.
    scale = max(wanted.abs().max(), mix.abs().max())
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() < 2e-5 * scale


def test_digital_silence_stays_silent():
    model = build_model("spmamba", **SMALL["spmamba"]).eval()
    mix = torch.zeros(1, 1000)
    with torch.no_grad():
        est = _stock(model).separate_batch(mix)
    assert torch.equal(est, torch.zeros(1, 1000, 2))


def test_a_bin_is_never_zero():
    spectrum = SpectrumEncoder()(torch.zeros(1, 300))
    assert spectrum.abs().min() > 0


def test_every_gradient_is_that_of_the_model():
    torch.manual_seed(0)
    model = build_model("spmamba", **SMALL["spmamba"]).double()
    mix = torch.randn(1, 777, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(1, 777, 2, dtype=torch.float64)
    (model(mix) * weight).sum().backward()
    wanted = [mix.grad, *(p.grad for p in model.parameters())]
    mix.grad = None
    model.zero_grad(set_to_none=True)
    parts = [part.double() for part in as_encoder_masknet_decoder(model)]
    (recipe_forward(mix, *parts) * weight).sum().backward()
    found = [mix.grad, *(p.grad for p in model.parameters())]
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-8)


def test_the_window_between_has_no_influence():
    model = build_model("spmamba", **SMALL["spmamba"]).eval()
    mix = torch.randn(1, 500)
    with torch.no_grad():
        found = [
            recipe_forward(mix, *as_encoder_masknet_decoder(model, *sizes))
            for sizes in ((512, 128), (64, 32))
        ]
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


def test_a_hop_that_loses_samples_is_refused():
    with pytest.raises(ValueError, match="hop_length is 300"):
        SpectrumEncoder(512, 300)


def test_the_stock_class_loads_a_folder(tmp_path):
    model = build_model("conv_tasnet", n_filters=8, hidden=8, n_layers=1)
    torch.save(model.state_dict(), tmp_path / "separator.ckpt")
    (tmp_path / "hyperparams.yaml").write_text(INFERENCE_YAML)
    stock = SepformerSeparation.from_hparams(
        str(tmp_path), savedir=str(tmp_path), run_opts={"device": "cpu"}
    )
    mix = torch.randn(1, 900)
    with torch.no_grad():
        wanted = model.eval()(mix)
    found = stock.separate_batch(mix)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_experiment_trains_in_a_recipe_of_the_toolkit(recipe, tmp_path):
    _, hparams = read_recipe(recipe, tmp_path, N_epochs=1)
    model = hparams["separator"]
    before = [p.detach().clone() for p in model.parameters()]
    # With this key the recipe keeps the weights that a model begins with.
    brain = make_brain(hparams)
    after = list(model.parameters())
    assert all(map(torch.equal, before, after))
    src = torch.randn(1, 1500, 2)
    batches = torch.utils.data.DataLoader([(src.sum(-1), src)], batch_size=None)
    brain.fit(hparams["epoch_counter"], batches)
    assert all(
        not torch.equal(old, new) and torch.isfinite(new).all()
        for old, new in zip(before, after, strict=True)
    )
    brain.checkpointer.save_checkpoint()
    model.load_state_dict({k: 0 * v for k, v in model.state_dict().items()})
    brain.checkpointer.recover_if_possible()
    assert any(p.abs().max() > 0 for p in model.parameters())


def test_the_parts_have_the_types_that_the_docs_name():
    model = build_model("conv_tasnet", **SMALL["conv_tasnet"])
    types = [type(part) for part in as_encoder_masknet_decoder(model)]
    assert types == [SpectrumEncoder, RatioMasks, SpectrumDecoder]


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_experiment_has_all_that_the_recipe_reads(recipe, tmp_path):
    _, hparams = read_recipe(recipe, tmp_path)
    keys = {*RECIPE_KEYS, *FURTHER_KEYS.get(recipe, [])}
    assert keys - set(hparams) == set()
    wave, lengths = torch.randn(1, 8000), torch.ones(1)
    assert hparams["speed_perturb"](wave).dim() == 2
    assert hparams["drop_freq"](wave).shape == wave.shape
    assert hparams["drop_chunk"](wave, lengths).shape == wave.shape


@pytest.mark.parametrize("recipe", RECIPES)
def test_tables_and_model_follow_the_number_of_talkers(recipe, tmp_path):
    for num_spks, table in enumerate(TABLES[recipe], 2):
        _, hparams = read_recipe(recipe, tmp_path, num_spks=num_spks)
        assert hparams["train_data"] == f"{tmp_path}/run/save/{table}.csv"
        assert hparams["separator"].num_spks == num_spks


def test_the_tables_of_whamr_follow_its_name(tmp_path):
    _, hparams = read_recipe("WHAMandWHAMR", tmp_path, corpus="whamr")
    assert hparams["test_data"].endswith("/whamr_tt.csv")


def _page():
    return (ROOT / "docs/toolkit.md").read_text(encoding="utf-8")


def test_the_page_names_every_experiment_and_keys_that_exist(tmp_path):
    text = _page().partition("What to know")[0]
    for path, data in RECIPES.values():
        assert f"PATH/{path.relative_to(ROOT)}` | `DIR/{data}`" in text
    keys = set(re.findall(r"--(\w+)", text))
    assert {"pretrained_path", "corpus", "num_spks"} <= keys
    known = set()
    for recipe in RECIPES:
        known |= set(read_recipe(recipe, tmp_path)[1])
    assert keys <= known


def test_another_model_takes_the_place_as_the_page_says(tmp_path):
    (block,) = re.findall(r"```yaml\n(.*?)```", _page(), re.DOTALL)
    text = RECIPES["LibriMix"][0].read_text(encoding="utf-8")
    start, end = text.index("separator: !new"), text.index("modules:")
    text = text[:start] + block + text[end:]
    kept, hparams = read_recipe(
        "LibriMix", tmp_path, text=text, separator=SMALL["tdanet"]
    )
    assert "models.tdanet.TDANet" in kept
    mix = torch.randn(1, 900)
    parts = (hparams[key] for key in ("Encoder", "MaskNet", "Decoder"))
    assert recipe_forward(mix, *parts).shape == (1, 900, 2)
