"""Tests of the package, in folders that mirror it."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
# Beside a checkout, where there is more to test with.
SHARED = ROOT.parent / "shared"
PACKAGE = ROOT / "speechbrain_spmamba"


@cache
def package_trees():
    """File of the package -> its syntax, for tests that state a rule of all."""
    return {
        path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_bytes())
        for path in sorted(PACKAGE.rglob("*.py"))
    }


@cache
def package_calls():
    """File, name of what is called, and syntax of each call of the package."""
    return [
        (file, ast.unparse(node.func), node)
        for file, tree in package_trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
    ]
