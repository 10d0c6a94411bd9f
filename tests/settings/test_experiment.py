"""Every experiment in the repository can be built, and typing errors show."""

import functools
import io
import os
import re
import subprocess
import sys

import pytest
import torch
from hyperpyyaml import load_hyperpyyaml
from ruamel.yaml import YAML
from speechbrain.utils.run_opts import RunOptions

from speechbrain_spmamba.models import build_model
from speechbrain_spmamba.models.systems import SYSTEMS
from speechbrain_spmamba.settings.command_line import read_command_line
from speechbrain_spmamba.settings.experiment import load_settings
from speechbrain_spmamba.settings.reading import debug_folders
from speechbrain_spmamba.settings.requirements import check_keys
from tests import ROOT

SKIPPED = {".venv", ".github", "results", "data", "build"}
EXPERIMENTS = sorted(
    path
    for path in ROOT.rglob("*.yaml")
    if "hparams" in path.parts
    and not SKIPPED & set(path.relative_to(ROOT).parts)
    and not path.name.startswith("toolkit-")  # for the toolkit's train.py
)
# What may differ between two experiments; a model has its own keys.
MAY_DIFFER = {
    "window",
    "overlap",
    "name",
    "data_folder",
    "speech_folder",
    "noise_folder",
    "protocol",
    "released",
    "mixture_folder",
    "data_root",
    "sample_rate",
    "num_spks",
    "talkers",
    "splits",
    "prepare_jobs",
    "prepare",
    "segment",
    "dynamic_mixing",
    "batch_size",
    "num_workers",
    "memory",
    "separator",
    "start_from",
    "train_loss",
    "max_epochs",
    "patience",
    "lr",
    "lr_annealing",
    "ema_decay",
    "num_examples",
}


def test_all_experiments_are_found():
    assert len(EXPERIMENTS) == 25


@pytest.mark.parametrize(
    "path", EXPERIMENTS, ids=lambda p: str(p.relative_to(ROOT))
)
def test_an_experiment_builds(path, tmp_path):
    text = path.read_text()
    overrides = {"output_folder": str(tmp_path)}
    if "!PLACEHOLDER" in text:
        overrides["data_folder"] = str(tmp_path)
    hparams = load_hyperpyyaml(text, overrides)
    assert hparams["separator"].num_spks == hparams["num_spks"]
    assert hparams["separator"].sample_rate == hparams["sample_rate"]


@pytest.mark.parametrize(
    "path", EXPERIMENTS, ids=lambda p: str(p.relative_to(ROOT))
)
def test_the_first_line_is_the_command(path):
    first = path.read_text().splitlines()[0]
    assert first.startswith(f"# python train.py {path.relative_to(ROOT)}")


@functools.cache
def _shared(path):
    """What must not differ between experiments, without comments."""
    yaml, text = YAML(typ="rt"), io.StringIO()
    settings = yaml.load(path.read_text())
    for key in MAY_DIFFER & set(settings):
        del settings[key]
    yaml.dump(settings, text)
    # Comments may differ, what they stand beside may not.
    return re.sub(r"\s*#.*", "", text.getvalue()).strip()


@pytest.mark.parametrize(
    "path", EXPERIMENTS, ids=lambda p: str(p.relative_to(ROOT))
)
def test_experiments_share_all_but_what_may_differ(path):
    assert _shared(path) == _shared(ROOT / "hparams" / "spmamba.yaml")


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_experiments_of_a_comparison_differ_in_the_model_alone(name):
    def shared(name):
        text = (ROOT / "hparams" / f"{name}.yaml").read_text()
        _, rest = text.split("\n\n", 1)  # the comment at the top
        before, rest = rest.split("# ---- Model ----\n")
        _, after = rest.split("# ---- Training ----\n")
        return before.replace(f"name: {name}\n", ""), after

    assert shared(name) == shared("spmamba")


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_model_of_a_comparison_has_its_published_size(name):
    text = (ROOT / "hparams" / f"{name}.yaml").read_text()
    with torch.device("meta"):  # shapes without weights
        found = load_hyperpyyaml(text, {"data_folder": "d"})["separator"]
        published = build_model(name)
    assert type(found) is type(published)
    for ours, theirs in zip(
        found.parameters(), published.parameters(), strict=True
    ):
        assert ours.shape == theirs.shape
    millions = sum(p.numel() for p in found.parameters()) / 1e6
    assert f" ({millions:.2f} M) " in text.splitlines()[2]


