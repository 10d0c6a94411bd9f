"""Run options mean on the command line what a user would think they mean."""

import logging
import os

import pytest
import torch
from speechbrain.utils.run_opts import RunOptions

from speechbrain_spmamba.settings.command_line import read_command_line
from speechbrain_spmamba.settings.experiment import load_settings
from speechbrain_spmamba.settings.reading import read_keys
from speechbrain_spmamba.settings.run_options import (
    NEEDS,
    as_keys,
    set_up_logging,
    settle,
)
from speechbrain_spmamba.training.brain import SeparationBrain
from tests import ROOT
from tests.train_server import SETTINGS

DOCUMENT = ROOT / "docs/run_options.md"
KEYS = {"ckpt_interval_minutes": 15, "skip_nonfinite_grads": True}


def _settled(*words, keys=KEYS):
    return settle(read_command_line(["a.yaml", *words])[1], keys)


def _cells():
    """First cells of the tables of options."""
    text, _, _ = DOCUMENT.read_text().partition("\n## `--compile`")
    lines = text.splitlines()
    return [line.split("|")[1] for line in lines if line.startswith("| `")]


def test_every_option_of_the_toolkit_stands_in_the_document_once():
    named = [word for cell in _cells() for word in cell.split("`")[1::2]]
    assert len(named) == len(set(named))
    options = {name for name in named if name.startswith("--")}
    parser = RunOptions._create_parser()
    assert options == {
        f"--{action.dest}"
        for action in parser._actions
        if action.option_strings and action.dest != "help"
    }
    # The rest are keys of YAML files alone.
    fields = set(RunOptions().as_dict())
    assert set(named) - options == fields - {o[2:] for o in options}


@pytest.mark.parametrize(
    "words, minutes, steps",
    [
        ([], 15, 0),
        (["--ckpt_interval_steps=7"], 0, 7),
        (["--ckpt_interval_minutes=7"], 7, 0),
        (["--ckpt_interval_steps=0"], 15, 0),
        (["--ckpt_interval_steps=7", "--ckpt_interval_minutes=0"], 0, 7),
        # Both are refused in training.run_options.
        (["--ckpt_interval_steps=7", "--ckpt_interval_minutes=3"], 3, 7),
    ],
)
def test_an_interval_of_checkpoints_replaces_the_other(words, minutes, steps):
    found = _settled(*words)
    assert found.ckpt_interval_minutes == minutes
    assert found.ckpt_interval_steps == steps
    if words:  # the Brain takes from the command line what was given there
        assert "ckpt_interval_steps" in found.overridden_args


def test_minutes_replace_the_steps_of_a_file():
    found = _settled(
        "--ckpt_interval_minutes=3", keys={"ckpt_interval_steps": 9}
    )
    assert (found.ckpt_interval_minutes, found.ckpt_interval_steps) == (3, 0)


@pytest.mark.parametrize("option", NEEDS)
def test_an_option_without_its_switch_is_named(option):
    value = {"compile_mode": "default"}.get(option, "3")
    flag = option in RunOptions().as_dict() and RunOptions()[option] is False
    words = [f"--{option}", *([] if flag else [value])]
    message = f"--{option} does nothing without --{NEEDS[option]}; give both"
    with pytest.raises(ValueError, match=message):
        _settled(*words)
    assert _settled(*words, f"--{NEEDS[option]}")[NEEDS[option]]
    # A file may hold it for the day on which the switch is given.
    assert not _settled(keys={option: value})[NEEDS[option]]
    assert _settled(*words, keys={NEEDS[option]: True})


@pytest.mark.parametrize("words", [["False"], ["=False"]])
def test_a_switch_of_the_file_can_be_turned_off(words):
    argv = (
        ["--skip_nonfinite_grads" + words[0]]
        if "=" in words[0]
        else [
            "--skip_nonfinite_grads",
            *words,
        ]
    )
    found = _settled(*argv, "--seed=1")
    assert found.skip_nonfinite_grads is False
    assert "skip_nonfinite_grads" in found.overridden_args
    assert as_keys(found, KEYS) == "skip_nonfinite_grads: false\n"
    assert _settled().skip_nonfinite_grads is True


def test_a_switch_may_stand_before_the_file_and_may_be_true():
    path, options, _ = read_command_line(["--debug", "a.yaml", "--jit", "True"])
    assert path == "a.yaml" and options.debug and options.jit
    with pytest.raises(ValueError, match="--jit is '7'; expected True, False"):
        read_command_line(["a.yaml", "--jit=7"])


def test_no_clipping_is_written_as_in_a_file():
    for text in (".inf", "inf"):
        assert _settled(f"--max_grad_norm={text}").max_grad_norm == float("inf")
    kept = as_keys(_settled("--max_grad_norm=.inf"), {"max_grad_norm": 5.0})
    assert kept == "max_grad_norm: .inf\n"
    assert read_keys("a.yaml", kept)["max_grad_norm"] == float("inf")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_holds_is_what_is_kept_of_a_run(folder):
    words = ["--precision=bf16", "--max_grad_norm=.inf", "--ckpt_interval_s=1"]
    words[-1] = "--ckpt_interval_steps=4"
    _, hparams, options, text = load_settings([*SETTINGS[:2], *words])
    assert hparams["precision"] == options.precision == "bf16"
    assert hparams["max_grad_norm"] == float("inf")
    assert hparams["ckpt_interval_minutes"] == 0
    assert "ckpt_interval_minutes: 0" in text
    # What the file does not have stays what it is: an option.
    assert "ckpt_interval_steps" not in hparams


