"""`spmamba prepare` passes on what each set takes, and names mistakes."""

import ast
import inspect
import re
import subprocess
import sys
from textwrap import dedent

import pytest

from speechbrain_spmamba import cli
from speechbrain_spmamba.commands.prepare import prepare
from speechbrain_spmamba.manifest import read_manifest
from speechbrain_spmamba.prepare.scenes.dynamic_mixing import DynamicScenes
from speechbrain_spmamba.prepare.sets import SETS, DataSet
from speechbrain_spmamba.prepare.talker_counts import TalkerCounts
from tests import ROOT, package_trees
from tests.prepare.small_corpora import write_speech
from tests.prepare.trees import write_noise, write_parts

RECIPES = ROOT / "recipes"
DATA = ["o", "--folder", "x"]
END = "required|default: .*?"


def test_a_set_is_prepared(tmp_path, capsys):
    write_parts(tmp_path / "data" / "tt", ["mix", "s1"], ["x"])
    words = [str(tmp_path / "out"), "--folder", str(tmp_path / "data")]
    prepare("custom", *words, "--splits", "{test: tt}", "--jobs=2")
    path = tmp_path / "out" / "test.csv"
    lines = [f"test: {path}", f"$data_root: {tmp_path / 'data'}"]
    assert capsys.readouterr().out.splitlines() == lines
    assert path.is_file()


@pytest.mark.parametrize("num_spks", [[0, 3], {0: 2, 3: 1}, 1])
@pytest.mark.parametrize("name", ["mixtures", "echo2mix"])
def test_any_number_of_talkers_is_prepared(tmp_path, name, num_spks):
    write_speech(tmp_path / "speech", "test", range(10, 13))
    words = [str(tmp_path / "out"), f"--num_spks={num_spks}"]
    words += ["--speech_folder", str(tmp_path / "speech")]
    words += ["--splits={test: {mixtures: 6}}", "--sample_rate=8000"]
    if name == "echo2mix":
        words += ["--scene={seconds: 2.0}", "--room={anechoic: True}"]
    prepare(name, *words)
    rows = read_manifest(tmp_path / "out" / "test.csv", tmp_path / "out")
    counts, found = TalkerCounts.of(num_spks), set()
    for row in rows.values():
        cells = [row[f"s{n + 1}_wav"] for n in range(counts.most)]
        found.add(sum(map(bool, cells)))
    assert len(found) > 1 or len(counts.weights) == 1
    assert found <= set(counts.weights)
    if name == "echo2mix":
        scenes = DynamicScenes(tmp_path / "out", 8000, split="test")
        assert scenes(0, 0, "a")[1].shape == (16000, counts.most)


def test_a_released_set_knows_its_name(tmp_path):
    for part in ("mix", "spk1_reverb", "spk2_reverb"):
        write_noise(tmp_path / "test/a/b/1_2" / f"{part}.wav", rate=16000)
    words = [str(tmp_path / "out"), "--folder", str(tmp_path)]
    prepare("echoset", *words, "--splits", "{test: test}")
    settings = (tmp_path / "out" / "settings.json").read_text()
    assert '"set": "echoset"' in settings


def test_a_set_is_added_by_one_file_and_one_row(tmp_path, monkeypatch, capsys):
    """The file is the one that the page on data shows."""
    page = (ROOT / "docs" / "data.md").read_text()
    code = page.split("split -> path:\n\n")[1].split("\n\nAn experiment")[0]
    (tmp_path / "my_set.py").write_text(dedent(code))
    parts = ["noisy", "voice_a", "voice_b"]
    write_parts(tmp_path / "data" / "deep" / "tt", parts, ["x"], rate=16000)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(SETS, "mine", DataSet("my_set"))
    data = tmp_path / "data"
    words = ["mine", str(tmp_path / "out"), "--folder", str(data)]
    words += ["--splits={test: tt}"]

    def say(*words):
        with pytest.raises(SystemExit) as end:
            cli.main(["prepare", *words])
        said = capsys.readouterr()
        return end.value.code or 0, " ".join((said.err or said.out).split())

    code, said = say(*words)
    assert code == 0 and said.endswith(f"test.csv $data_root: {data}")
    rows = read_manifest(tmp_path / "out" / "test.csv", data)
    assert rows["x"]["s2_wav"] == str(data / "deep/tt/voice_b/x.wav")
    for wrong, message in (
        ("--job=3", "Did you mean --jobs?"),
        ("--jobs=x", "--jobs is 'x'; expected a number"),
        ("--sample_rate=8000", "made with sample_rate=16000"),
    ):
        code, said = say(*words, wrong)
        assert code == 2 and message in said
    assert " mine " in say("--help")[1]
    assert "What --help says" in say("mine", "--help")[1]


@pytest.mark.parametrize("name", SETS)
def test_every_set_has_its_arguments_in_one_order(name):
    for function in SETS[name].functions:
        names = list(inspect.signature(function).parameters)
        if "output_folder" not in names:
            continue
        place = names.index("output_folder")
        assert place and all(n.endswith("folder") for n in names[:place])
        assert not any(n.endswith("folder") for n in names[place + 1 :])
        assert names[place + 1] == "splits"


