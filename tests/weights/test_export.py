"""A run becomes a folder that loads, and a card that says what is known."""

import json
import os
import re
import stat

import pytest
import torch
from huggingface_hub import ModelCard
from hyperpyyaml import resolve_references
from safetensors import safe_open
from safetensors.torch import load_file

from speechbrain_spmamba import cli
from speechbrain_spmamba.files.checksums import (
    SUMS_FILE,
    check_sums,
    write_sums,
)
from speechbrain_spmamba.inference import WaveformSeparation
from speechbrain_spmamba.manifest import write_manifest
from speechbrain_spmamba.training.checkpoint import (
    AtomicCheckpointer,
    identity,
    moving_average,
)
from speechbrain_spmamba.weights.export import export, write_model
from speechbrain_spmamba.weights.folder_yaml import model_yaml
from speechbrain_spmamba.weights.model_card import known_license
from tests import ROOT
from tests.small_models import SMALL


@pytest.fixture
def run(tmp_path, small_model):
    """What train.py leaves behind, without the hours that it takes."""
    folder = tmp_path / "run"
    folder.mkdir()
    text = (ROOT / "hparams/tiny.yaml").read_text(encoding="utf-8")
    sizes = {
        key: value
        for key, value in SMALL["spmamba"].items()
        if key != "sample_rate"
    }
    overrides = {"mixture_folder": str(tmp_path), "separator": sizes}
    kept = resolve_references(text, overrides).getvalue()
    (folder / "hyperparams.yaml").write_text(kept, encoding="utf-8")
    columns = ("mix_wav", "s1_wav", "s2_wav")
    rows = [
        {"ID": f"{i}", "duration": 900, **dict.fromkeys(columns, "/d/x.wav")}
        for i in range(6)
    ]
    write_manifest(tmp_path / "train.csv", rows, "/d")
    checkpointer = AtomicCheckpointer(
        folder / "save", {"separator": small_model()}
    )
    for epoch, loss in ((1, 2.0), (2, 1.0), (3, 3.0)):
        checkpointer.recoverables["separator"] = small_model()
        checkpointer.save_checkpoint(
            {"epoch": epoch, "loss": loss, "minutes": 4.2 * epoch},
            name=str(epoch),
        )
    (folder / "test").mkdir()
    figure = {"mean": 9.876, "median": 9.5, "interval": [9.1, 10.4]}
    best = checkpointer.find_checkpoint(min_key="loss")
    summary = {"mixtures": 20, "hours": 0.5, "si_snri": figure}
    summary["checkpoint"] = identity(best)
    summary["sdri"] = {"mean": None, "median": None, "interval": None}
    (folder / "test" / "summary.json").write_text(json.dumps(summary))
    return folder


def _card(folder):
    return ModelCard((folder / "README.md").read_text(encoding="utf-8"))


def test_the_best_weights_load_from_both_files(run, tmp_path):
    folder = export(run, tmp_path / "model")
    best = torch.load(run / "save/CKPT+2/separator.ckpt", weights_only=True)
    model = WaveformSeparation.from_hparams(folder, run_opts={"device": "cpu"})
    other = load_file(folder / "separator.safetensors")
    assert set(other) == set(best)
    for key, weight in model.mods.separator.state_dict().items():
        assert torch.equal(weight, best[key]) and torch.equal(
            other[key], best[key]
        )


def test_of_an_averaged_run_the_average_is_exported(run, tmp_path, small_model):
    model = small_model()
    average = moving_average(model, 0.9)
    average.update_parameters(model)
    model.load_state_dict(small_model().state_dict())
    AtomicCheckpointer(
        run / "save", {"separator": model, "average": average}
    ).save_checkpoint({"epoch": 4, "loss": 0.5}, name="4")
    found = load_file(export(run, tmp_path / "a") / "separator.safetensors")
    for key, weight in average.module.state_dict().items():
        assert torch.equal(found[key], weight)
    assert any(
        not torch.equal(found[key], weight)
        for key, weight in model.state_dict().items()
    )


def test_the_best_is_that_of_the_wanted_figure(run, tmp_path):
    folder = export(run, tmp_path / "model", key="minutes")
    assert folder == tmp_path / "model"
    found = load_file(folder / "separator.safetensors")
    wanted = torch.load(run / "save/CKPT+1/separator.ckpt", weights_only=True)
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)
    with pytest.raises(ValueError, match="has no checkpoint with a 'wer'"):
        export(run, tmp_path / "other", key="wer")


