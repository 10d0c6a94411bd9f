"""The first run: train tiny.yaml as a user would, then use what it made."""

import csv
import importlib
import importlib.metadata
import json
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from speechbrain_spmamba import cli
from tests import ROOT, train_server

RUN = Path("results/tiny/1234")

# What makes tiny.yaml a sixth of the work, on voices further apart: 3 dB.
SMALLER = {
    "readers: [24, 6, 6]\n": "readers: [12, 4, 4]\n",
    "utterances_per_reader: [3, 2, 3]\n": "utterances_per_reader: [1, 1, 2]\n"
    "        noise_files: [1, 1, 1]\n"
    "        noise_seconds: [2.0, 3.0]\n",
    "contrast: 0.5\n": "contrast: 1.0\n",
    "mixtures: 200\n": "mixtures: 60\n",
    "mixtures: 10\n": "mixtures: 6\n",
    "mixtures: 20\n": "mixtures: 6\n",
    "seconds: 4.0\n": "seconds: 2.0\n",
    "segment: 1.0 ": "segment: 0.75 ",
    "batch_size: 2\n": "batch_size: 1\n",
    "max_epochs: 3\n": "max_epochs: 2\n",
    "lr: 0.005\n": "lr: 0.01\n",
}


@pytest.fixture
def run_here(folder, monkeypatch, capfd):
    """Runs a command in this process, which has imported everything.

    Gives exit status, output and errors.
    """

    def run(*command):
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)
        program, *argv = command
        if program == "python":
            monkeypatch.syspath_prepend(str(ROOT))
            main, argv = importlib.import_module("train").main, argv[1:]
        else:
            main = cli.main
        capfd.readouterr()
        try:
            status = main(argv) or 0
        except SystemExit as stop:
            status = stop.code or 0
        out, err = capfd.readouterr()
        return SimpleNamespace(returncode=status, stdout=out, stderr=err)

    yield run
    # A run logs to this test's stderr, which is about to be closed.
    logging.getLogger().handlers.clear()


TRAIN = ["train.py", "hparams/tiny.yaml", "--noprogressbar"]


def set_out(folder, smaller):
    """What a clone has, with some lines of tiny.yaml replaced."""
    shutil.copytree(ROOT / "hparams", folder / "hparams")
    (folder / "train.py").symlink_to(ROOT / "train.py")
    tiny = folder / "hparams/tiny.yaml"
    text = tiny.read_text()
    for line, other in smaller.items():
        assert text.count(line) == 1, line
        text = text.replace(line, other)
    tiny.write_text(text)