@pytest.mark.parametrize("name", SETS)
def test_every_set_says_what_it_takes(name, capsys):
    prepare(name, "--help")
    told = capsys.readouterr().out
    usage = " ".join(told.split("\n\n")[0].split())
    assert f"spmamba prepare {name} " in usage and usage.endswith(" OUT")
    options_told = told.partition("Parameters")[2]
    options_told = " ".join(options_told.replace("│", " ").split())
    options = {"output_folder", *SETS[name].fixed}
    assert "output_folder" in inspect.getdoc(SETS[name].functions[-1])
    for function in SETS[name].functions:
        for key, parameter in inspect.signature(function).parameters.items():
            if key in options or parameter.kind is parameter.VAR_KEYWORD:
                continue
            entry = rf"--{key} (?:[A-Z]+ )?(.*?)(?:\[({END})\]|(?= --)|$)"
            *_, (text, default) = re.findall(entry, options_told)
            assert len(text) > 5
            if parameter.default is parameter.empty:
                assert default == "required"
            elif isinstance(parameter.default, (int, str)):
                assert default == f"default: {parameter.default}"
        options |= {"speech_folder", "noise_folder"}


def test_made_up_data_take_what_their_mixtures_take(capsys):
    prepare("synthetic", "--help")
    told = capsys.readouterr().out
    for option in ("corpora", "corpora_folder", "splits", "seconds"):
        assert f" --{option} " in told
    assert "--speech_folder" not in told


def test_inspect_looks_at_a_folder(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(
        "speechbrain_spmamba.prepare.scenes.inspect.inspect",
        lambda folder: print(f"at {folder}"),
    )
    prepare("inspect", str(tmp_path))
    assert capsys.readouterr().out == f"at {tmp_path}\n"


@pytest.mark.parametrize(
    "what, words, message",
    [
        ("libremix", [], "no data set libremix; did you mean 'librimix'?"),
        ("inspect", [], "FOLDER requires an argument"),
        ("inspect", ["a", "b"], "Unused Tokens: .'b'.; see `spmamba prep"),
        ("wham", [], "OUT requires an argument; see `spmamba prepare wham -"),
        ("wham", ["--folder", "x"], "OUT requires an argument"),
        ("wham", ["o"], "--folder requires an argument"),
        ("wham", ["o", "--foldr", "x"], "Did you mean --folder"),
        ("wham", [*DATA, "--name", "x"], "Unknown option: --name"),
        ("echoset", [*DATA, "--name", "x"], "Unknown option: --name"),
        ("wham", ["o", "--folder"], "--folder requires an argument"),
        ("wham", [*DATA, "p"], "Unused Tokens: .'p'."),
        ("wham", [*DATA, "--jobs", "1", "--jobs", "2"], "multiple times"),
        ("wham", [*DATA, "--splits", "{a"], "--splits {a is no YAML"),
        ("none.yaml", [], "settings none.yaml do not exist"),
    ],
)
def test_mistakes_are_named(what, words, message):
    with pytest.raises(ValueError, match=message):
        prepare(what, *words)


def test_mistakes_are_one_line_in_the_shell(capsys):
    with pytest.raises(SystemExit) as stopped:
        cli.main(["prepare", "wham", "out", "--folder", "nowhere"])
    assert stopped.value.code == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ") and "nowhere is no folder" in error
    assert "\n" not in error


def test_help_of_a_set_gets_through_the_command_line(capsys):
    with pytest.raises(SystemExit):
        cli.main(["prepare", "wsj0mix", "--help"])
    assert "Usage: spmamba prepare wsj0mix " in capsys.readouterr().out


@pytest.mark.parametrize(
    "path", sorted(RECIPES.glob("*/prepare.py")), ids=lambda p: p.parent.name
)
def test_a_recipe_is_a_thin_command(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 30
    assert f"recipes/{path.parent.name}/prepare.py" in text
    name = text.split('"prepare", "')[1].split('"')[0]
    assert name in SETS


def test_a_recipe_runs(tmp_path):
    write_parts(tmp_path / "data" / "tt", ["mix", "s1"], ["x"])
    done = subprocess.run(
        [
            sys.executable, "-X", "importtime",
            RECIPES / "Custom" / "prepare.py", "out", "--folder", "data",
            "--splits", "{test: tt}",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "test: out/test.csv" in done.stdout
    # Neither is of use here, and each takes seconds to import.
    assert not {"torch", "scipy.signal"} & set(done.stderr.split())


def test_what_takes_seconds_to_import_is_imported_where_it_is_used():
    slow = {"torch", "scipy.signal", "scipy.stats", "pyloudnorm"}
    for file, tree in package_trees().items():
        for node in tree.body if file.startswith("prepare/") else ():
            names = {getattr(node, "module", None)}
            if isinstance(node, ast.Import):
                names = {name.name for name in node.names}
            assert not names & slow, file
