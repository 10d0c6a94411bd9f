"""A run of the toolkit's own recipes becomes a model folder like any other."""

import re
import shutil

import pytest
import torch
from huggingface_hub import ModelCard
from speechbrain.inference.separation import SepformerSeparation

from speechbrain_spmamba import cli
from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.weights.export import export
from tests.toolkit_runs import RECIPES, make_run, recipe_forward

OWN = """\
import torch


class Net(torch.nn.Module):
    def __init__(self, num_spks, sample_rate):
        super().__init__()
        self.num_spks, self.sample_rate = num_spks, sample_rate
        self.gain = torch.nn.Parameter(torch.rand(num_spks))

    def forward(self, mix, lengths=None):
        return mix[..., None] * self.gain
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("made"))[0]


@pytest.fixture
def run(made, tmp_path):
    """A run of one's own, which may be spoilt."""
    run = shutil.copytree(made, tmp_path / "run")
    path = run / "hyperparams.yaml"
    text = path.read_text(encoding="utf-8").replace(str(made), str(run))
    path.write_text(text, encoding="utf-8")
    return run


def _card(folder):
    return ModelCard((folder / "README.md").read_text(encoding="utf-8"))


def _weights(folder):
    model = WaveformSeparation.from_hparams(folder, run_opts={"device": "cpu"})
    return model.mods.separator.state_dict()


def _settings(run, old, new):
    """Changes what a run keeps of its settings."""
    path = run / "hyperparams.yaml"
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize(
    "recipe, num_spks",
    [*((recipe, 2) for recipe in RECIPES), ("LibriMix", 3), ("WSJ0Mix", 3)],
)
def test_what_a_recipe_trained_separates_the_same_when_it_has_left(
    recipe, num_spks, tmp_path
):
    run, hparams = make_run(tmp_path, recipe, num_spks=num_spks)
    folder = export(run, tmp_path / "model")
    model = WaveformSeparation.from_hparams(folder, run_opts={"device": "cpu"})
    mix = 0.1 * torch.randn(1, 900)
    parts = [hparams[key].eval() for key in ("Encoder", "MaskNet", "Decoder")]
    with torch.no_grad():
        wanted = recipe_forward(mix, *parts)
    found = model.separate_batch(mix)
    assert found.shape == (1, 900, num_spks)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    text = _card(folder).text
    noise = "with" if recipe == "WHAMandWHAMR" else "without"
    assert f"5 mixtures of {num_spks} sources, unknown hours, {noise} " in text
    names = {"WSJ0Mix": "wsj", "WHAMandWHAMR": "whamorg"}
    name = names.get(recipe, f"libri{num_spks}mix")
    assert f"Data set: {name}.\n" in text


def test_the_best_is_that_of_the_smallest_figure(tmp_path):
    run, hparams = make_run(tmp_path)
    states, masknet = {}, hparams["MaskNet"]
    for figure in (9.0, -99.0, -50.0):
        with torch.no_grad():
            for weight in masknet.parameters():
                weight.normal_()
        state = masknet.state_dict()
        states[figure] = {
            name: weight.clone() for name, weight in state.items()
        }
        hparams["checkpointer"].save_checkpoint({"si-snr": figure})
    # Those in the middle of an epoch have no figure.
    hparams["checkpointer"].save_checkpoint(end_of_epoch=False)
    found = _weights(export(run, tmp_path / "model"))
    assert found
    for name, weight in found.items():
        assert torch.equal(weight, states[-99.0][f"model.{name}"])


def test_the_card_tells_what_the_run_knows_and_no_more(run, tmp_path):
    card = _card(export(run, tmp_path / "model", license="mit"))
    expected = [
        "# SPMamba (toolkit-spmamba)",
        "Data set: libri2mix.",
        '{"train": "libri2mix_train-360.csv", "valid": "libri2mix_dev.csv"',
        "train: 5 mixtures of 2 sources, unknown hours, without noise files",
        "epochs: 1\n",
        "minutes: unknown",
        "recipe: one of SpeechBrain's own",
        "data folder: Libri2Mix",
        "batch size of a process: 1\n",
        "seconds of a crop: 4.0",
        "loss: speechbrain.nnet.losses.get_si_snr_with_pitwrapper",
        "speed of each talker (%): 95, 100, 105",
        "SI-SNR improvement | 5.25 | 5.25 to 5.25",
        "On 2 mixtures, unknown hours",
        "Never saw more than 4 s at once",
        "Its loss does not hear levels",
    ]
    assert [phrase for phrase in expected if phrase not in card.text] == []
    assert re.search(r"SI-SNR in validation \(dB\): -?\d+\.\d+\n", card.text)
    assert "began with" not in card.text
    assert card.data.license == "mit"
    values = {r.metric_type: r.metric_value for r in card.data.eval_results}
    assert values == {"si_snri": 5.25, "sdri": 6.25, "si_snr": 5.5, "sdr": 6.5}


def test_noise_is_told_if_the_recipe_adds_it(run, tmp_path):
    # The table names noises in both cases.
    _settings(run, "use_wham_noise: false", "use_wham_noise: true")
    text = _card(export(run, tmp_path / "model")).text
    assert "2 sources, unknown hours, with noise files" in text


