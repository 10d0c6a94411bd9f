"""Commands in the documentation have options that exist."""

import re
import shlex
from pathlib import Path

import pytest
import speechbrain as sb

from speechbrain_spmamba.cli import make_parser
from speechbrain_spmamba.settings.experiment import check_keys
from tests import ROOT

PAGES = sorted(
    [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("recipes/**/*.md")]
)
# These show a place where the reader's own words go.
OWN_WORDS = {"SET", "..."}


def _commands(page, program):
    """Commands in the shell blocks of a page that begin with a program."""
    blocks = re.findall(r"```(?:sh|bash)\n(.*?)```", page.read_text(), re.S)
    lines = "".join(blocks).replace("\\\n", " ")
    # A quoted word may go over several lines.
    lines = re.sub(r'"[^"]*"', lambda m: m[0].replace("\n", " "), lines)
    found = [shlex.split(x, comments=True) for x in lines.splitlines()]
    size = len(program)
    return [words[size:] for words in found if words[:size] == program]


def _all(program):
    return [
        pytest.param(words, id=f"{page.relative_to(ROOT)}: {shlex.join(words)}")
        for page in PAGES
        for words in _commands(page, program)
        if not OWN_WORDS & set(words)
    ]


def test_pages_have_commands():
    assert len(_all(["spmamba"])) > 20
    assert len(_all(["python", "train.py"])) > 15


@pytest.mark.parametrize("words", _all(["spmamba"]))
def test_a_command_has_options_that_exist(words):
    arguments, further = make_parser().parse_known_args(words)
    assert not further or hasattr(arguments, "further")


@pytest.mark.parametrize("words", _all(["python", "train.py"]))
def test_a_training_sets_keys_that_exist(words, monkeypatch):
    monkeypatch.chdir(ROOT)
    path, _, overrides = sb.parse_arguments(words)
    if path.startswith("PATH/"):
        return  # runs in the toolkit's folder
    check_keys(path, Path(path).read_text(), overrides)
