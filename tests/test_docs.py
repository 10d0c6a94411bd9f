"""Pages name commands, options and files that exist."""

import ast
import re
import shlex
from pathlib import Path

import pytest
import speechbrain as sb

from speechbrain_spmamba.cli import make_app
from speechbrain_spmamba.commands.app import understand
from speechbrain_spmamba.settings.requirements import check_keys
from tests import PACKAGE, ROOT, package_trees

ENDINGS = {"c", "csv", "h", "json", "py", "yaml"}
PAGES = sorted(
    [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("recipes/**/*.md")]
)
FILES = [*ROOT.glob("*.*")] + [
    path
    for folder in (
        "speechbrain_spmamba",
        "tests",
        "benchmarks",
        "recipes",
        "templates",
    )
    for path in ROOT.joinpath(folder).rglob("*.*")
]
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
    command, _ = understand(make_app(), words)
    assert command.__name__ == words[0]


@pytest.mark.parametrize("words", _all(["python", "train.py"]))
def test_a_training_sets_keys_that_exist(words, monkeypatch):
    monkeypatch.chdir(ROOT)
    path, _, overrides = sb.parse_arguments(words)
    if path.startswith("PATH/"):
        return  # runs in the toolkit's folder
    check_keys(path, Path(path).read_text(), overrides)


@pytest.mark.parametrize(
    "page",
    [*ROOT.glob("docs/*.md"), ROOT / "CONTRIBUTING.md", ROOT / "README.md"],
    ids=lambda page: page.name,
)
def test_files_that_a_page_names_exist(page):
    """By the end of their path: `stitch.py`, `recordings/stitch.py`."""
    named = re.findall(r"[\w/.-]*\w\.(?:py|c|h)\b", page.read_text())
    folders = re.findall(r"`([a-z_/]+)/`", page.read_text())
    there = [f"/{path.relative_to(ROOT).as_posix()}" for path in FILES]
    for name in {name.removeprefix("../") for name in named}:
        assert any(path.endswith(f"/{name}") for path in there), name
    if page.parent.name == "docs":
        for name in set(folders) - {"test"}:  # that of a run
            assert any(f"/{name}/" in path for path in there), name


def test_the_ways_through_the_package_name_its_files():
    page = (ROOT / "docs/pipeline.md").read_text()
    for title, first, last in (
        ("mixture", "train.py", "scoring/evaluate.py"),
        ("recording", "commands/separate.py", "commands/separate_messages.py"),
    ):
        way = page.partition(f"## The way of a {title}")[2].partition("## ")[0]
        files = re.findall(r"^ {4}(\S+\.(?:py|c)) ", way, re.MULTILINE)
        assert (files[0], files[-1]) == (first, last) and len(files) > 9


def _names_in(tree):
    """What a module defines or imports."""
    found = set()
    for node in tree.body:
        found |= {getattr(node, "name", None)}
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        found |= {getattr(target, "id", None) for target in targets}
        if isinstance(node, (ast.ImportFrom, ast.Import)):
            found |= {name.asname or name.name for name in node.names}
    return found


def test_docstrings_name_what_is_there():
    """``scoring.loss.pit``: as one would import it from the package."""
    modules = {
        name.removesuffix(".py"): tree for name, tree in package_trees().items()
    }
    told = 0
    for module in modules:
        text = (PACKAGE / f"{module}.py").read_text()
        for name in re.findall(r"`([a-z_]+(?:\.\w+)+)`", text):
            parts = name.split(".")
            if not (PACKAGE / parts[0]).is_dir() or parts[-1] in ENDINGS:
                continue  # of another library, a variable
            for place in range(len(parts), 0, -1):
                home = "/".join(parts[:place])
                home = home if home in modules else f"{home}/__init__"
                if home in modules:
                    break
            rest = parts[place:]
            known = _names_in(modules[home]) if rest else ()
            assert not rest or rest[0] in known, (module, name)
            told += 1
    assert told > 30