@pytest.mark.parametrize(
    "text, overrides, message",
    [
        ("sede: 1\n", "", "nothing reads the key 'sede'"),
        ("max_grad_nrom: 5\n", "", "did you mean 'max_grad_norm'"),
        ("lr: 1\nx: !ref <lr>\n", "", "nothing reads the key 'x'"),
        ("precision: fp32\n", "lrr: 1", "--lrr: a.yaml has no such key"),
        ("output_folder: !PLACEHOLDER\n", "", "needs --output_folder"),
        ("a: [1\n", "", "no valid YAML"),
    ],
)
def test_mistakes_are_named(text, overrides, message):
    with pytest.raises(ValueError, match=message):
        check_keys("a.yaml", text, overrides)


def test_a_missing_file_is_named():
    with pytest.raises(ValueError, match="none.yaml do not exist"):
        load_settings(["none.yaml"])


def test_an_unknown_argument_of_a_model_is_named(tmp_path):
    text = (ROOT / "hparams" / "tiny.yaml").read_text()
    path = tmp_path / "a.yaml"
    path.write_text(text.replace("num_blocks: ", "n_blocks: "))
    with pytest.raises(ValueError, match="a.yaml cannot be built.*n_blocks"):
        load_settings([str(path), f"--output_folder={tmp_path}"])


@pytest.mark.parametrize(
    "words, message",
    [
        (["--max_epochs"], "--max_epochs has no value"),
        (["--max_epochs", "--lr", "0.1"], "--max_epochs has no value"),
        (["--lr", "0.1", "--lr=0.2"], "--lr is given twice"),
        (["--device", "cpu", "--device", "cpu"], "--device is given twice"),
        (["--separator.emb_dim", "24"], '--separator "{emb_dim: 24}"'),
        (["--separator.emb_dim=24"], '--separator "{emb_dim: 24}"'),
    ],
)
def test_options_that_are_no_pair_are_named(words, message):
    path = str(ROOT / "hparams/tiny.yaml")
    with pytest.raises(ValueError, match=re.escape(message)):
        load_settings([path, *words])


def test_a_key_is_never_taken_for_the_short_form_of_an_option():
    text, options = (ROOT / "hparams/tiny.yaml").read_text(), RunOptions()
    for key in YAML(typ="rt").load(text):
        if key not in options.as_dict():
            _, _, overrides = read_command_line(["a.yaml", f"--{key}=7"])
            assert overrides == f"{key}: 7"
    _, options, _ = read_command_line(["a.yaml", "--optimizer_step_limit=7"])
    assert options["optimizer_step_limit"] == 7


@pytest.mark.parametrize(
    "folder, expected",
    [
        ("run", "run-debug"),
        ("run/", "run-debug"),
        (".", "{here}-debug"),
        ("run/..", "{here}-debug"),
    ],
)
def test_debug_goes_beside_whatever_the_folder_is_called(
    folder, expected, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    text = (
        f"output_folder: {folder}\n"
        f"save_folder: {os.path.join(folder, 'save')}\n"
        "results_folder: !ref <output_folder>/test"
    )
    found = debug_folders(text)
    expected = expected.format(here=tmp_path)
    assert found["output_folder"] == expected
    assert found["save_folder"] == f"{expected}/save"
    assert "results_folder" not in found


def test_switches_and_negative_numbers_are_options():
    words = ["a.yaml", "--debug", "--seed", "-1", "--sir", "[-5, 5]"]
    _, options, overrides = read_command_line(words)
    assert options["debug"] and overrides == "seed: -1\nsir: [-5, 5]"


OLD = {  # of experiments that were written for the toolkit's
    "toolkit, !new": "!new:speechbrain.utils.train_logger.TensorboardLogger",
    "toolkit, !name": "!name:speechbrain.utils.train_logger.TensorboardLogger",
}


@pytest.mark.parametrize("logger", ["tensorboard", "wandb", *OLD])
def test_what_a_logger_lacks_is_named_with_its_extra(
    logger, monkeypatch, tmp_path
):
    package = "wandb" if logger == "wandb" else "tensorboard"
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    path = ROOT / "hparams/tiny.yaml"
    words = ["--output_folder", str(tmp_path / "run")]
    if logger in OLD:
        text = path.read_text()
        before, old = text.partition("train_logger: ")[::2]
        rest = old.partition("history: ")[2]
        path = tmp_path / "tiny.yaml"
        path.write_text(
            before.replace("\nlogger: file", "\n#")
            + f"train_logger: {OLD[logger]}\n    save_dir: x\nhistory: {rest}"
        )
    else:
        words += ["--logger", logger]
    with pytest.raises(ValueError) as error:
        load_settings([str(path), *words])
    assert f"speechbrain_spmamba[{package}]" in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()


def test_an_import_says_nothing():
    package = "speechbrain_spmamba"
    program = f"import {package}.cli, {package}.settings.experiment"
    child = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert (child.returncode, child.stdout, child.stderr) == (0, "", "")
