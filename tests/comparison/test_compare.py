"""A comparison treats all systems alike, and does nothing twice."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
from hyperpyyaml import load_hyperpyyaml

from speechbrain_spmamba.comparison import one_system
from speechbrain_spmamba.comparison.chosen_systems import (
    choose_systems,
    read_systems,
)
from speechbrain_spmamba.comparison.compare import compare, plan
from speechbrain_spmamba.comparison.logged_program import (
    locked_with_children,
    run_logged,
)
from speechbrain_spmamba.comparison.model_block import model_block
from speechbrain_spmamba.files.yaml_text import load, plain
from speechbrain_spmamba.manifest import write_manifest
from speechbrain_spmamba.models import MODELS
from speechbrain_spmamba.models.systems import SYSTEMS
from speechbrain_spmamba.settings.changes import differences
from speechbrain_spmamba.settings.requirements import check_keys
from tests import ROOT

TINY = ROOT / "hparams" / "tiny.yaml"

# In the place of train.py: writes what it would, at once; fails where told.
STAND_IN = """\
import pathlib, re, sys
here = pathlib.Path(__file__).parent
text = pathlib.Path(sys.argv[1]).read_text()
name = re.search("^name: (.*)", text, re.M)[1]
with open(here / "calls.txt", "a") as file:
    file.write(" ".join([name, *sys.argv[2:]]) + chr(10))
if (here / f"fail_{name}").exists():
    sys.exit("error: out of luck")
test = pathlib.Path(sys.argv[1]).parent / "run" / "test"
test.mkdir(parents=True)
rows = "ID,duration,si_snr,si_snri,sdr,sdri\\na,1,2,3,4,5\\nb,1,2,3,4,5\\n"
(test / "results.csv").write_text(rows)
"""


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Data, a stand-in program, and a comparison of two systems."""

    class World:
        folder = tmp_path / "out: #1"
        program = tmp_path / "train.py"

        def data(self, seconds=1.0):
            for name in ("train", "valid", "test"):
                row = {"ID": "a", "duration": seconds}
                row |= {
                    f"{k}_wav": tmp_path / "a.wav" for k in "mix s1 s2".split()
                }
                write_manifest(tmp_path / "m" / f"{name}.csv", [row], tmp_path)

        def compare(self, *words, systems=("spmamba", "dprnn"), **more):
            words = [f"--mixture_folder={tmp_path / 'm'}", *words]
            more = {"train_program": self.program, "smoke": True, **more}
            return compare(TINY, self.folder, systems, further=words, **more)

        def calls(self):
            path = tmp_path / "calls.txt"
            lines = path.read_text().splitlines() if path.exists() else []
            path.unlink(missing_ok=True)
            return lines

    world = World()
    world.program.write_text(STAND_IN)
    world.data()
    monkeypatch.setattr(
        one_system, "count_and_measure", lambda *_: {"rtf": 1.0}
    )
    return world


@pytest.mark.parametrize("sample_rate", [8000, 16000])
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_small_size_builds_at_either_sample_rate(system, sample_rate):
    block = model_block(system, smoke=True)
    text = f"sample_rate: {sample_rate}\nnum_spks: 3\n{block}"
    separator = load_hyperpyyaml(text)["separator"]
    assert (separator.sample_rate, separator.num_spks) == (sample_rate, 3)
    sizes = sum(p.numel() for p in separator.parameters())
    assert 20_000 < sizes < 350_000


def test_the_published_size_writes_out_every_argument():
    text = f"sample_rate: 16000\nnum_spks: 2\n{model_block('conv_tasnet')}"
    separator = load_hyperpyyaml(text)["separator"]
    assert sum(p.numel() for p in separator.parameters()) == 5_050_545
    assert "memory: balanced\n" in model_block("spmamba")


def test_systems_differ_in_nothing_but_the_model(tmp_path):
    entries, options = plan(
        TINY, tmp_path, None, {"epochs": 7}, True, {},
        ["--lr", "0.001", "--memory=low", "--device=cpu"],
    )  # fmt: skip
    assert [e.system for e in entries] == list(MODELS)
    assert options == ["--device=cpu"]
    first = plain(load(entries[0].text))
    assert (first["lr"], first["max_epochs"], first["patience"]) == (
        0.001,
        7,
        0,
    )
    assert first["memory"] == "low"
    for entry in entries[1:]:
        found = differences(first, plain(load(entry.text)))
        names = {re.match(r"\w+", text)[0] for text in found}
        assert names <= {"name", "memory", "separator"}


