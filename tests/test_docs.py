"""Pages name commands, options and files that exist."""

import ast
import re
import shlex
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import speechbrain as sb

from speechbrain_spmamba.cli import COMMANDS, make_app
from speechbrain_spmamba.commands.app import understand
from speechbrain_spmamba.settings.requirements import check_keys
from tests import PACKAGE, ROOT, package_trees

ENDINGS = {"c", "csv", "h", "json", "py", "yaml"}
PAGES = sorted(
    [
        ROOT / "README.md",
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("recipes/**/*.md"),
    ]
)
LINKED = [
    *PAGES,
    *ROOT.glob("benchmarks/**/*.md"),
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
]
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
# Of a run, and of a corpus.
OTHER_FOLDERS = {"test", "tr", "cv", "tt", "wham_noise"}


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


def test_the_readme_has_two_screens():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 120
    for command in ("make train", "make test"):
        assert f"\n{command} " in text


def _without_code(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)
    return re.sub(r"`[^`\n]*`", "", text)


def _anchors(page):
    """What GitHub and the site call the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.S | re.M)
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in heads}


@pytest.mark.parametrize(
    "page", LINKED, ids=lambda page: str(page.relative_to(ROOT))
)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)]+)\)", _without_code(page)):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            assert parts.scheme == "https" and "." in parts.netloc, link
            assert not re.search(r"\s", link), link
            continue
        target = page.parent / parts.path if parts.path else page
        assert target.exists(), link
        if parts.fragment:
            assert parts.fragment in _anchors(target), link


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.name)
def test_addresses_are_whole(page):
    for address in re.findall(r"https?:[^\s)`\"\'>]*", page.read_text()):
        host = urlsplit(address).hostname or ""
        assert "." in host or host == "localhost", address


def test_the_site_has_every_page_and_every_command():
    """As mkdocs, strict, insists on; here without it."""
    named = re.findall(
        r"[\w/-]+\.(?:md|ipynb)$", (ROOT / "mkdocs.yml").read_text(), re.M
    )
    assert len(named) == len(set(named))
    docs = ROOT / "docs"
    for page in [*docs.rglob("*.md"), *docs.rglob("*.ipynb")]:
        assert page.relative_to(docs).as_posix() in named, f"{page}: nav"
    commands = {f"commands/{name}.md" for name in COMMANDS}
    assert commands < {name for name in named if name.startswith("commands/")}


def test_the_reference_names_what_is_there():
    named = re.findall(
        r"^::: speechbrain_spmamba\.(\S+)$",
        "\n".join(p.read_text() for p in ROOT.glob("docs/reference/*.md")),
        re.MULTILINE,
    )
    assert len(named) > 60 and len(named) == len(set(named))
    for name in named:
        rest, known = _home(name.split("."))
        assert not rest or rest[0] in known, name


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
        for name in set(folders) - OTHER_FOLDERS:
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


@cache
def _modules():
    return {
        name.removesuffix(".py"): tree for name, tree in package_trees().items()
    }


def _home(parts):
    """What of a dotted name is not its module, and what the module knows."""
    modules = _modules()
    for place in range(len(parts), 0, -1):
        home = "/".join(parts[:place])
        home = home if home in modules else f"{home}/__init__"
        if home in modules:
            break
    return parts[place:], _names_in(modules[home])


def test_docstrings_name_what_is_there():
    """``scoring.loss.pit``: as one would import it from the package."""
    told = 0
    for module in _modules():
        text = (PACKAGE / f"{module}.py").read_text()
        for name in re.findall(r"`([a-z_]+(?:\.\w+)+)`", text):
            parts = name.split(".")
            if not (PACKAGE / parts[0]).is_dir() or parts[-1] in ENDINGS:
                continue  # of another library, a variable
            rest, known = _home(parts)
            assert not rest or rest[0] in known, (module, name)
            told += 1
    assert told > 30