def test_a_file_without_clipping_is_no_mistake(folder):
    text = (ROOT / "hparams/tiny.yaml").read_text()
    text = text.replace("max_grad_norm: 5.0", "max_grad_norm: .inf")
    (folder / "a.yaml").write_text(text)
    _, hparams, options, _ = load_settings(["a.yaml", "--device=cpu"])
    assert options.max_grad_norm == float("inf")


@pytest.mark.parametrize(
    "words, message",
    [
        (["--jit"], "--jit: TorchScript does not take separator, a SPMamba"),
        (["--max_grad_norm=-1"], "give a number above 0, or .inf for no clip"),
        (["--log_config=none.yaml"], "log_config none.yaml does not exist"),
        (["--precision=fp16"], "float16 .fp16. is for GPUs"),
        (["--compile", "--compile_module_keys", "x"], "names x; modules of"),
    ],
)
def test_what_is_refused_is_refused_before_anything_starts(
    words, message, folder
):
    with pytest.raises(ValueError, match=message) as error:
        load_settings([*SETTINGS, *words])
    assert "\n" not in str(error.value)
    assert not os.listdir()


LOGGING = """
version: 1
disable_existing_loggers: False
formatters: {short: {format: "HERE %(message)s"}}
handlers:
    file_handler:
        {class: logging.FileHandler, formatter: short, filename: log.txt}
root: {level: INFO, handlers: [file_handler]}
"""


@pytest.mark.parametrize(
    "text, message",
    [
        ("version: 1", "has no handlers with a file_handler, whose file is"),
        ("[1", "cannot be used .is no valid YAML"),
        ("7", "has no handlers with a file_handler"),
        (LOGGING.replace("FileH", "NoH"), "cannot be used .*NoHandler"),
        (LOGGING.replace("INFO", "SOME"), "cannot be used .*SOME"),
        (LOGGING.replace("class: ", "form: "), "file_handler has no class"),
    ],
)
def test_a_log_configuration_that_is_none_is_named(text, message, tmp_path):
    path = tmp_path / "log.yaml"
    path.write_text(text)
    before = logging.getLogger().handlers[:]
    with pytest.raises(ValueError, match=message) as error:
        set_up_logging(path)
    assert "\n" not in str(error.value)
    logging.getLogger().handlers[:] = before


def test_a_log_configuration_makes_the_log_of_a_run(folder, train):
    (folder / "log.yaml").write_text(LOGGING)
    words = ["--log_config=log.yaml", "--max_epochs=1"]
    train([*SETTINGS, *words])
    text = (folder / "results/tiny/1234/log.txt").read_text()
    assert "HERE Beginning experiment!\n" in text and "INFO" not in text
    assert sorted(os.listdir()) == ["data", "log.yaml", "results"]


def test_a_run_that_reached_its_last_step_adds_no_epoch(folder, train):
    history = folder / "results/tiny/1234/history.csv"
    for steps, rows in ((3, 1), (3, 1), (6, 2)):
        train([*SETTINGS, f"--optimizer_step_limit={steps}"])
        assert len(history.read_text().splitlines()) == 1 + rows


def test_debugging_that_is_kept_stops_where_it_stopped(folder, train):
    for _ in range(2):
        train([*SETTINGS, "--debug", "--debug_persistently"])
        path = folder / "results/tiny/1234-debug/history.csv"
        assert len(path.read_text().splitlines()) == 1 + 2


@pytest.mark.slow
def test_a_run_goes_on_with_the_compiler_and_without(folder, train):
    for epochs, words in ((1, ["--compile"]), (2, []), (3, ["--compile"])):
        train([*SETTINGS, f"--max_epochs={epochs}", *words])
        path = folder / "results/tiny/1234/history.csv"
        assert len(path.read_text().splitlines()) == 1 + epochs


def test_vectors_without_decay_do_not_leave_the_rest_unclipped(small_model):
    brain = SeparationBrain(
        modules={"separator": small_model()},
        opt_class=lambda p: torch.optim.SGD(p, lr=1.0),
        hparams={"ema_decay": 0.0},
        run_opts={
            "device": "cpu",
            "remove_vector_weight_decay": True,
            "max_grad_norm": 0.5,
        },
    )
    brain.init_optimizers()
    before = [p.detach().clone() for p in brain.modules.parameters()]
    for parameter in brain.modules.parameters():
        parameter.grad = torch.ones_like(parameter)
    brain.optimizers_step()
    after = brain.modules.parameters()
    moved = sum(
        (new - old).square().sum()
        for new, old in zip(after, before, strict=True)
    )
    assert moved.sqrt().item() == pytest.approx(0.5, rel=1e-3)