def test_an_experiment_keeps_the_comments_of_its_source(tmp_path):
    (entry,), _ = plan(TINY, tmp_path, ["dprnn"], {}, True, {}, [])
    lines = entry.text.splitlines()
    assert lines[0] == f"# python train.py {entry.experiment}"
    assert "# ---- Training ----" in lines
    assert "segment: 1.0 # seconds of a training crop" in lines
    assert "tiny SPMamba" not in entry.text


def test_a_folder_that_nothing_refers_to_any_more_is_left_out(tmp_path):
    recipe = ROOT / "recipes" / "Voices" / "hparams" / "voices-8k-2.yaml"
    words = ["--data_folder=d", "--speech_folder=a", "--noise_folder=b"]
    (entry,), _ = plan(recipe, tmp_path, ["dprnn"], {}, True, {}, words)
    keys = load(entry.text)
    assert "data_folder" not in keys and keys["speech_folder"] == "a"
    check_keys(entry.experiment, entry.text, needed=["speech_folder"])


def test_equal_minutes_are_written_into_the_experiment(tmp_path):
    (entry,), _ = plan(TINY, tmp_path, ["dprnn"], {"minutes": 5}, True, {}, [])
    counter = load_hyperpyyaml(entry.text)["epoch_counter"]
    assert counter.max_minutes == 5 and counter.limit > 1000


def test_systems_may_have_sizes_names_and_rates_of_their_own(tmp_path):
    given = {
        "small": {"system": "dprnn", "lr": 0.1, "separator": {"hidden": 8}},
        "dprnn": {"lr": 0.2},
    }
    small, usual = plan(TINY, tmp_path, given, {}, True, {}, [])[0]
    assert small.experiment == tmp_path / "small" / "experiment.yaml"
    small, usual = plain(load(small.text)), plain(load(usual.text))
    assert sorted(t.split("=")[0] for t in differences(small, usual)) == [
        "lr", "name", "separator.hidden",
    ]  # fmt: skip
    assert (small["lr"], small["separator"]["hidden"]) == (0.1, 8)


def test_a_rate_of_ones_own_is_no_other_setting(world):
    given = {"dprnn": {"lr": 0.1}, "bsrnn": {"lr": 0.2}}
    assert world.compare(systems=given) == {}
    assert len(world.calls()) == 2
    with pytest.raises(ValueError, match="lr=0.1, now lr=0.3"):
        world.compare(systems={"dprnn": {"lr": 0.3}})
    with pytest.raises(ValueError, match="max_epochs=3, now max_epochs=9"):
        world.compare(systems={"tdanet": {"lr": 0.3}}, epochs=9)
    with pytest.raises(ValueError, match="lr=0.2, now lr=0.005"):
        world.compare(systems={"tdanet": {}})


def test_a_file_without_systems_is_named(tmp_path):
    path = tmp_path / "systems.yaml"
    for text, message in (("", "holds no systems"), ("- a", "`key: value`")):
        path.write_text(text)
        with pytest.raises(ValueError, match=f"systems.yaml .*{message}"):
            read_systems(path)


def test_the_systems_of_the_recipe_can_be_built():
    path = ROOT / "recipes" / "Voices" / "comparison" / "rates.yaml"
    for chosen in choose_systems(read_systems(path)).values():
        block = model_block(chosen.system, arguments=chosen.separator)
        text = f"sample_rate: 8000\nnum_spks: 2\n{block}"
        separator = load_hyperpyyaml(text)["separator"]
        size = sum(p.numel() for p in separator.parameters())
        assert 0.55e6 < size < 0.65e6, chosen.system


