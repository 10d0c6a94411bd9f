"""A folder runs nothing of its own, unless its user trusts it by name."""

import importlib
import json
import sys

import numpy as np
import pytest
import soundfile
from speechbrain.utils.checkpoints import Checkpointer

from speechbrain_spmamba import cli
from speechbrain_spmamba.commands.app import understand
from speechbrain_spmamba.comparison.model_block import loaded_block
from speechbrain_spmamba.cost.complexity import load
from speechbrain_spmamba.manifest import write_manifest
from speechbrain_spmamba.weights.export import export
from tests.small_models import SMALL, build_small
from tests.test_strange_files import HPARAMS

OWN = """\
import torch


class Halves(torch.nn.Module):
    def __init__(self, sample_rate=8000, num_spks=2):
        super().__init__()
        self.sample_rate, self.num_spks = sample_rate, num_spks
        self.share = torch.nn.Parameter(torch.tensor(0.5))
        assert self.share.item() == 0.5  # without memory it has no value

    def forward(self, mix, lengths=None):
        return torch.stack([self.share * mix] * self.num_spks, -1)
"""
# Of a run: an experiment is a program from end to end.
RUN = """\
name: "ours: \\u00fc"
x: !apply:os.mkdir [MARK]
sample_rate: &rate 8000
num_spks: 2
separator: !new:CLASS
    num_spks: 2
    sample_rate: 8000
ARGUMENTS

# ---- Training ----
modules: {separator: !apply:os.mkdir [MARK], y: *rate}
train_set: {manifest: /dev/zero}
train_loader: {batch_size: 2, ? [a, b] : c}
"""


def _run(folder, model, arguments, separator):
    """What a training leaves behind, and somebody has added to."""
    folder.mkdir()
    lines = [f"    {key}: {value}" for key, value in arguments.items()]
    text = RUN.replace("CLASS", model).replace("ARGUMENTS", "\n".join(lines))
    text = text.replace("MARK", str(folder / "mark"))
    (folder / HPARAMS).write_text(text, encoding="utf-8")
    checkpointer = Checkpointer(folder / "save", {"separator": separator})
    checkpointer.save_checkpoint({"loss": 1.0, "epoch": 1}, name="1")
    return folder


@pytest.fixture
def strange(tmp_path):
    """The run of a model of this package, with code beside it."""
    model = "speechbrain_spmamba.models.dprnn.DPRNN"
    separator = build_small("dprnn", sample_rate=8000)
    return _run(tmp_path / "run", model, SMALL["dprnn"], separator)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The run of a model of one's own, in the folder one works in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "ownmodel.py").write_text(OWN)
    sys.path.append(str(tmp_path))
    separator = importlib.import_module("ownmodel").Halves()
    sys.path.pop()
    yield _run(tmp_path / "run", "ownmodel.Halves", {}, separator)
    sys.modules.pop("ownmodel", None)


def _call(capsys, *words):
    """Exit status, and the last line of errors."""
    with pytest.raises(SystemExit) as stop:
        cli.main([str(word) for word in words])
    lines = capsys.readouterr().err.strip().splitlines()
    return stop.value.code or 0, lines[-1] if lines else ""


def test_export_takes_the_model_of_a_run_and_leaves_the_rest(
    strange, tmp_path, capsys
):
    assert _call(capsys, "export", strange, tmp_path / "out")[0] == 0
    assert not (strange / "mark").exists()
    assert "mkdir" not in (tmp_path / "out" / HPARAMS).read_text()
    assert load(tmp_path / "out").num_spks == 2


def test_counting_a_run_builds_its_model_alone(strange):
    assert load(strange).sample_rate == 8000
    assert load(strange, num_spks=2).num_spks == 2
    assert not (strange / "mark").exists()


EVIL = {
    "call": "    hidden: !apply:os.mkdir [MARK]",
    "tuple": '    hidden: (!!python/object/apply:os.mkdir ["MARK"])',
    "reference": "    hidden: !ref <x>",
    "alias": "    hidden: *rate",
    "merge": "    <<: {hidden: !apply:os.mkdir [MARK]}",
}


