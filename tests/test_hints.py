"""What is public has type hints, and they are true for who uses them."""

import ast
import importlib
import inspect
import os
import subprocess
import sys
import typing

import pytest

from tests import ROOT

PACKAGE = ROOT / "speechbrain_spmamba"
SECTIONS = ("Arguments\n---------", "Returns\n-------", "Yields\n------")
# What neither a user nor `make setup` need have.
OPTIONAL = {"gradio", "triton"}


def _says(node, *sections):
    text = ast.get_docstring(node) or ""
    return any(section in text for section in sections)


def public_functions(tree):
    """Pairs of the class, or None, and a function that is documented."""
    for node in tree.body:
        if getattr(node, "name", "_").startswith("_"):
            continue
        if isinstance(node, ast.FunctionDef) and _says(node, *SECTIONS):
            yield None, node
        if isinstance(node, ast.ClassDef):
            for inner in node.body:
                name = getattr(inner, "name", "")
                if not isinstance(inner, ast.FunctionDef):
                    continue
                if (
                    (name == "__init__" and _says(node, SECTIONS[0]))
                    or name == "forward"
                    or (name[0] != "_" and _says(inner, *SECTIONS))
                ):
                    yield node, inner


def without_hints(owner, function):
    """Names of arguments without a hint, and "return"."""
    given = function.args
    arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    decorators = [ast.unparse(one) for one in function.decorator_list]
    if owner and "staticmethod" not in decorators:
        arguments = arguments[1:]
    missing = [one.arg for one in arguments if one.annotation is None]
    return missing + ["return"] * (function.returns is None)


def test_what_is_documented_has_hints():
    found, count = [], 0
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for owner, function in public_functions(tree):
            count += 1
            missing = without_hints(owner, function)
            if missing:
                place = f"{path.relative_to(ROOT)}:{function.lineno}"
                found.append(f"{place} {function.name}: {', '.join(missing)}")
    assert not found, "\n".join(found)
    assert count > 600


def test_an_argument_without_a_hint_would_be_found():
    text = 'def f(a, *, b: int = 0):\n    """F.\n\n    Returns\n    -------"""'
    ((owner, function),) = public_functions(ast.parse(text))
    assert without_hints(owner, function) == ["a", "return"]


def names_of(module):
    """What hints of a module may name, with what is imported for them."""
    names = dict(vars(module))
    tree = ast.parse(inspect.getsource(module))
    for node in tree.body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == (
            "TYPE_CHECKING"
        ):
            for line in node.body:
                exec(ast.unparse(line), names)
    return tree, names


def test_hints_name_what_there_is():
    count = 0
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        try:
            module = importlib.import_module(name.removesuffix(".__init__"))
            tree, names = names_of(module)
        except ModuleNotFoundError as error:
            if error.name.partition(".")[0] in OPTIONAL:
                continue
            raise
        for owner, node in public_functions(tree):
            place = getattr(module, owner.name) if owner else module
            function = inspect.getattr_static(place, node.name)
            function = getattr(function, "fget", function)
            function = inspect.unwrap(getattr(function, "__func__", function))
            if inspect.isfunction(function):
                count += bool(typing.get_type_hints(function, names))
    assert count > 600


@pytest.fixture(scope="module")
def mypy(tmp_path_factory):
    """The strict mode, on a program that is outside of the project."""
    pytest.importorskip("mypy")
    folder = tmp_path_factory.mktemp("user")
    # What it knows of torch takes ten seconds to find out.
    words = ["--strict", "--cache-dir", ROOT / ".mypy_cache" / "strict"]

    def run(text):
        (folder / "program.py").write_text(text, encoding="utf-8")
        return subprocess.run(
            [sys.executable, "-m", "mypy", *words, "program.py"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )

    return run


def test_a_program_of_a_user_passes_the_strict_mode_of_mypy(mypy):
    done = mypy((ROOT / "tests" / "typed_use.py").read_text(encoding="utf-8"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_use_is_told(mypy):
    program = """
from speechbrain_spmamba.models import build_model
build_model(3)
"""
    said = mypy(program).stdout
    assert 'Argument 1 to "build_model" has incompatible type "int"' in said