@pytest.mark.parametrize(
    "systems, words, message",
    [
        ({"a": {"size": 1}}, [], "a has the key 'size'; expected system, sep"),
        ({"dprnn": 3}, [], "dprnn is 3; expected a mapping of system"),
        ({"dprnn": {"lr": "x"}}, [], "lr is 'x'; expected a number above 0"),
        ({"dprnn": {"separator": 1}}, [], "separator is 1; expected a mapping"),
        (
            {"dprnn": {"separator": {"hiddn": 1}}},
            [],
            "'hiddn' is no argument of dprnn .*; did you mean 'hidden'",
        ),
        (
            {"a": {"lr": 1, "system": "dprnn"}, "bsrnn": {}},
            [],
            "lr is not given for bsrnn, but for others",
        ),
        (["mamba"], [], "unknown system 'mamba'; known systems: spmamba"),
        (None, ["--lrate", "1"], "no such key; did you mean|no such key"),
        (None, ["--separator={n: 1}"], "sets the model of each system"),
        (None, ["lr", "1"], "lr is not understood"),
        (None, ["--splits=[a"], "is no YAML"),
        (None, ["--lr={a: 1}"], "--lr is {'a': 1}; expected a number"),
        (None, ["--bad_audio={a: 1}"], "--bad_audio takes no map"),
    ],
)
def test_mistakes_are_named(tmp_path, systems, words, message):
    with pytest.raises(ValueError, match=message):
        plan(TINY, tmp_path, systems, {}, True, {}, words)


def test_a_systems_folder_stays_in_that_of_the_comparison(world):
    for name in ("../up", str(world.program), "."):
        with pytest.raises(ValueError, match="gets a folder of its name"):
            world.compare(systems=(), loaded={name: "model"})
    assert not world.folder.exists()


def test_what_is_finished_is_not_run_again(world):
    assert world.compare() == {}
    assert [c.split()[0] for c in world.calls()] == ["spmamba", "dprnn"]
    assert world.compare(systems=["spmamba", "afrcnn"]) == {}
    assert [c.split()[0] for c in world.calls()] == ["afrcnn"]
    about = json.loads((world.folder / "comparison.json").read_text())
    assert about["systems"] == ["spmamba", "dprnn", "afrcnn"]


def test_a_failed_system_is_reported_and_the_others_go_on(world):
    failing = world.program.with_name("fail_spmamba")
    failing.touch()
    failures = world.compare()
    assert failures == {"spmamba": "exit status 1: out of luck"}
    assert len(world.calls()) == 2
    failing.unlink()
    assert world.compare() == {}
    assert [c.split()[0] for c in world.calls()] == ["spmamba"]
    about = json.loads((world.folder / "comparison.json").read_text())
    assert about["failures"] == {}


def test_a_system_that_cannot_be_measured_does_not_stop_the_others(
    world, monkeypatch
):
    def count(experiment, options):
        if "dprnn" in experiment.parts:
            raise KeyError("no figures")
        return {"rtf": 1.0}

    monkeypatch.setattr(one_system, "count_and_measure", count)
    assert world.compare(systems=["dprnn", "bsrnn"]) == {
        "dprnn": "'no figures'"
    }
    assert "Traceback" in (world.folder / "dprnn" / "log.txt").read_text()
    monkeypatch.setattr(
        one_system, "count_and_measure", lambda *_: {"rtf": 1.0}
    )
    assert world.compare(systems=["dprnn", "bsrnn"]) == {}
    assert len(world.calls()) == 2  # measured again, not trained again


def test_run_options_reach_the_training(world):
    world.compare(
        "--precision=fp32", "--debug", systems=["dprnn"], device="cpu"
    )
    assert world.calls() == ["dprnn --debug --device cpu --noprogressbar"]


def test_other_settings_for_a_folder_are_named(world):
    world.compare()
    for words, more, message in (
        (["--lr=0.1"], {}, r"lr=0.005, now lr=0.1"),
        ([], {"epochs": 9}, r"max_epochs=3, now max_epochs=9"),
        (["--memory=low"], {"systems": ["spmamba"]}, "now memory=low"),
        (["--debug"], {}, r"run options \(none\), now --debug"),
        ([], {"systems": ["tdanet"], "epochs": 9}, "now max_epochs=9"),
    ):
        with pytest.raises(ValueError, match=message):
            world.compare(*words, **more)
    assert len(world.calls()) == 2


