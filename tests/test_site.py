"""The site: what its hooks make of pages, docstrings and commands."""

import subprocess
import sys

import pytest

from tests import ROOT

pytest.importorskip("mkdocs")
pytest.importorskip("griffe")
sys.path.insert(0, str(ROOT / "docs/hooks"))
import command_pages  # noqa: E402
import docstrings  # noqa: E402
import nothing_fetched  # noqa: E402
import outside_pages  # noqa: E402


def test_each_command_has_a_page_with_its_options():
    pages = command_pages.command_pages()
    assert "`--window FLOAT`" in pages["separate"]
    assert "## spmamba prepare conversations\n" in pages["prepare"]
    assert all(
        text.startswith(f"# spmamba {'--' * ('-' in name)}{name}\n")
        for name, text in pages.items()
    )


def test_a_docstring_becomes_one_of_numpydoc():
    text = "Adds.\n\nArguments\n---------\none : int\n\nExample\n-------\n"
    assert docstrings.as_numpydoc(text) == (
        "Adds.\n\nParameters\n----------\none : int\n\nExamples\n--------\n"
    )
    assert docstrings.as_numpydoc("So:\n* one\n* two") == "So:\n\n* one\n* two"


@pytest.mark.parametrize(
    "target, address",
    [
        ("docs/faq.md", "faq.md"),
        ("docs/example", "example/README.md"),
        ("recipes/Voices/README.md", "recipes/Voices/README.md"),
        ("recipes/Voices/results", "recipes/Voices/results/index.md"),
        ("train.py", "train.py.md"),
        ("CITATION.cff", "CITATION.cff"),
    ],
)
def test_what_is_linked_has_an_address_in_the_site(target, address):
    assert outside_pages.address(target) == address


def test_what_a_page_would_load_from_elsewhere_is_found():
    page = """<link href="//fonts.example.org/a.css" rel="stylesheet">
    <script src="assets/a.js"></script><a href="https://example.org">a</a>
    <img src="https://example.org/a.png">"""
    assert nothing_fetched.Loaded().of(page) == [
        "//fonts.example.org/a.css",
        "https://example.org/a.png",
    ]


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("mkdocstrings")
    pytest.importorskip("mkdocs_jupyter")
    subprocess.run(
        [sys.executable, "-c", "from mkdocs.__main__ import cli; cli()"]
        + ["build", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        check=True,
    )
    for page, said in {
        "index.html": "what you want",
        "reference/separating.html": "separate_to_files",
        "commands/separate.html": "--window FLOAT",
        "recipes/Voices/index.html": "voices-8k-2",
        "templates/own_model/own_model.py.html": "OwnModel",
        "tour.html": "Two talkers are separated",
    }.items():
        assert said in (tmp_path / page).read_text(encoding="utf-8"), page
    text = (tmp_path / "reference/losses.html").read_text(encoding="utf-8")
    assert "Parameters:" in text and "Arguments:" not in text
    assert "<td>" in text
