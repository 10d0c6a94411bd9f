"""The command has the options of a separation, and one place for its words."""

import ast
import contextlib
import shutil
from dataclasses import fields
from pathlib import Path

import pytest

from speechbrain_spmamba import cli, commands
from speechbrain_spmamba.builtin.models import DEFAULT, builtin_models
from speechbrain_spmamba.recordings.options import SeparationOptions
from speechbrain_spmamba.weights.speaker_encoder import load_encoder
from tests import ROOT
from tests.separating import write_encoder

FOLDER = Path(commands.__file__).parent


def test_each_option_of_a_separation_is_one_of_the_command(capsys):
    with contextlib.suppress(SystemExit):
        cli.main(["separate", "--help"])
    told = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for field in fields(SeparationOptions):
        name = "rate" if field.name == "keep_rate" else field.name
        assert f"--{name}" in told
    assert "Only so many outputs, the most active ones" in told
    assert "share, up to half a window" in told


@pytest.mark.parametrize(
    "name",
    ["separate", "stream", "jobs", "inputs", "output_tags", "distributed"],
)
def test_what_the_command_prints_stands_in_one_place(name):
    """The sound itself, which `jobs` sends to standard output, is no print."""
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    calls = [x.func for x in ast.walk(tree) if isinstance(x, ast.Call)]
    called = {ast.unparse(call) for call in calls}
    printing = {"print", "tqdm", "sys.stdout.write", "sys.stderr.write"}
    assert not called & printing


@pytest.fixture
def separate(tmp_path, monkeypatch, capsys):
    """The command in a folder with talk.wav: status, output, lines of error."""
    monkeypatch.chdir(tmp_path)
    shutil.copyfile(ROOT / "docs" / "example" / "talk.wav", "talk.wav")

    def run(*words):
        with pytest.raises(SystemExit) as stop:
            cli.main(["separate", *words])
        out, err = capsys.readouterr()
        return stop.value.code, out.split(), err.splitlines()

    return run


def test_a_recording_alone_is_enough(separate):
    """With the model of the package, into the folder one is in."""
    status, paths, errors = separate("talk.wav")
    assert (status, paths) == (0, ["talk_s1.wav", "talk_s2.wav"])
    assert {p.name for p in Path().iterdir()} == {"talk.wav", *paths}
    score = builtin_models()[DEFAULT].score
    (line,) = (line for line in errors if line.startswith("model: "))
    assert line.startswith(f"model: {DEFAULT}, {score}; `spmamba models` tells")
    # Again, with the model named, which needs no introduction then.
    status, again, errors = separate("talk.wav", "--model", DEFAULT)
    assert (status, again) == (0, paths)
    assert errors == ["talk.wav: done before"]


def test_two_readers_are_two_who_talk(separate):
    talk = ROOT / "docs" / "example" / "talk.wav"
    status, paths, errors = separate(str(talk), "--labels")
    assert (status, paths) == (0, ["talk_s1.wav", "talk_s2.wav", "talk.txt"])
    assert "; 2 talk; s1: " in errors[-1]


def test_what_is_in_the_folder_is_not_written_over(separate):
    Path("talk_s2.wav").write_bytes(b"mine")
    status, paths, errors = separate("talk.wav")
    assert (status, paths) == (1, [])
    assert "talk_s2.wav exists and is not of this recording" in errors[-1]
    assert Path("talk_s2.wav").read_bytes() == b"mine"


def test_a_model_that_does_not_exist_is_answered_with_those_that_do(separate):
    status, _, (line,) = separate("talk.wav", "--model", "voices")
    assert status == 2 and "voices is no model folder" in line
    assert all(name in line for name in builtin_models())


def test_a_mistake_is_one_line_without_a_model_too(separate):
    status, _, (line,) = separate("tolk.wav")
    assert status == 2 and "tolk.wav does not exist" in line


def test_an_overlap_is_held_against_the_window_of_the_model(separate):
    status, _, (line,) = separate("talk.wav", "--overlap", "31")
    assert status == 2 and "at most half of the window of 60" in line
    status, paths, _ = separate("talk.wav", "--overlap", "29")
    assert status == 0 and paths


def test_a_speaker_encoder_is_trusted_by_name(separate):
    encoder = write_encoder(Path("encoder"))
    words = ("talk.wav", "--embedding", "encoder")
    status, _, (line,) = separate(*words)
    assert status == 2 and "may run any code; add --trust" in line
    status, paths, _ = separate(*words, "--trust")
    assert (status, len(paths)) == (0, 2)
    # Another encoder is another separation.
    status, _, errors = separate("talk.wav")
    assert status == 0 and "done before" not in errors[-1]
    (encoder / "hyperparams.yaml").unlink()
    load_encoder.cache_clear()
    status, _, (line,) = separate(*words, "--trust")
    assert status == 2 and "encoder is no speaker encoder" in line