def test_a_setting_that_there_was_not_yet_is_no_other(world):
    world.compare(systems=["dprnn"])
    experiment = world.folder / "dprnn" / "experiment.yaml"
    text = experiment.read_text()
    older = re.sub(r"^(tf32|cuda_graph): .*\n", "", text, flags=re.M)
    assert len(older.splitlines()) == len(text.splitlines()) - 2
    experiment.write_text(older)
    assert world.compare() == {}
    with pytest.raises(ValueError, match="tf32=True, now tf32=False"):
        world.compare("--tf32=False")


def test_other_data_for_a_folder_are_named(world):
    world.compare(systems=["spmamba"])
    world.data(seconds=2.0)
    with pytest.raises(ValueError, match="manifests of .* have changed"):
        world.compare()


def test_an_interrupted_system_is_run_again_in_its_folder(world):
    world.compare(systems=["dprnn"])
    (world.folder / "dprnn" / "finished.json").unlink()
    checkpoint = world.folder / "dprnn" / "run" / "save" / "CKPT"
    checkpoint.mkdir(parents=True)
    world.program.write_text(STAND_IN.replace("parents=True", "exist_ok=True"))
    assert world.compare(systems=["dprnn"]) == {}
    assert checkpoint.is_dir() and len(world.calls()) == 2


def test_a_missing_train_program_is_named(world):
    with pytest.raises(ValueError, match="give the train.py of a checkout"):
        world.compare(train_program=world.folder / "none.py")


def test_a_program_that_outlives_its_comparison_is_not_joined(tmp_path):
    with locked_with_children(tmp_path) as lock:
        command = ["sh", "-c", "sleep 60 & echo $!"]
        run_logged(command, tmp_path / "log.txt", lock)
        with pytest.raises(
            ValueError, match=f"in use by process {os.getpid()} "
        ):
            with locked_with_children(tmp_path):
                pass
    with pytest.raises(ValueError, match=f"in use by process {os.getpid()} "):
        with locked_with_children(tmp_path):
            pass
    pid = (tmp_path / "log.txt").read_text().strip()
    subprocess.run(["kill", pid], check=True)
    for _ in range(100):
        try:
            with locked_with_children(tmp_path):
                return
        except ValueError:
            time.sleep(0.05)
    pytest.fail("the lock is still held")


def _spmamba(folder, *words):
    """The command, as a user would type it."""
    command = [
        sys.executable,
        "-m",
        "speechbrain_spmamba.cli",
        "compare",
        *words,
    ]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


@pytest.mark.slow
def test_two_systems_learn_and_survive_a_kill(tmp_path):
    words = ["--smoke", "--systems=dprnn,sudormrf", "--device=cpu", "out"]
    first = _spmamba(tmp_path, *words)
    log = tmp_path / "out/dprnn/log.txt"
    while not (log.exists() and "Going into epoch 2" in log.read_text()):
        assert first.poll() is None, first.stdout.read().decode()
        time.sleep(0.2)
    first.send_signal(signal.SIGTERM)
    assert first.wait(60) == 143
    second = _spmamba(tmp_path, *words)
    output = second.communicate(timeout=900)[0].decode()
    assert second.returncode == 0, output
    assert log.read_text().count("epoch: 1, lr") == 1
    report = json.loads((tmp_path / "out/report.json").read_text())
    for name in ("dprnn", "sudormrf"):
        found = report["systems"][name]
        assert found["learned"] and found["epochs"] == 3
        assert found["items"] == 20 and found["si_snri"]["interval"][0] > 0
        assert found["minutes"] > 0 and found["rtf"] > 0 and found["macs"] > 1e6

    # A model folder is tested instead of trained, with the same result.
    export = [sys.executable, "-m", "speechbrain_spmamba.cli", "export"]
    subprocess.run(
        [*export, "out/dprnn/run", "model"], cwd=tmp_path, check=True
    )
    words = ["--smoke", "--systems=dprnn", "--load=dprnn=model", "--no_measure"]
    third = _spmamba(tmp_path, *words, "--device=cpu", "loaded")
    output = third.communicate(timeout=300)[0].decode()
    assert third.returncode == 0, output
    loaded = json.loads((tmp_path / "loaded/report.json").read_text())
    assert loaded["systems"]["dprnn"]["si_snri"]["mean"] == pytest.approx(
        report["systems"]["dprnn"]["si_snri"]["mean"], abs=0.01
    )
