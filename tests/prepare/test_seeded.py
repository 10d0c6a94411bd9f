"""Random numbers follow from what they are for, and from one place."""

import ast
import zlib

import numpy as np

from speechbrain_spmamba.prepare.seeded import generator
from tests import ROOT


def test_the_numbers_of_a_purpose_stay_those_of_data_that_are_there():
    crc = zlib.crc32(b"train")
    old = np.random.default_rng([7, crc, 12, 2]).random(3)
    assert generator(7, "train", 12, 2).random(3).tolist() == old.tolist()


def test_no_other_module_makes_a_seed_of_several_parts():
    found = set()
    package = ROOT / "speechbrain_spmamba"
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func).endswith("default_rng")
                and any(isinstance(word, ast.List) for word in node.args)
            ):
                found.add(path.relative_to(package).as_posix())
    assert found == {"prepare/seeded.py"}