def _train(folder):
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    import train

    train.main(TRAIN[1:])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which a smaller tiny.yaml has been trained and exported."""
    folder = tmp_path_factory.mktemp("first")
    set_out(folder, SMALLER)
    assert train_server.run(_train, folder) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "excepthook", sys.excepthook)
        with pytest.raises(SystemExit) as stop:
            cli.main(["export", str(RUN), str(RUN / "model")])
        assert not stop.value.code
    return folder


@pytest.fixture(scope="module")
def mixture(folder):
    """A test mixture of two speakers that no training has heard."""
    return sorted((folder / "data/tiny/mixtures/test/mix").iterdir())[0]


def test_spmamba_is_a_command():
    (command,) = importlib.metadata.entry_points(
        group="console_scripts", name="spmamba"
    )
    assert command.load() is cli.main


def test_it_separates_speakers_it_has_not_heard(folder):
    summary = json.loads((folder / RUN / "test/summary.json").read_text())
    assert summary["mixtures"] == 6
    assert summary["si_snri"]["mean"] > 2.0


@pytest.mark.slow
def test_the_whole_of_it_reaches_the_figure_of_the_readme(tmp_path):
    set_out(tmp_path, {})
    subprocess.run([sys.executable, *TRAIN], cwd=tmp_path, check=True)
    summary = json.loads((tmp_path / RUN / "test/summary.json").read_text())
    assert summary["mixtures"] == 20
    assert summary["si_snri"]["mean"] == pytest.approx(7.45, abs=0.5)


def test_the_folder_of_the_run_tells_the_story(folder):
    run = folder / RUN
    for name in (
        "hyperparams.yaml",
        "train_log.txt",
        "log.txt",
        "test/results.csv",
        "test/summary.json",
    ):
        assert (run / name).is_file(), name
    with open(run / "history.csv", newline="") as file:
        history = list(csv.DictReader(file))
    assert float(history[-1]["valid_si_snri"]) > float(
        history[0]["valid_si_snri"]
    )
    assert "valid si_snri" in (run / "train_log.txt").read_text()
    assert len(list(run.glob("test/examples/*/spectrograms.png"))) == 1


def test_unseen_means_unseen(folder):
    def readers(split):
        with open(folder / f"data/tiny/mixtures/{split}.csv") as file:
            ids = [row["ID"] for row in csv.DictReader(file)]
        return {u.split("-")[0] for i in ids for u in i.split("_")[1:]}

    assert not readers("train") & readers("test")


def test_separate_writes_one_file_an_output(
    run_here, folder, mixture, tmp_path
):
    done = run_here(
        "spmamba", "separate", str(mixture), "--all-outputs",
        "-m", str(RUN / "model"), "-o", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    written = done.stdout.split()
    assert [Path(p).name for p in written] == [
        f"{mixture.stem}_s1.wav",
        f"{mixture.stem}_s2.wav",
    ]
    frames = soundfile.info(mixture).frames
    assert all(soundfile.info(path).frames == frames for path in written)


def test_a_bad_file_is_reported_and_the_others_go_on(
    run_here, folder, mixture, tmp_path
):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no audio")
    done = run_here(
        "spmamba", "separate", str(bad), str(mixture), "--all-outputs",
        "-m", str(RUN / "model"), "-o", str(tmp_path / "out"),
    )  # fmt: skip
    assert done.returncode == 1
    errors = [x for x in done.stderr.splitlines() if x.startswith("error")]
    assert len(errors) == 1 and "bad.wav cannot be read" in errors[0]
    assert "Traceback" not in done.stderr
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_evaluate_gives_the_scores_of_the_training_run(
    run_here, folder, tmp_path
):
    done = run_here(
        "spmamba", "evaluate", str(RUN / "model"),
        "data/tiny/mixtures/test.csv",
        "--data_root", "data/tiny/mixtures", "-o", str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ours, theirs = (
        json.loads((path / "summary.json").read_text())
        for path in (tmp_path, folder / RUN / "test")
    )
    assert ours["si_snri"]["mean"] == pytest.approx(
        theirs["si_snri"]["mean"], abs=0.01
    )


@pytest.mark.parametrize(
    "command, message",
    [
        ("python train.py hparams/none.yaml", "none.yaml do not exist"),
        ("python train.py hparams/spmamba.yaml", "needs --data_folder"),
        (
            "python train.py hparams/spmamba.yaml --data_folder nowhere",
            "no speech in nowhere/LibriSpeech/train-clean-100",
        ),
        ("python train.py hparams/tiny.yaml --lrate 1", "no such key"),
        ("spmamba separate x.wav -m nowhere -o out", "no model folder"),
        ("spmamba export nowhere out", "nowhere is no training run"),
        (
            "spmamba evaluate results/tiny/1234/model none.csv --data_root . "
            "-o out",
            "none.csv does not exist",
        ),
    ],
)
def test_mistakes_end_in_one_line_and_status_2(
    run_here, folder, command, message
):
    done = run_here(*shlex.split(command))
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ") and message in last
    assert "Traceback" not in done.stderr


def test_unreadable_training_data_ends_in_one_line(run_here, folder, tmp_path):
    (tmp_path / "a.wav").write_bytes(b"no audio")
    manifest = tmp_path / "m.csv"
    manifest.write_text(
        "ID,duration,mix_wav,s1_wav,s2_wav\n"
        "a,1.0,$data_root/a.wav,$data_root/a.wav,$data_root/a.wav\n"
    )
    done = run_here(
        "python", "train.py", "hparams/tiny.yaml",
        f"--output_folder={tmp_path / 'out'}", "--num_workers=1",
        f"--train_set={{manifest: {manifest}, data_root: {tmp_path}}}",
    )  # fmt: skip
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ") and "a.wav cannot be read" in last


def test_prepare_names_the_manifests(run_here, folder):
    done = run_here("spmamba", "prepare", "hparams/tiny.yaml")
    assert done.returncode == 0, done.stderr
    assert "test: data/tiny/mixtures/test.csv" in done.stdout


def test_prepare_takes_keys_of_the_experiment(run_here, folder):
    done = run_here("spmamba", "prepare", "hparams/tiny.yaml", "--seed", "7")
    assert done.returncode == 2
    assert "made with seed=1234, now seed=7" in done.stderr


# These go on from what the first run has made.
FIRST_PAGES = ["README.md", "docs/separate.md", "docs/train.md"]


def _blocks(page, language):
    text = (ROOT / page).read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_commands_of_the_first_pages_work(run_here, folder, mixture):
    """Blocks of bash: on what the first run has made; others are of sh."""
    (folder / "mixture.wav").write_bytes(mixture.read_bytes())
    commands = {}
    for page in FIRST_PAGES:
        lines = "".join(_blocks(page, "bash")).replace("\\\n", " ")
        commands |= dict.fromkeys(lines.splitlines())
    assert [shlex.split(x)[1] for x in commands] == [
        "export", "separate", "evaluate",
    ]  # fmt: skip
    for command in commands:
        done = run_here(*shlex.split(command, comments=True))
        assert done.returncode == 0, (command, done.stderr[-2000:])


@pytest.mark.parametrize("page", ["README.md", "docs/separate.md"])
def test_the_python_of_the_first_pages_works(
    page, folder, mixture, monkeypatch
):
    monkeypatch.chdir(ROOT if page == "README.md" else folder)
    (folder / "mixture.wav").write_bytes(mixture.read_bytes())
    (block,) = _blocks(page, "python")
    found = {}
    exec(compile(block, page, "exec"), found)
    assert found["voices"].ndim == 2


def test_relative_levels_survive_integer_files(
    run_here, folder, mixture, tmp_path
):
    done = run_here(
        "spmamba", "separate", str(mixture), "--subtype", "FLOAT",
        "--all-outputs", "-m", str(RUN / "model"), "-o", str(tmp_path),
    )  # fmt: skip
    exact = [soundfile.read(path)[0] for path in done.stdout.split()]
    done = run_here(
        "spmamba", "separate", str(mixture), "--subtype", "PCM_16",
        "--all-outputs", "-m", str(RUN / "model"), "-o", str(tmp_path),
    )  # fmt: skip
    rounded = [soundfile.read(path)[0] for path in done.stdout.split()]
    ratio = [np.std(a) / np.std(b) for a, b in zip(exact, rounded, strict=True)]
    assert ratio[0] == pytest.approx(ratio[1], rel=1e-3)
