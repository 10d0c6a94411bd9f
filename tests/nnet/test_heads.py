"""A reader can follow a mixture from file to file by their first lines."""

import ast
import re
from pathlib import Path

import pytest

import speechbrain_spmamba

ROOT = Path(speechbrain_spmamba.__file__).parent
FILES = [
    path.relative_to(ROOT)
    for folder in ("nnet", "models")
    for path in sorted((ROOT / folder).glob("[a-z]*.py"))
]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_names_existing_files_that_data_comes_from_and_goes_to(path):
    head = ast.get_docstring(ast.parse((ROOT / path).read_text()))
    *_, way = re.split(r"\bFrom (?=and to|[a-z`])", head)
    named = re.findall(r"\b((?:nnet|models|ops)(?:\.\w+)?)\b", way)
    assert way != head and re.search(r"\bto\b", way) and named
    for name in named:
        place = ROOT / name.replace(".", "/")
        assert place.is_dir() or place.with_suffix(".py").is_file(), name
