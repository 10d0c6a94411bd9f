"""What a user can get wrong ends in one line, status 2 and nothing written."""

import importlib
import logging
import shlex
import sys

import numpy as np
import pytest

from speechbrain_spmamba import cli
from speechbrain_spmamba.audio import write_audio
from speechbrain_spmamba.models import build_model
from speechbrain_spmamba.weights.export import write_model
from speechbrain_spmamba.weights.folder_yaml import model_yaml
from tests import ROOT
from tests.small_models import SMALL

TINY = ROOT / "hparams" / "tiny.yaml"

# Command -> words that its line must have. In a folder with tone.wav (audio),
# noise.bin (anything but text), notes.txt (a file), empty (a folder), model (a
# model folder), m.csv (a manifest without its files) and some YAML files.
TRAINING = {
    "nope.yaml": "settings nope.yaml do not exist; give a YAML file",
    "empty": "settings empty are a folder; give a YAML file",
    "noise.bin": "noise.bin is no text but binary data",
    "list.yaml": "list.yaml is no YAML of `key: value` lines",
    "no_loss.yaml": "no_loss.yaml has no key 'train_loss', which training rea",
    "no_separator.yaml": "no_separator.yaml: modules have no 'separator'",
    "word.yaml": "word.yaml: max_grad_norm is 'abc'; expected a number, for",
    "device.yaml": "there is no device 'gpu'; here there is cpu",
    "metrics.yaml": "metrics: there is no 'si_sdr'; give some of [si_snr,",
    "dnsmos.yaml": "dnsmos is defined for 16000 Hz, these signals have 8000 H",
    "odd.yaml": "settings odd.yaml cannot be built (optimizer): ",
    "tiny.yaml --device gpu": "there is no device 'gpu'; here there is cpu",
    "tiny.yaml --device cuda:77": "no device 'cuda:77'; here there is cpu",
    "tiny.yaml --device=": "there is no device ''; here there is cpu",
    "tiny.yaml --precision fp17": "invalid choice: 'fp17' (choose from ",
    "set.yaml": "cannot be built (train_set): got an unexpected keyword argu",
    "whole.yaml": "whole.yaml: sample_rate is 8000.0; expected a whole number",
    "saved.yaml": "saved.yaml: the checkpointer's recoverables lack separator",
    "tiny.yaml --lr abc": "--lr is 'abc'; expected a number, for example 0.0",
    "tiny.yaml --lr=-1": "cannot be built (optimizer): Invalid learning rate",
    "tiny.yaml --max_epochs x": "--max_epochs is 'x'; expected a whole number",
    "tiny.yaml --num_workers 1.5": "--num_workers is 1.5; expected a whole nu",
    "tiny.yaml --train_loader '{shuffle: 7}'": "--train_loader.shuffle is 7; ",
    "tiny.yaml --train_set '{manifest: 5}'": "--train_set.manifest is 5; ",
    "tiny.yaml --history '{path: [a]}'": "--history.path is ['a']; expected a ",
    "tiny.yaml --separator '{emb_dim: abc}'": "--separator.emb_dim is 'abc'; ",
    "tiny.yaml --separator '{num_heads: 0}'": "tiny.yaml cannot be built: ",
    "tiny.yaml --prepare '{sir: {0: 5}}'": "--prepare.sir is {0: 5}; expected",
    "tiny.yaml --splits 5": "--splits is 5; expected a mapping, for example",
    "tiny.yaml --start_from nope": "nope is no model folder, for it has no",
    "tiny.yaml --start_from tone.wav": "tone.wav is no model folder",
    "tiny.yaml --output_folder notes.txt": "notes.txt",
    "tiny.yaml --output_folder notes.txt/x": "notes.txt",
    "tiny.yaml --output_folder 5": "output_folder is 5; expected a path, for",
    "tiny.yaml --output_folder null": "--output_folder is None; expected a pat",
    "tiny.yaml --data_folder '[a, b]'": "--data_folder is ['a', 'b']; exp",
    "tiny.yaml --results_folder notes.txt/x": "notes.txt is no folder; give a",
    "tiny.yaml --start_from 5": "5 is no model folder, for it has no",
    "tiny.yaml --optimizer '{nope: 1}'": "unexpected keyword argument 'nope'",
    "tiny.yaml --prec bf16": "no such key; did you mean 'precision'?",
    "tiny.yaml --optimizer_step_limit x": "--optimizer_step_limit: invalid in",
    "tiny.yaml --lr .nan": "--lr is nan; expected a number, for example 0.00",
    "tiny.yaml --lr .inf": "--lr is inf; expected a number, for example 0.00",
    "tiny.yaml --patience -2": "patience is -2; give a number of epochs, or 0",
    "tiny.yaml --max_epochs -1": "max_epochs is -1; give a number from 0",
    "tiny.yaml --num_examples -1": "is -1; expected a whole number from 0",
    "tiny.yaml --train_set null": "train_set is None; expected what is called",
    "tiny.yaml --train_loss x": "train_loss is 'x'; expected what is called",
    "tiny.yaml --train_logger null": "is None; expected an object with log_st",
    "tiny.yaml --logger paper": "is 'paper'; give file, tensorboard or wandb",
    "tiny.yaml --modules null": "modules is None; expected a mapping",
    "tiny.yaml --separator null": "modules have no 'separator'",
    "tiny.yaml --debug --test_only": "--test_only finds no checkpoint there",
}
COMMANDS = {
    "evaluate nope m.csv --data_root . -o out": "nope is no model folder",
    "evaluate model tone.wav --data_root . -o out": "tone.wav is no text but",
    "evaluate model empty --data_root . -o out": "manifest empty is a folder",
    "evaluate model m.csv --data_root . -o out": "./x.wav of manifest m.csv",
    "evaluate model m.csv --data_root . -o out --device gpu": "no device 'gpu'",
    "separate tone.wav -m model -o out --device gpu": "there is no device 'gp",
    "separate tone.wav -m model -o out --device cuda:77": "no device 'cuda:77",
    "separate tone.wav -m notes.txt -o out": "notes.txt is no model folder",
    "export empty out": "empty is no training run: it has no hyperparams.yaml",
    "convert spmamba nope out": "nope",
    "convert spmamba empty out": "empty",
    "complexity nope": "nope",
    "complexity conv_tasnet --device gpu": "there is no device 'gpu'",
    "compare noise.bin out": "noise.bin",
    "compare empty out": "empty",
    "compare tiny.yaml out --device gpu": "there is no device 'gpu'",
    "compare tiny.yaml notes.txt": "notes.txt: File exists; a folder was expe",
    "score empty empty -o out": "empty has no audio files; references were ex",
    "score nope empty -o out": "nope does not exist; a folder of references w",
    "score m.csv nope -o out": "nope does not exist; a folder of estimates wa",
    "score parts/tt parts -o out --metrics sdri": "there is no 'sdri'; give s",
    "score parts/tt parts/tt -o notes.txt": "notes.txt is no folder, or lies",
    "score parts/tt parts/tt -o out --jobs 0": "--jobs is 0; give at least 1",
    "score parts/tt parts/tt -o out --jobs x": "x is no whole number",
    "score notes.txt empty -o out": "notes.txt is no folder; a folder of refe",
    "evaluate model m.csv -o out --data_root . --metrics pesk": "no 'pesk'; g",
    "prepare noise.bin out": "there is no data set noise.bin",
    "prepare noise.yaml": "noise.yaml is no text but binary data",
    "prepare custom out --folder notes.txt": "notes.txt",
    "prepare custom notes.txt --folder parts --splits '{test: tt}'": "notes.",
    "prepare wham out --folder empty": "empty",
    "prepare wham out --folder empty --jobs x": "--jobs is 'x'; expected a n",
    "prepare wham out --folder empty --splits 5": "--splits is 5; expected a",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with all that mistakes can be made with."""
    folder = tmp_path_factory.mktemp("mistakes")
    rng = np.random.default_rng(0)
    write_audio(folder / "tone.wav", rng.normal(0, 0.1, 800), 8000)
    for part in ("mix", "s1"):
        write_audio(folder / "parts/tt" / part / "a.wav", [0.1] * 800, 8000)
    (folder / "noise.bin").write_bytes(bytes(range(256)))
    (folder / "noise.yaml").write_bytes(bytes(range(256)))
    (folder / "notes.txt").write_text("notes")
    (folder / "empty").mkdir()
    separator = build_model("spmamba", **SMALL["spmamba"])
    text = model_yaml(separator, SMALL["spmamba"])
    write_model(folder / "model", separator, text)
    (folder / "m.csv").write_text(
        "ID,duration,mix_wav,s1_wav,s2_wav\n"
        "a,0.1,$data_root/x.wav,$data_root/x.wav,$data_root/x.wav\n"
    )
    text = TINY.read_text()
    changes = {
        "tiny": ("", ""),
        "no_loss": ("\ntrain_loss: !name:", "\n# "),
        "no_separator": ("    separator: !ref", "    network: !ref"),
        "word": ("max_grad_norm: 5.0", "max_grad_norm: abc"),
        "device": ("precision: fp32", "device: gpu"),
        "set": ("    segment: !ref", "    sgement: !ref"),
        "whole": ("sample_rate: 8000", "sample_rate: 8000.0"),
        "saved": (
            "        separator: !ref <separator>\n        lr",
            "        lr",
        ),
        "odd": ("lr: 0.00", "lr: minus 0.00"),
        "metrics": ("num_examples:", "metrics: [si_sdr]\nnum_examples:"),
        "dnsmos": ("num_examples:", "metrics: dnsmos\nnum_examples:"),
    }
    for name, change in changes.items():
        (folder / f"{name}.yaml").write_text(text.replace(*change))
    (folder / "list.yaml").write_text("- a\n- b\n")
    return folder


@pytest.fixture
def run(folder, monkeypatch, capfd):
    """Runs a program in the folder; gives its status, output and errors."""

    def call(main, line):
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)
        capfd.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main(shlex.split(line))
        return stopped.value.code, *capfd.readouterr()

    yield call
    logging.getLogger().handlers.clear()


def _tree(folder):
    return {path: path.stat().st_size for path in sorted(folder.rglob("*"))}


def _check(run, folder, main, line, words):
    before = _tree(folder)
    status, _, errors = run(main, line)
    assert status == 2, errors
    lines = [line for line in errors.splitlines() if "it/s]" not in line]
    (line,) = filter(None, lines)
    assert line.startswith("error: ") and words in line
    assert _tree(folder) == before


@pytest.mark.parametrize("line", TRAINING)
def test_a_mistake_in_training_is_one_line(run, folder, line, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    main = importlib.import_module("train").main
    _check(run, folder, main, line, TRAINING[line])


@pytest.mark.parametrize("line", COMMANDS)
def test_a_mistake_in_a_command_is_one_line(run, folder, line):
    _check(run, folder, cli.main, line, COMMANDS[line])
