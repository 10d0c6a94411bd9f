"""The experiment of every system runs through: data, epoch, test, files."""

import csv
import json
import math

import pytest
import torch
from safetensors.torch import save_file

from speechbrain_spmamba.prepare.made_up.synthetic import make_corpora
from tests import ROOT
from tests.small_models import SMALL, SYSTEMS, build_small

# What makes an experiment small that is not its model.
OPTIONS = [
    "--debug",
    "--debug_batches=2",
    "--debug_epochs=1",
    "--device=cpu",
    "--noprogressbar",
    "--sample_rate=8000",
    "--segment=0.3",
    "--num_workers=0",
    "--num_examples=0",
    "--prepare_jobs=1",
    "--prepare={seconds: 0.5}",
    "--splits={train: {mixtures: 2}, valid: {mixtures: 2},"
    " test: {mixtures: 2}}",
]


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory):
    """Made-up LibriSpeech and WHAM! noise; the first run adds mixtures."""
    folder = tmp_path_factory.mktemp("data")
    make_corpora(
        folder,
        readers=(2, 2, 2),
        utterances_per_reader=(1, 1, 1),
        utterance_seconds=(1.0, 1.0),
        noise_files=(1, 1, 1),
        noise_seconds=(1.0, 1.0),
        dnr_items=(0, 0, 0),
    )
    return folder


def _arguments(name, data_folder, run):
    sizes = {k: v for k, v in SMALL[name].items() if k != "sample_rate"}
    return [
        str(ROOT / "hparams" / f"{name}.yaml"),
        *OPTIONS,
        f"--data_folder={data_folder}",
        f"--output_folder={run}",
        f"--separator={json.dumps(sizes)}",
    ]


def _rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


# That the others' experiments build, and that their gradients are right, is
# tested elsewhere.
ALWAYS = ("spmamba", "conv_tasnet", "bsrnn", "sepformer")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in ALWAYS else pytest.mark.slow)
        for name in SYSTEMS
    ],
)
def test_an_epoch_of_each_system_ends_in_finite_scores(
    name, data_folder, train, tmp_path
):
    run = tmp_path / "run"
    assert not train(_arguments(name, data_folder, run))
    assert not run.exists()
    run = tmp_path / "run-debug"
    (epoch,) = _rows(run / "history.csv")
    assert all(math.isfinite(float(value)) for value in epoch.values())
    assert "valid si_snri" in (run / "train_log.txt").read_text()
    results = _rows(run / "test/results.csv")
    assert len(results) == 2
    assert all(math.isfinite(float(row["si_snri"])) for row in results)
    summary = json.loads((run / "test/summary.json").read_text())
    assert summary["mixtures"] == 2
    assert math.isfinite(summary["si_snri"]["mean"])
    assert math.isfinite(summary["sdri"]["mean"])


@pytest.mark.parametrize(
    "save, name",
    [(torch.save, "separator.ckpt"), (save_file, "separator.safetensors")],
)
def test_fine_tuning_begins_with_the_given_weights(
    data_folder, train, tmp_path, save, name
):
    given = build_small("conv_tasnet").state_dict()
    save(given, tmp_path / name)
    arguments = _arguments("conv_tasnet", data_folder, tmp_path / "run")
    options = ["--debug_persistently", "--lr=0.0"]
    train([*arguments, f"--start_from={tmp_path}", *options])
    (path,) = (tmp_path / "run-debug/save").glob("CKPT*/separator.ckpt")
    found = torch.load(path, weights_only=True)
    assert all(torch.equal(found[name], given[name]) for name in given)


def test_weights_of_another_model_are_refused(
    data_folder, train, tmp_path, capsys
):
    torch.save(build_small("dprnn").state_dict(), tmp_path / "separator.ckpt")
    arguments = _arguments("conv_tasnet", data_folder, tmp_path / "run")
    with pytest.raises(SystemExit):
        train([*arguments, f"--start_from={tmp_path}"])
    assert "do not fit the model" in capsys.readouterr().err


def test_any_number_of_talkers_is_trained_and_tested(
    data_folder, train, tmp_path
):
    arguments = _arguments("spmamba", data_folder, tmp_path / "run")
    arguments[0] = str(ROOT / "hparams" / "spmamba_many.yaml")
    splits = {name: {"mixtures": 6} for name in ("train", "valid", "test")}
    options = ["--num_spks=2", "--talkers=[0, 2]", "--debug_batches=6"]
    options.append(f"--splits={json.dumps(splits)}")
    replaced = ("--splits", "--debug_batches")
    kept = [a for a in arguments if not a.startswith(replaced)]
    assert not train([*kept, *options])
    run = tmp_path / "run-debug"
    (epoch,) = _rows(run / "history.csv")
    assert all(math.isfinite(float(value)) for value in epoch.values())
    results = _rows(run / "test/results.csv")
    counts = [len(row["ID"].split("_")) - 1 for row in results]
    assert set(counts) == {0, 1, 2}
    for row, count in zip(results, counts, strict=True):
        assert count < 2 or math.isfinite(float(row["si_snri"]))
        assert count > 0 or row["si_snri"] == ""