@pytest.mark.parametrize("kind", EVIL)
def test_a_separator_that_calls_is_refused_wherever_it_is_read(
    strange, tmp_path, kind
):
    path, mark = strange / HPARAMS, strange / "mark"
    line = EVIL[kind].replace("MARK", str(mark))
    text = path.read_text(encoding="utf-8")
    assert "    hidden: 5\n" in text
    path.write_text(text.replace("    hidden: 5", line), encoding="utf-8")
    (strange / "separator.ckpt").touch()
    for read in (
        lambda: load(strange),
        lambda: load(path),
        lambda: export(strange, tmp_path / "out"),
        lambda: loaded_block(strange),
    ):
        with pytest.raises(ValueError, match="with --trust alone") as error:
            read()
        assert "\n" not in str(error.value)
    assert not mark.exists() and not (tmp_path / "out").exists()


def test_a_file_of_aliases_of_aliases_is_refused_and_not_unfolded(
    strange, tmp_path
):
    lines = ["a0: &a0 [1, 1]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    path = strange / HPARAMS
    text = path.read_text(encoding="utf-8") + "\n".join(lines)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="is no file of settings"):
        export(strange, tmp_path / "out")
    assert load(strange).num_spks == 2


def test_a_model_of_ones_own_needs_one_word_on_every_command(
    own, tmp_path, capsys
):
    rows = [{"ID": "0", "duration": 0.5}]
    for name in ("mix_wav", "s1_wav", "s2_wav"):
        rows[0][name] = str(tmp_path / f"{name}.wav")
        wave = np.random.default_rng(len(name)).normal(size=4000) / 10
        soundfile.write(rows[0][name], wave, 8000)
    write_manifest(tmp_path / "test.csv", rows, str(tmp_path))
    mix, model = rows[0]["mix_wav"], tmp_path / "model"
    root = ["--data_root", tmp_path]
    for words in (
        ["export", own, model],
        ["complexity", own],
        ["complexity", model],
        ["separate", mix, "-m", model, "-o", tmp_path / "out", "--all-outputs"],
        ["evaluate", model, "test.csv", "-o", tmp_path / "scores", *root],
    ):
        status, line = _call(capsys, *words)
        assert status == 2 and "--trust" in line
        assert "is '!new:ownmodel.Halves', not a model of this package" in line
        status, line = _call(capsys, *words, "--trust")
        assert status == 0, line
    exported = (model / HPARAMS).read_text()
    assert "Training" not in exported and "\n\nmodules:" not in exported
    assert json.loads((tmp_path / "scores/summary.json").read_text())
    assert (tmp_path / "out/mix_wav_s2.wav").is_file()


def test_a_trusted_model_that_cannot_be_found_is_one_line(
    own, tmp_path, capsys
):
    assert _call(capsys, "export", own, tmp_path / "model", "--trust")[0] == 0
    (tmp_path / "model/ownmodel.py").unlink()
    (tmp_path / "ownmodel.py").rename(tmp_path / "other.py")
    del sys.modules["ownmodel"]
    importlib.invalidate_caches()
    for words in (
        ["export", own, tmp_path / "second"],
        ["complexity", own],
        ["separate", "a.wav", "-m", tmp_path / "model", "-o", "out"],
    ):
        (tmp_path / "a.wav").touch()
        status, line = _call(capsys, *words, "--trust")
        assert status == 2 and "ownmodel" in line and "error: " in line
    assert str(own / HPARAMS) in _call(capsys, "export", own, "b", "--trust")[1]


def test_a_trusted_model_that_has_changed_since_is_one_line(
    own, tmp_path, capsys
):
    text = OWN.replace("tensor(0.5)", "ones(3)").replace(".item()", "[0]")
    (tmp_path / "ownmodel.py").write_text(text.replace("== 0.5", "== 1"))
    del sys.modules["ownmodel"]
    importlib.invalidate_caches()
    status, line = _call(capsys, "export", own, "model", "--trust")
    weights = own / "save/CKPT+1/separator.ckpt"
    assert status == 2
    assert f"{weights} does not fit the model of {own / HPARAMS}: " in line


@pytest.mark.parametrize(
    "words",
    [
        ["export", "a", "b"],
        ["separate", "a", "-m", "b", "-o", "c"],
        ["evaluate", "a", "b", "-o", "c", "--data_root", "d"],
        ["complexity"],
        ["compare", "a"],
        ["demo", "a"],
    ],
    ids=lambda words: words[0],
)
def test_every_command_that_builds_a_model_has_the_option(words):
    app = cli.make_app()
    assert understand(app, [*words, "--trust"])[1].arguments["trust"]
    assert "trust" not in understand(app, words)[1].arguments