def test_a_model_folder_says_who_made_it_and_has_sums_of_what_it_loads(
    run, tmp_path
):
    folder = export(run, tmp_path / "model")
    summed = ["custom_interface.py", "hyperparams.yaml"]
    summed += ["separator.ckpt", "separator.safetensors"]
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(["README.md", SUMS_FILE, *summed])
    lines = (folder / SUMS_FILE).read_text().splitlines()
    assert sorted(line.split()[1] for line in lines) == summed
    check_sums(folder)
    text = (folder / "hyperparams.yaml").read_text()
    assert text.startswith("# Made by `spmamba export`; load it with\n")
    with safe_open(folder / "separator.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}


@pytest.mark.parametrize("key", ["sample_rate", "num_spks", "separator"])
def test_a_run_without_a_key_of_its_model_is_named(run, tmp_path, key):
    path = run / "hyperparams.yaml"
    path.write_text(re.sub(f"(?m)^{key}:", f"its_{key}:", path.read_text()))
    with pytest.raises(ValueError, match=f"has no key '{key}'; was it"):
        export(run, tmp_path / "model", trust=True)


@pytest.mark.parametrize("trust", [False, True])
def test_windows_that_the_experiment_asks_for_are_those_of_its_model(
    run, tmp_path, trust
):
    path = run / "hyperparams.yaml"
    path.write_text(path.read_text() + "\nwindow: 3\noverlap: 1\n")
    folder = export(run, tmp_path / "model", trust=trust)
    model = WaveformSeparation.from_hparams(folder)
    given = []
    model.separate_batch = lambda mix: (
        given.append(mix.shape[1]) or torch.stack([mix, mix], -1)
    )
    model.separate_array(torch.randn(5 * 8000), 8000)
    assert given == [3 * 8000, 3 * 8000]


def test_a_model_is_described_by_its_own_arguments(tmp_path, small_model):
    model = small_model()
    text = model_yaml(model, {**SMALL["spmamba"], "optimizer": "Adam"})
    assert "Made by `spmamba convert`" in text and "optimizer" not in text
    write_model(tmp_path, model, text)
    other = WaveformSeparation.from_hparams(
        tmp_path, run_opts={"device": "cpu"}
    )
    assert (other.hparams.sample_rate, other.hparams.num_spks) == (8000, 2)
    for key, weight in other.mods.separator.state_dict().items():
        assert torch.equal(weight, model.state_dict()[key])


@pytest.mark.skipif(os.name != "posix", reason="needs permissions")
def test_others_may_read_all_files(run, tmp_path):
    folder = export(run, tmp_path / "model")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    umask = os.umask(0)
    os.umask(umask)
    assert modes == {0o666 & ~umask}


def test_the_card_is_one_that_the_hub_reads(run, tmp_path):
    data = _card(export(run, tmp_path / "a", license="cc-by-4.0")).data
    assert data.library_name == "speechbrain"
    assert data.pipeline_tag == "audio-to-audio"
    assert data.license == "cc-by-4.0"
    (result,) = data.eval_results
    assert (result.metric_type, result.metric_value) == ("si_snri", 9.88)
    assert result.dataset_type == "synthetic"


def test_the_card_tells_what_the_run_knows(run, tmp_path):
    text = _card(export(run, tmp_path / "model")).text
    expected = [
        "9.88 | 9.10 to 10.40",
        "On 20 mixtures, 0.5 h",
        "train: 6 mixtures of 2 sources, 1.5 h, without noise files",
        "test: size unknown",
        "epochs: 2",
        "minutes: 8.4",
        "precision: fp32",
        "batch size of a process: 2",
        "optimizer: torch.optim.Adam",
        "number of processes: unknown",
        "Separates 2 sources from one mixture at 8000 Hz",
        "Never saw more or fewer than 2 sources",
        "nor frequencies above 4000 Hz",
        "Never saw more than 1 s at once",
        "Not stated",
    ]
    assert [phrase for phrase in expected if phrase not in text] == []
    assert "does not hear levels" not in text


def test_the_card_tells_how_many_talked(run, tmp_path):
    rows = [
        {"ID": f"{n}", "duration": 9, "mix_wav": "/d/x.wav"}
        | {f"s{i}_wav": "/d/x.wav" * (i < n) for i in range(1, 3)}
        for n in range(1, 3)
    ]
    write_manifest(tmp_path / "train.csv", rows, "/d")
    text = _card(export(run, tmp_path / "a")).text
    assert "train: 2 mixtures of 0 to 1 sources" in text
    assert "Never saw more than 2 sources" in text
    file = run / "hyperparams.yaml"
    text = file.read_text(encoding="utf-8")
    mixing = r"\1 {num_spks: {1: 1, 2: 3}}"
    changed = re.sub(r"(?m)^(dynamic_mixing: &\w+).*", mixing, text)
    file.write_text(changed, encoding="utf-8")
    text = _card(export(run, tmp_path / "b")).text
    assert "Never saw fewer than 1 or more than 2 sources" in text


def test_the_card_tells_what_the_training_began_with(run, tmp_path):
    before = _card(export(run, tmp_path / "a")).text
    file = run / "hyperparams.yaml"
    text = file.read_text(encoding="utf-8")
    changed = re.sub("(?m)^start_from:.*", "start_from: models/first", text)
    file.write_text(changed, encoding="utf-8")
    assert "began with" not in before
    after = _card(export(run, tmp_path / "b")).text
    assert "* began with the weights of: first\n" in after


def test_the_card_counts_the_parameters(run, tmp_path, small_model):
    count = sum(p.numel() for p in small_model().parameters())
    assert f"{count:,} parameters" in _card(export(run, tmp_path / "a")).text


def test_the_card_says_what_its_scores_leave_out(run, tmp_path):
    path = run / "test" / "summary.json"
    summary = json.loads(path.read_text())
    silence = {"mean": 31.25, "median": 30.0, "interval": [29.0, 33.0]}
    path.write_text(json.dumps({**summary, "undefined": 3, "silence": silence}))
    card = _card(export(run, tmp_path / "model"))
    assert "3 of them have no improvement" in card.text
    assert "below the mixture | 31.25 | 29.00 to 33.00" in card.text
    assert [r.metric_type for r in card.data.eval_results] == ["si_snri"]


@pytest.mark.parametrize("key", ["name", "sha256", None])
def test_scores_of_other_weights_are_not_told(key, run, tmp_path):
    path = run / "test" / "summary.json"
    summary = json.loads(path.read_text())
    if key is None:
        summary["checkpoint"] = None  # so with --debug
    else:
        summary["checkpoint"][key] += "0"
    path.write_text(json.dumps(summary))
    card = _card(export(run, tmp_path / "model"))
    assert card.data.eval_results is None
    assert "Not measured for these weights" in card.text


@pytest.mark.parametrize("sums", [True, False])
@pytest.mark.parametrize("name", ["CKPT.yaml", "separator.ckpt"])
def test_of_a_damaged_best_checkpoint_the_next_best_is_taken(
    name, sums, run, tmp_path, caplog
):
    best = run / "save" / "CKPT+2"
    if not sums:
        (best / "SHA256SUMS").unlink()
    (best / name).write_bytes((best / name).read_bytes()[:40])
    folder = export(run, tmp_path / "model")
    taken = load_file(folder / "separator.safetensors")
    wanted = torch.load(run / "save/CKPT+1/separator.ckpt", weights_only=True)
    assert all(torch.equal(taken[key], wanted[key]) for key in wanted)
    reason = f"{best} is left out: {best / name} "
    assert (reason if sums else f"{best} is left out: ") in caplog.text
    assert "None" not in caplog.text
    assert "Not measured for these weights" in _card(folder).text


@pytest.mark.parametrize("content", [None, "", "{}", "[1]"])
def test_a_run_without_scores_has_a_card_without_scores(run, tmp_path, content):
    path = run / "test" / "summary.json"
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    card = _card(export(run, tmp_path / "model"))
    assert card.data.eval_results is None
    assert "Not measured for these weights" in card.text


def test_the_python_of_the_card_works(run, tmp_path):
    text = _card(export(run, tmp_path / "model")).text
    code = text.partition("```python\n")[2].partition("```")[0]
    source = '"this folder, or user/name"'
    assert source in code
    compile(code, "README.md", "exec")
    assert len([x for x in code.splitlines() if x.strip()]) <= 4


def test_weights_that_do_not_fit_are_refused_before_anything_is_written(
    run, tmp_path
):
    path = run / "hyperparams.yaml"
    path.write_text(path.read_text().replace("emb_dim: 4", "emb_dim: 8"))
    weights = run / "save/CKPT+2/separator.ckpt"
    message = re.escape(f"{weights} does not fit the model of {path}: ")
    with pytest.raises(ValueError, match=message) as error:
        export(run, tmp_path / "model")
    assert "\n" not in str(error.value)
    assert not (tmp_path / "model").exists()


def test_weights_that_are_not_finite_are_not_exported(run, tmp_path):
    path = run / "save/CKPT+2/separator.ckpt"
    state = torch.load(path, weights_only=True)
    state["input_conv.bias"][0] = torch.nan
    torch.save(state, path)
    names = {file.name for file in path.parent.iterdir()} - {SUMS_FILE}
    write_sums(path.parent, names)
    message = re.escape(f"{path} was not exported: 'input_conv.bias' has numb")
    with pytest.raises(ValueError, match=message):
        export(run, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_the_command_takes_a_licence(run, tmp_path, capsys):
    folder = tmp_path / "model"
    with pytest.raises(SystemExit) as stop:
        cli.main(["export", str(run), str(folder), "--license", "mit"])
    assert not stop.value.code
    assert capsys.readouterr().out.strip() == str(folder)
    assert _card(folder).data.license == "mit"


@pytest.mark.parametrize("name", ["mit", "CC-BY-4.0", "other", "Apache-2.0"])
def test_a_licence_is_written_as_the_hub_does(name):
    assert known_license(name) == name.lower()


@pytest.mark.parametrize("name", ["cc-by-4", "my own", "", "mit;"])
def test_a_licence_that_nobody_knows_is_refused_at_once(run, tmp_path, name):
    with pytest.raises(ValueError, match="expected a licence of the SPDX"):
        export(run, tmp_path / "model", license=name)
    assert not (tmp_path / "model").exists()


def test_what_is_in_a_folder_is_replaced_only_on_demand(run, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "README.md").write_text("mine")
    with pytest.raises(ValueError, match="is not empty.*--overwrite"):
        export(run, folder)
    assert (folder / "README.md").read_text() == "mine"
    export(run, folder, overwrite=True)
    assert "SPMamba" in (folder / "README.md").read_text()