@pytest.mark.parametrize("how", ["epoch", "cut off", "none", "no log"])
def test_scores_of_other_weights_are_not_told(run, how, tmp_path):
    table, log = run / "test_results.csv", run / "train_log.txt"
    if how == "epoch":
        log.write_text(log.read_text().replace("loaded: 1", "loaded: 2"))
    elif how == "cut off":
        table.write_text(table.read_text().replace("avg", "2"))
    else:
        (table if how == "none" else log).unlink()
    card = _card(export(run, tmp_path / "model"))
    assert card.data.eval_results is None
    assert "Not measured for these weights" in card.text


def test_data_that_are_gone_are_unknown(run, tmp_path):
    (run / "save/libri2mix_train-360.csv").unlink()
    text = _card(export(run, tmp_path / "model")).text
    assert "train: size unknown" in text and "test: 5 mixtures" in text


def test_a_run_may_begin_with_what_another_has_learned(run, tmp_path):
    first = export(run, tmp_path / "first")
    wanted = _weights(first)
    again, hparams = make_run(
        tmp_path / "again", epochs=0, pretrained_path=str(first)
    )
    for name, weight in hparams["separator"].state_dict().items():
        assert torch.equal(weight, wanted[name])
    hparams["checkpointer"].save_checkpoint({"si-snr": 1.0})
    text = _card(export(again, tmp_path / "second")).text
    assert "* began with the weights of: first\n" in text


@pytest.mark.parametrize(
    "key, value",
    [
        ("model", "&id001 !new:speechbrain_spmamba.models.spmamba.SPMamba"),
        ("separator", "*id001"),
    ],
)
def test_the_model_may_stand_anywhere(run, key, value, tmp_path):
    wanted = _weights(export(run, tmp_path / "a"))
    path = run / "hyperparams.yaml"
    text = path.read_text(encoding="utf-8")
    start = text.index("separator: &id001")
    end = text.index("Encoder: &id002")
    if key == "model":  # within the masknet, at no key of its own
        block = text[start:end].removeprefix("separator: ")
        block = block.replace("\n", "\n  ").rstrip()
        text = text[:start] + text[end:]
        text = text.replace("model: *id001", f"model: {block}")
        # What names it comes behind, as aliases have to.
        assert text.index("separator: *id001") > text.index("&id001")
    else:  # the model itself is what checkpoints keep
        assert text.count("    masknet: *id003") == 1
        text = text.replace("    masknet: *id003", "    separator: *id001")
        for saved in run.glob("save/CKPT*/masknet.ckpt"):
            state = torch.load(saved, weights_only=True)
            state = {k.removeprefix("model."): w for k, w in state.items()}
            torch.save(state, saved.with_name("separator.ckpt"))
            saved.unlink()
    path.write_text(text, encoding="utf-8")
    found = _weights(export(run, tmp_path / "b"))
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_a_masknet_of_the_toolkit_is_refused_with_what_to_do(run, tmp_path):
    _settings(
        run,
        "&id003 !new:speechbrain_spmamba.models.toolkit.RatioMasks",
        "&id003 !new:speechbrain.lobes.models.dual_path.Dual_Path_Model",
    )
    with pytest.raises(ValueError, match="Dual_Path_Model") as error:
        export(run, tmp_path / "model")
    text = str(error.value)
    assert "\n" not in text
    assert "SepformerSeparation" in text and "docs/toolkit.md" in text
    assert not (tmp_path / "model").exists()


def test_checkpoints_without_the_model_are_named(run, tmp_path):
    _settings(run, "    masknet: *id003\n    lr", "    lr")
    with pytest.raises(ValueError, match="keeps lr_scheduler, counter in its"):
        export(run, tmp_path / "model")


def test_a_run_before_its_first_validation_is_named(run, tmp_path):
    for path in run.glob("save/CKPT*/CKPT.yaml"):
        path.write_text(path.read_text().replace("si-snr", "wer"))
    message = "no checkpoint with a 'si-snr' .other figures: wer.; has the run"
    with pytest.raises(ValueError, match=message):
        export(run, tmp_path / "model")


def test_the_settings_of_a_run_are_not_run(run, tmp_path):
    mark = tmp_path / "mark"
    _settings(run, "emb_dim: 4", f"emb_dim: !apply:os.mkdir {{path: {mark}}}")
    with pytest.raises(ValueError, match="was not loaded: "):
        export(run, tmp_path / "model")
    assert not mark.exists()


def test_a_network_of_ones_own_is_exported_if_it_is_trusted(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owntoolkitnet.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    path, _ = RECIPES["LibriMix"]
    text = path.read_text(encoding="utf-8")
    start, end = text.index("separator: !new"), text.index("Encoder: !new")
    own = "separator: !new:owntoolkitnet.Net\n    num_spks: 2\n"
    text = text[:start] + own + "    sample_rate: 8000\n" + text[end:]
    run, hparams = make_run(tmp_path, text=text, separator={})
    with pytest.raises(ValueError, match="--trust"):
        export(run, tmp_path / "model")
    folder = export(run, tmp_path / "model", trust=True)
    assert (folder / "owntoolkitnet.py").is_file()
    model = WaveformSeparation.from_hparams(folder, safe=False)
    assert torch.equal(model.mods.separator.gain, hparams["separator"].gain)


def test_the_command_makes_a_folder_for_the_stock_class(run, tmp_path, capsys):
    folder = tmp_path / "model"
    with pytest.raises(SystemExit) as stop:
        cli.main(["export", str(run), str(folder), "--layout", "toolkit"])
    assert not stop.value.code
    assert capsys.readouterr().out.strip() == str(folder)
    stock = SepformerSeparation.from_hparams(str(folder))
    assert stock.separate_batch(torch.randn(1, 300)).shape == (1, 300, 2)
